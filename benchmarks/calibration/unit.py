"""One emulated meter with the constant errors of one unit, and the way from it to the host."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from benchmarks.calibration.load import SimulatedLoad
from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import DataSheet, MeterDriver, MeterEncoder, Options
from firmware_bridge.samples import F64, U8

CLOCK_LIMIT_RATIO = 50e-6
NOT_MEASURING_VOLTAGE = frozenset({"ppk2", "lpm01a"})
"""They take the voltage that was declared or set: its error is in the supply, not in the figure."""
ONE_GAIN = frozenset({"lpm01a"})
"""Its ranges are the steps of a number format; the analogue part behind them is one."""


@dataclass(frozen=True, slots=True)
class UnitErrors:
    """Constant errors of one unit and of the host's clock: a meter with gain error g shows 1 + g times the truth.

    ``gain_ratio``, ``offset_a``: by current range. ``power``: gain and offset in watts of a meter of power itself.
    """

    gain_ratio: tuple[float, ...]
    offset_a: tuple[float, ...]
    voltage_gain_ratio: float
    voltage_offset_v: float
    power: tuple[float, float] | None
    clock_ratio: float
    host_clock_ratio: float


def errors_count(sheet: DataSheet) -> int:
    """Return how many numbers ``draw_errors`` takes."""
    return 2 * len(sheet.ranges) + 6


def draw_errors(sheet: DataSheet, calibration: Calibration | None, quantiles: F64) -> UnitErrors:
    """Return the unit at these quantiles (0 to 1) of the distributions of sheet and certificate."""
    centred = (2.0 * quantiles - 1.0).tolist()
    normal = [NormalDist().inv_cdf(min(max(one, 1e-9), 1.0 - 1e-9)) for one in quantiles.tolist()]
    count = len(sheet.ranges)
    gain_of = normal if sheet.gain_distribution == "normal" else centred
    if calibration is None:
        gains = tuple(gain_of[i] * one.gain_limit_ratio for i, one in enumerate(sheet.ranges))
        offsets = tuple(centred[count + i] * one.offset_limit_a for i, one in enumerate(sheet.ranges))
    else:
        gains = (normal[0] * calibration.gain_u_ratio,) * count
        offsets = (normal[count] * calibration.offset_u_a,) * count
    volt_gain, volt_offset, power_gain, power_offset, clock, host = centred[2 * count :]
    power = None
    if sheet.power_gain_limit_ratio is not None:
        power = (power_gain * sheet.power_gain_limit_ratio, power_offset * sheet.ranges[0].power_offset_limit_w)
    return UnitErrors(
        gain_ratio=gains,
        offset_a=offsets,
        voltage_gain_ratio=volt_gain * sheet.voltage_gain_limit_ratio,
        voltage_offset_v=volt_offset * sheet.voltage_offset_limit_v,
        power=power,
        clock_ratio=clock * CLOCK_LIMIT_RATIO,
        host_clock_ratio=host * CLOCK_LIMIT_RATIO,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """How the marker line stands: it toggles at each of these true times."""

    edges_s: F64

    def level(self, t_s: F64) -> U8:
        """Return bit 0 at each time."""
        levels: U8 = (np.searchsorted(self.edges_s, t_s, side="right") & 1).astype(np.uint8)
        return levels


@dataclass(frozen=True, slots=True)
class Place:
    """Where a unit is: at which supply, with which line to its marker input. ``is_point``: it shows instants."""

    supply_v: float
    seed: int
    is_point: bool = False
    line: Line | None = None


class Unit:
    """Measures a load with one unit's errors. One of instants shows the millisecond before it is asked.

    A polled meter, and one that pushes a record a second, is shown the exact mean since it last was: as linear as it
    is, it makes the same of it as of a thousand samples.
    """

    def __init__(
        self, driver: MeterDriver, options: Options, errors: UnitErrors, load: SimulatedLoad, place: Place
    ) -> None:
        """Plug it in."""
        sheet = driver.data_sheet
        self._sheet, self._load, self._errors, self._line = sheet, load, errors, place.line
        self._rate = 1.0 + errors.clock_ratio
        self._is_polled = sheet.clock == "host_arrival"
        self._is_point = place.is_point
        supply_v = place.supply_v
        volt_gain, volt_offset_v = errors.voltage_gain_ratio, errors.voltage_offset_v
        if driver.name in NOT_MEASURING_VOLTAGE:
            self.shown_v = supply_v
            self._true_v = (supply_v - volt_offset_v) / (1.0 + volt_gain)
        else:
            self._true_v = supply_v
            self.shown_v = supply_v * (1.0 + volt_gain) + volt_offset_v
        first = driver.name in ONE_GAIN
        self._gains = np.array([errors.gain_ratio[0 if first else i] for i in range(len(sheet.ranges))])
        self._offsets_a = np.array([errors.offset_a[0 if first else i] for i in range(len(sheet.ranges))])
        self._limits_a = np.array([one.max_current_a for one in sheet.ranges[:-1]])
        self._count = 0
        self._since_s = 0.0
        self.encoder: MeterEncoder = driver.make_encoder(options, place.seed)

    def emit(self, until_s: float) -> bytes:
        """Measure up to a true time; return what a stream sends."""
        if self._is_polled:
            begin_s = until_s - 1e-3 if self._is_point else self._since_s
            if until_s <= begin_s:
                return b""
            self._since_s = until_s
            return self._show(np.array([begin_s, until_s]), np.array([until_s * self._rate]))
        last = int(until_s * self._rate / self._sheet.sample_interval_s)
        if last <= self._count:
            return b""
        t_device_s = np.arange(self._count, last + 1, dtype=np.float64) * self._sheet.sample_interval_s
        self._count = last
        return self._show(t_device_s / self._rate, t_device_s[1:])

    def _show(self, edges_s: F64, t_device_s: F64) -> bytes:
        power_w = np.diff(self._load.energy_j(edges_s)) / np.diff(edges_s)
        shown_v = np.full(len(power_w), self.shown_v)
        logic = None if self._line is None else self._line.level(edges_s[1:])
        return self.encoder.emit(t_device_s, shown_v, self._shown_a(power_w), logic)

    def _shown_a(self, power_w: F64) -> F64:
        shown_a: F64
        if self._errors.power is not None:
            gain, offset_w = self._errors.power
            shown_a = np.maximum(power_w * (1.0 + gain) + offset_w, 0.0) / self.shown_v
            return shown_a
        current_a = power_w / self._true_v
        if len(self._gains) == 1:
            shown_a = current_a * (1.0 + self._gains[0]) + self._offsets_a[0]
        else:
            index = np.searchsorted(self._limits_a, current_a)
            shown_a = current_a * (1.0 + self._gains[index]) + self._offsets_a[index]
        return shown_a


Lossy = Callable[[bytes], bytes]


def lossy_line(driver_name: str, ratio: float, rng: np.random.Generator) -> Lossy:
    """Return what loses ``ratio`` of a stream's samples: in the pieces in which that meter's are lost.

    Single words or frames; a frame of 20 samples of the open meter; stretches of 40 words of the LPM01A's binary
    stream, whose words carry nothing that tells one from another; one answer of a polled meter.
    """
    if driver_name == "pico_ina228":
        return lambda data: b"".join(one for one in _cobs_frames(data) if rng.random() >= ratio)
    piece = {"ppk2": 4, "powersensor3": 18, "lpm01a": 9, "lpm01a_100k": 80}.get(driver_name)
    if piece is None:
        return lambda data: b"" if rng.random() < ratio else data
    size = piece

    def lose(data: bytes) -> bytes:
        count = len(data) // size
        kept = rng.random(count) >= ratio
        if kept.all():
            return data
        whole = np.frombuffer(data[: count * size], dtype=np.uint8).reshape(count, size)[kept].tobytes()
        return whole + data[count * size :]

    return lose


def _cobs_frames(data: bytes) -> list[bytes]:
    """Split a stream of frames that stand between two zero bytes each."""
    return [b"\0" + one + b"\0" for one in data.split(b"\0") if one]
