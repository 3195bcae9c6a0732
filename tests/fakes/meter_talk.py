"""A host and an emulated meter that talk in simulated time; what was said can be decoded again, cut or damaged."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from firmware_bridge.driver import DataSheet, MeterDecoder, MeterDriver, MeterEncoder, Options
from firmware_bridge.samples import F64, Event, FrameError, MeterIdentity, SampleBlock

TICK_S = 0.02
LONGEST_TICK_S = 0.2
POLLED_SAMPLE_S = 1e-3
SAMPLES_AN_ANSWER = 2000
Load = Callable[[F64], tuple[F64, F64]]
Cut = Callable[[bytes], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Said:
    """One read (``from_meter``) or one write of the host."""

    t_host_s: float
    from_meter: bool
    data: bytes


def tick_s(sheet: DataSheet) -> float:
    """Return how often host and meter talk: 50 times within a slow meter's interval, 5 to 50 times a second."""
    return min(max(TICK_S, sheet.sample_interval_s / 50), LONGEST_TICK_S)


def levels_a(sheet: DataSheet) -> tuple[float, float, float]:
    """Return three currents that this meter measures well: within its range, many steps, above its start."""
    step_a = max(one.resolution_a for one in sheet.ranges)
    enough_a = max(1.0, 10 * step_a, 10 * sheet.starting_power_w / sheet.nominal_voltage_v)
    full_a = min(enough_a, sheet.ranges[-1].max_current_a)
    return 0.12 * full_a, 0.45 * full_a, 0.8 * full_a


def steady(voltage_v: float, current_a: float) -> Load:
    return lambda t: (np.full(len(t), voltage_v), np.full(len(t), current_a))


@dataclass(slots=True)
class Decoded:
    """Everything that a decoder returned; the arrays are those of all blocks joined."""

    events: list[Event] = field(default_factory=list)

    def blocks(self) -> list[SampleBlock]:
        return [event for event in self.events if isinstance(event, SampleBlock)]

    def identities(self) -> list[MeterIdentity]:
        return [event for event in self.events if isinstance(event, MeterIdentity)]

    def frame_errors(self) -> list[FrameError]:
        return [event for event in self.events if isinstance(event, FrameError)]

    def errors(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for event in self.frame_errors():
            counts[event.kind] = counts.get(event.kind, 0) + event.count
        return counts

    def column(self, name: str) -> F64:
        parts = [np.asarray(getattr(block, name), dtype=np.float64) for block in self.blocks()]
        return np.concatenate(parts) if parts else np.empty(0)

    def check_blocks(self) -> None:
        """What every block must hold to, whatever the bytes were."""
        for block in self.blocks():
            assert len(block) >= 1
            columns = (block.t_device_s, block.voltage_v, block.current_a, block.power_w)
            assert all(column.shape == (len(block),) and column.dtype == np.float64 for column in columns)
            assert all(np.isfinite(column).all() for column in columns)
        assert (np.diff(self.column("t_device_s")) > 0).all()


@dataclass(slots=True)
class Conversation:
    """A decoder and an encoder in simulated time. ``said`` is the transcript.

    ``lossy`` changes what the meter streams, ``line`` whatever it says.
    """

    driver: MeterDriver
    options: Options = field(default_factory=dict)
    seed: int = 1
    lossy: Callable[[bytes], bytes] = bytes
    line: Callable[[bytes], bytes] = bytes
    tick_s: float = 0.0
    began_s: float = 1000.0
    t_s: float = 0.0
    samples: int = 0
    said: list[Said] = field(default_factory=list)
    decoded: Decoded = field(default_factory=Decoded)
    decoder: MeterDecoder = field(init=False)
    encoder: MeterEncoder = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = self.driver.make_decoder(self.options)
        self.encoder = self.driver.make_encoder(self.options, self.seed)
        self.tick_s = self.tick_s or tick_s(self.driver.data_sheet)

    @property
    def sample_s(self) -> float:
        sheet = self.driver.data_sheet
        if sheet.clock != "host_arrival":
            return sheet.sample_interval_s
        return max(POLLED_SAMPLE_S, sheet.sample_interval_s / SAMPLES_AN_ANSWER)

    def run(self, seconds: float, load: Load) -> Decoded:
        """Go on for a while; return all that was decoded so far."""
        for _ in range(round(seconds / self.tick_s)):
            self._measure(load)
            self._talk()
        return self.decoded

    def run_until_samples(self, load: Load) -> Decoded:
        """Go on until the first samples are there: the handshake is over."""
        limit_s = 4.0 + 4.0 * self.driver.data_sheet.sample_interval_s
        while self.t_s < limit_s:
            if self.run(self.tick_s, load).blocks():
                return self.decoded
        raise AssertionError(f"{self.driver.name}: no sample within {limit_s} s")

    def _measure(self, load: Load) -> None:
        self.t_s += self.tick_s
        last = round(self.t_s / self.sample_s)
        t_device_s = np.arange(self.samples + 1, last + 1, dtype=np.float64) * self.sample_s
        self.samples = last
        self._hear(self.lossy(self.encoder.emit(t_device_s, *load(t_device_s))))

    def _talk(self) -> None:
        for _ in range(16):
            outgoing = self.decoder.bytes_to_send(self.began_s + self.t_s)
            if not outgoing:
                return
            self.said.append(Said(self.began_s + self.t_s, from_meter=False, data=outgoing))
            self._hear(self.encoder.receive(outgoing, self.t_s))

    def _hear(self, data: bytes) -> None:
        data = self.line(data)
        if data:
            self.said.append(Said(self.began_s + self.t_s, from_meter=True, data=data))
            self.decoded.events += self.decoder.feed(data, self.began_s + self.t_s)


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]


def decode_again(
    driver: MeterDriver, said: Iterable[Said], *, options: Options | None = None, cut: Cut = whole
) -> Decoded:
    """Decode a transcript with a fresh decoder, its reads cut to pieces."""
    decoder = driver.make_decoder(options or {})
    decoded = Decoded()
    for one in said:
        if one.from_meter:
            for piece in cut(one.data):
                decoded.events += decoder.feed(piece, one.t_host_s)
        else:
            decoder.bytes_to_send(one.t_host_s)
    return decoded
