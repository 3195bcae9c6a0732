r"""RDTech TC66C: a USB-C inline meter that is asked for one reading at a time.

::

    host:  "getva\r\n"
    meter: 192 bytes = 3 blocks of 64, AES-256-ECB; a block in the clear, little-endian:
           0        4                          60        64
           | "pacN" | fields                   | CRC     |     CRC-16/Modbus over bytes 0..59, zero-extended
    pac1:  4 product[4]  8 firmware[4]  12 serial  44 runs  48 V 1e-4  52 A 1e-5  56 W 1e-4
    pac2:  4 ohm 0.1  8/12 mAh,mWh group 0  16/20 group 1  24 sign of T  28 T  32 D+ 0.01 V  36 D- 0.01 V

The key is the same in every unit and public: it hides nothing. ``query`` is answered with ``firm`` or, in the boot
loader, ``boot``; this driver does not send it. Blocks may come in any order.

What it can carry: 4 to 24 V, 5 A, so a Pi or a Jetson up to 100 W at its USB-C socket; about ten readings a second.
What happens above 5 A is not known; an answer with more than 30 V or 6.5 A is dropped as implausible. Current and
power come without sign. Boundary: what flows through the plug, with the cable behind it. The meter's own supply is
outside the reading when its micro-USB port is powered from elsewhere and its slide switch says so.

Times: the meter has no clock, a reading is stamped with the arrival of its answer. Questions come at random, 0.5 to
1.5 times ``poll_interval_s`` apart. Whether a reading is an instant or a mean is not documented: it is taken for an
instant, and the energy's limits leave room for what may lie between two. A missing or damaged answer is a gap
(``max_interval_s`` is shorter than ``timeout_s``) unless the next one comes in time. How often the meter measures
anew is not known either, so an answer that repeats the last one in every byte is not taken for stale - a steady load
looks the same -, but ``repeats`` in ``last_fields`` counts them.

Its counters: ``counter_j`` is the mWh of both recording groups together. One that steps back was cleared; ``runs``
that changes is another start of the meter (assumption: the name is all that is known of it). Both are a reset here:
the counter begins anew, and the time between the two answers is gap. Whether the meter counts below some current is
not known; if it does not, samples and counter disagree in ``energy_limits_j``, and that is to be seen there.

What a flipped bit can do unseen: nothing. One bit in a block of 16 bytes scrambles all 16 of them, which the CRC shows
but for one case in 65,536; what passes then has still to agree in V x A = W and in the scale's end.

Known from a recording: one answer of firmware 1.18 (tests/data/captures/tc66c), with the readings that its owner
noted; it shows resistance in 0.1 ohm, and watts cut, not rounded. All else is known from documents: sigrok wiki,
"RDTech TC66C"; jedie/tc66c2mqtt (readings, and V x A = W within two counts); savrcbl/tc66-serial (same format by USB).
"""

import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver, MeterRange, Options, SerialSettings
from firmware_bridge.errors import NotInstalledError
from firmware_bridge.protocol.crc import crc16_modbus
from firmware_bridge.protocol.events import desync, later_s, one_sample, unanswered
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.question_timer import QuestionTimer
from firmware_bridge.samples import F64, U8, Event, FrameError, MeterIdentity

FORMAT_KEY = bytes.fromhex("5821fa5601b2f02687ff1204622a4fb086f40260816f9a0ba7f106619ab87288")
REPLY_BYTES = 192
BLOCK_BYTES = 64
POLL = b"getva\r\n"
JOULES_PER_MWH = 3.6
_CIPHER_BYTES = 16
_NAMES = (b"pac1", b"pac2", b"pac3")
_NAME_START = b"pac"
_CHECKED_BYTES = 60
_LIMIT_V = 30.0
_LIMIT_A = 6.5
_POWER_RATIO = 0.05
_POWER_OFFSET_W = 0.05

_OPTIONS = {
    "poll_interval_s": "mean seconds between two questions, 0.05 to 0.25 (default 0.1)",
    "timeout_s": "seconds to wait for an answer before asking again, 0.1 to 30 (default 0.5)",
}

_SHEET = DataSheet(
    manufacturer="RDTech (Ruideng)",
    model="TC66C",
    min_voltage_v=4.0,
    max_voltage_v=24.0,
    ranges=(MeterRange(max_current_a=5.0, gain_limit_ratio=0.001, offset_limit_a=0.0004, resolution_a=1e-5),),
    voltage_gain_limit_ratio=0.0005,
    voltage_offset_limit_v=0.002,
    voltage_resolution_v=1e-4,
    sample_interval_s=0.1,
    max_interval_s=0.45,
    sampling="point",
    clock="host_arrival",
    boundaries=("usb_dc", "dc_input"),
    sync_facility="none: arrival time of the answer, a few milliseconds",
    usb_ids=(),
    accuracy_basis=(
        "assumption: no data sheet of the maker could be read; the limits are those that sellers print for the "
        "sister model UM25C (0.05 % + 2 counts of 1 mV, 0.1 % + 4 counts of 0.1 mA), without temperature drift"
    ),
    integrity=(
        "CRC-16 over each of the three blocks of an answer, and V x A has to be W: a flipped bit is seen, the answer "
        "dropped and counted"
    ),
    counter_step_j=JOULES_PER_MWH,
    source="sigrok wiki RDTech_TC66C (protocol, resolution); seller's description (range 4-24 V, 0-5 A)",
)


@dataclass(frozen=True, slots=True)
class Tc66cReading:
    """Everything that one answer holds. ``charge_mah`` and ``energy_mwh`` are the two recording groups."""

    product: str
    firmware: str
    serial_number: int
    runs: int
    voltage_v: float
    current_a: float
    power_w: float
    resistance_ohm: float
    charge_mah: tuple[int, int]
    energy_mwh: tuple[int, int]
    temperature_c: float
    d_plus_v: float
    d_minus_v: float


def _cipher() -> Any:
    """Return the cipher of all answers. Raises NotInstalledError: only those who have this meter need it."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415  optional
    except ModuleNotFoundError as error:
        raise NotInstalledError("cryptography", "serial") from error
    return Cipher(algorithms.AES(FORMAT_KEY), modes.ECB())  # noqa: S305  the format's


def _blocks(plain: bytes) -> dict[bytes, bytes]:
    """Return the three blocks of one answer by name, whatever their order; fewer where a name is not known."""
    pieces = (plain[i : i + BLOCK_BYTES] for i in range(0, REPLY_BYTES, BLOCK_BYTES))
    return {piece[:4]: piece for piece in pieces if piece[:4] in _NAMES}


def _intact(block: bytes) -> bool:
    return int.from_bytes(block[_CHECKED_BYTES:], "little") == crc16_modbus(block[:_CHECKED_BYTES])


def _ascii(raw: bytes) -> str:
    return "".join(chr(byte) for byte in raw if 0x20 < byte < 0x7F)


def _parse(blocks: dict[bytes, bytes]) -> Tc66cReading:
    product, firmware, serial_number = struct.unpack_from("<4s4sI", blocks[b"pac1"], 4)
    runs, volts, amperes, watts = struct.unpack_from("<4I", blocks[b"pac1"], 44)
    ohms, mah0, mwh0, mah1, mwh1, below_zero, kelvinless, d_plus, d_minus = struct.unpack_from(
        "<9I", blocks[b"pac2"], 4
    )
    return Tc66cReading(
        product=_ascii(product),
        firmware=_ascii(firmware),
        serial_number=serial_number,
        runs=runs,
        voltage_v=volts * 1e-4,
        current_a=amperes * 1e-5,
        power_w=watts * 1e-4,
        resistance_ohm=ohms * 0.1,
        charge_mah=(mah0, mah1),
        energy_mwh=(mwh0, mwh1),
        temperature_c=float(-kelvinless if below_zero else kelvinless),
        d_plus_v=d_plus * 0.01,
        d_minus_v=d_minus * 0.01,
    )


def _objection(reading: Tc66cReading) -> str:
    """Return what cannot be true in an answer, empty where nothing stands out."""
    volts, amperes, watts = reading.voltage_v, reading.current_a, reading.power_w
    if volts > _LIMIT_V or amperes > _LIMIT_A:
        return f"{volts:g} V, {amperes:g} A are beyond the scale"
    if abs(watts - volts * amperes) > _POWER_OFFSET_W + _POWER_RATIO * volts * amperes:
        return f"{watts:g} W is not {volts:g} V x {amperes:g} A"
    return ""


class Tc66cDecoder:
    """Asks and reads answers; ``last_reading`` holds all fields of the latest.

    Questions come at random (seeded): regular ones would see the same phase of a load that repeats with them for
    ever, and no number of samples would average that out.
    """

    def __init__(self, options: Options) -> None:
        read = OptionReader("tc66c", options, _OPTIONS)
        interval_s = read.number("poll_interval_s", _SHEET.sample_interval_s, low=0.05, high=0.25)
        self._timer = QuestionTimer(interval_s, read.number("timeout_s", 0.5, low=0.1, high=30.0))
        self._decrypt: Callable[[bytes], bytes] = _cipher().decryptor().update
        self._buffer = bytearray()
        self._cut_bytes = 0
        self._last_s = -np.inf
        self._last_plain = b""
        self._repeats = 0
        self._identity: MeterIdentity | None = None
        self.last_reading: Tc66cReading | None = None

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the question when one is due. What is left of an older answer is then counted and dropped."""
        if not self._timer.ask(t_host_s):
            return b""
        self._cut_bytes += len(self._buffer)
        self._buffer.clear()
        return POLL

    def next_due_s(self) -> float:
        """Return when the next question is due."""
        return self._timer.next_due_s()

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return readings. Holds at most one answer less one byte between calls."""
        events: list[Event] = [
            *unanswered(self._timer.take_unanswered(), t_host_s),
            *desync(self._cut_bytes, t_host_s),
        ]
        self._cut_bytes = 0
        self._buffer += data
        at = 0
        for start in self._starts():
            if start < at:
                continue
            plain = self._decrypt(bytes(self._buffer[start : start + REPLY_BYTES]))
            blocks = _blocks(plain)
            if len(blocks) < len(_NAMES):
                continue
            events += desync(start - at, t_host_s)
            events += self._answer(plain, blocks, t_host_s)
            at = start + REPLY_BYTES
        keep = max(at, len(self._buffer) - REPLY_BYTES + 1)
        events += desync(keep - at, t_host_s)
        del self._buffer[:keep]
        return events

    def stop_bytes(self) -> bytes:
        """Nothing: the meter only speaks when asked."""
        return b""

    def last_fields(self) -> dict[str, FieldValue]:
        """Return every field of the last answer, the recording groups one by one.

        ``repeats``: how many answers in a row, up to this one, were the same in every byte as the one before them.
        """
        if self.last_reading is None:
            return {}
        fields = asdict(self.last_reading)
        for name in ("charge_mah", "energy_mwh"):
            fields |= {f"{name}_{group}": value for group, value in enumerate(fields.pop(name))}
        return fields | {"repeats": self._repeats}

    def _starts(self) -> list[int]:
        """Return where in the buffer a block with a known name starts, an answer's length before its end or more."""
        size = len(self._buffer)
        found: list[int] = []
        for shift in range(min(_CIPHER_BYTES, size - REPLY_BYTES + 1)):
            count = (size - REPLY_BYTES - shift) // _CIPHER_BYTES + 1
            plain = self._decrypt(bytes(self._buffer[shift : shift + count * _CIPHER_BYTES]))
            at = plain.find(_NAME_START)
            while at >= 0:
                if at % _CIPHER_BYTES == 0 and plain[at : at + 4] in _NAMES:
                    found.append(shift + at)
                at = plain.find(_NAME_START, at + 1)
        return sorted(found)

    def _answer(self, plain: bytes, blocks: dict[bytes, bytes], t_host_s: float) -> list[Event]:
        self._timer.answered()
        bad = [name.decode() for name in _NAMES if not _intact(blocks[name])]
        if bad:
            return [FrameError("checksum", 1, t_host_s, ", ".join(bad))]
        reading = _parse(blocks)
        complaint = _objection(reading)
        if complaint:
            return [FrameError("implausible", 1, t_host_s, complaint)]
        events = [*self._introduce(reading), *self._resets(reading, t_host_s)]
        self._repeats = self._repeats + 1 if plain == self._last_plain else 0
        self._last_plain, self.last_reading = plain, reading
        self._last_s = later_s(t_host_s, self._last_s)
        block = one_sample(
            self._last_s,
            voltage_v=reading.voltage_v,
            current_a=reading.current_a,
            power_w=reading.power_w,
            counter_j=JOULES_PER_MWH * sum(reading.energy_mwh),
        )
        return [*events, block]

    def _introduce(self, reading: Tc66cReading) -> list[Event]:
        """Say who it is, the first time and whenever another unit answers."""
        identity = MeterIdentity(reading.product, str(reading.serial_number), reading.firmware)
        if identity == self._identity:
            return []
        self._identity = identity
        return [identity]

    def _resets(self, reading: Tc66cReading, t_host_s: float) -> list[Event]:
        """Say that the same unit has started again, or that one of its counters was cleared."""
        last = self.last_reading
        if last is None or last.serial_number != reading.serial_number:
            return []
        if last.runs != reading.runs:
            return [FrameError("reset", 1, t_host_s, f"the meter's run {reading.runs} follows run {last.runs}")]
        pairs = zip(last.energy_mwh, reading.energy_mwh, strict=True)
        cleared = [group for group, (before, now) in enumerate(pairs) if now < before]
        return [FrameError("reset", 1, t_host_s, f"recording group {group} was cleared") for group in cleared[:1]]


class Tc66cEncoder:
    """A TC66C: answers with the mean of what it measured since its last answer; counts mWh in group 0."""

    def __init__(self, options: Options, seed: int) -> None:
        OptionReader("tc66c", options, _OPTIONS)
        self._encrypt: Callable[[bytes], bytes] = _cipher().encryptor().update
        self._serial_number = 10_000_000 + seed % 1_000_000
        self._received = bytearray()
        self._sums = np.zeros(4)
        self._latest: tuple[float, float, float] | None = None
        self._measured_s: float | None = None
        self._energy_j = 0.0

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no markers
        """Add samples to the running mean and the counter; the answer waits for its question."""
        power_w = voltage_v * np.abs(current_a)
        watts = power_w.sum()
        self._sums += (len(t_device_s), voltage_v.sum(), current_a.sum(), (voltage_v * current_a).sum())
        if self._measured_s is not None:
            self._energy_j += watts / len(t_device_s) * (float(t_device_s[-1]) - self._measured_s)
        self._measured_s = float(t_device_s[-1])
        return b""

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 a meter without a clock
        """Answer ``getva`` and ``query``, ignore all else, as the meter does."""
        self._received += data
        *lines, rest = bytes(self._received).split(b"\r\n")
        self._received = bytearray(rest[-BLOCK_BYTES:])
        answers: dict[bytes, Callable[[], bytes]] = {b"getva": self._reply, b"query": lambda: b"firm"}
        return b"".join(answers[line]() for line in lines if line in answers)

    def _reply(self) -> bytes:
        if self._sums[0]:
            count, volts, amperes, watts = self._sums
            self._latest = (volts / count, amperes / count, watts / count)
            self._sums[:] = 0.0
        if self._latest is None:
            return b""
        energy_mwh = int(self._energy_j / JOULES_PER_MWH)
        return self._encrypt(encode_plain(*self._latest, serial_number=self._serial_number, energy_mwh=energy_mwh))


def encode_plain(
    voltage_v: float, current_a: float, power_w: float, *, serial_number: int, energy_mwh: int = 0, runs: int = 1
) -> bytes:
    """Return one answer in the clear, 192 bytes: current and power without sign, as the meter shows them."""
    counts = (
        min(round(abs(value) * steps), 0xFFFF_FFFF)
        for value, steps in ((voltage_v, 1e4), (current_a, 1e5), (power_w, 1e4))
    )
    fields1 = struct.pack("<4s4s4sI28xIIII", b"pac1", b"TC66", b"1.15", serial_number, runs, *counts)
    ohms = round(abs(voltage_v / current_a) * 10) if abs(current_a) > 1e-5 else 99_999
    fields2 = struct.pack("<4s9I", b"pac2", min(ohms, 99_999), 0, energy_mwh, 0, 0, 0, 25, 0, 0)
    blocks = (fields.ljust(_CHECKED_BYTES, b"\0") for fields in (fields1, fields2, b"pac3"))
    return b"".join(block + crc16_modbus(block).to_bytes(4, "little") for block in blocks)


DRIVER = MeterDriver(
    name="tc66c",
    title="RDTech TC66C, USB-C inline, 24 V 5 A, about 10 readings/s",
    data_sheet=_SHEET,
    make_decoder=Tc66cDecoder,
    make_encoder=Tc66cEncoder,
    serial=SerialSettings(baud_hz=115200),
    options=_OPTIONS,
)
