"""The two formats of raw meter traces in the MLPerf Tiny result repositories. Pure: bytes in, a trace out.

Neither format is documented. What stands here was found by inspection of the files in the public repositories
mlcommons/tiny_results_v0.7 to v1.3 (Apache-2.0), and is confirmed by the published figures that it gives.

``results.json`` (round v1.3, the Python runner of MLCommons): a list of trials. ``power.samples`` are joules per
millisecond; ``power.timestamps`` are pairs of an event's number (as text) and the index of the sample at which the
meter saw the edge, counted from the begin of that trial's capture; the last two bound the measured window, and the
first trial has one more before them, from the start of the board. ``infer.iterations`` is the number of inferences
in the window, ``power.voltage`` the supply. Runs for performance and accuracy have the same file without ``power``.

``traceN-energy.bin`` and ``traceN-timestamps.json`` (rounds v0.7 to v1.2, the runner of EEMBC): the byte 0xF1, the
sampling rate in Hz as float32 little-endian, then one float32 little-endian in microjoules for each sample. The
timestamps are times of events in seconds from the first sample, rounded to a millisecond: the first is the start of
the board, then begin and end of one window after the other. The number of inferences stands in ``results.txt`` only.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from edge_agent.mlperf.errors import TraceError, TraceMissingError
from firmware_bridge.samples import F64

JSON_RATE_HZ: Final = 1000.0
_BIN_MAGIC: Final = 0xF1
_BIN_HEADER_BYTES: Final = 5
_SAMPLE_BYTES: Final = 4
_MAX_RATE_HZ: Final = 2e6
"""The fastest of the meters that the rules allow (Joulescope) takes two million samples per second."""
_LFS_MAGIC: Final = b"version https://git-lfs.github.com/spec/"
_UJ: Final = 1e-6
_ROUNDING_S: Final = 1e-9


@dataclass(frozen=True, slots=True)
class TraceWindow:
    """One measured window: begin and end in seconds from the trace's first sample.

    ``inferences``: None where only the published text says it.
    """

    start_s: float
    end_s: float
    inferences: int | None = None

    @property
    def duration_s(self) -> float:
        """Return the time between the two edges."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One capture of a meter: joules per sample, shape ``(n,)``, and the windows in it, in order of time.

    ``voltage_v``: the supply that the file states, None where it states none.
    """

    samples_j: F64
    rate_hz: float
    windows: tuple[TraceWindow, ...]
    voltage_v: float | None = None

    @property
    def duration_s(self) -> float:
        """Return the time that the samples cover."""
        return len(self.samples_j) / self.rate_hz


class _Power(msgspec.Struct):
    samples: list[float]
    timestamps: list[tuple[str | int, int]]
    voltage: float | None = None


class _Trial(msgspec.Struct):
    infer: Any = None
    power: _Power | None = None


def refuse_pointer(data: bytes) -> None:
    """Raise TraceMissingError for what is no file but Git's note of where the file is kept, or is empty."""
    if data.startswith(_LFS_MAGIC):
        raise TraceMissingError("a Git LFS pointer, not the file itself; fetch it with: git lfs pull")
    if not data.strip():
        raise TraceMissingError("the file is empty; fetch the repository again")


def parse_results_json(data: bytes) -> tuple[Trace, ...]:
    """Return one trace for each trial; none where the run measured no power (performance, accuracy)."""
    refuse_pointer(data)
    try:
        trials = msgspec.json.decode(data, type=list[_Trial])
    except msgspec.DecodeError as error:
        raise TraceError(f"not the results.json of an energy run: {error}") from error
    with_power = [(number, trial) for number, trial in enumerate(trials) if trial.power is not None]
    if with_power and len(with_power) < len(trials):
        missing = next(number for number, trial in enumerate(trials) if trial.power is None)
        raise TraceError(f"trial {missing} has no power samples, though others have")
    return tuple(_trial_trace(number, trial.power, trial.infer) for number, trial in with_power if trial.power)


def _trial_trace(number: int, power: _Power, infer: Any) -> Trace:
    where = f"trial {number}"
    samples_j = _checked_samples(np.array(power.samples, dtype=np.float64), where)
    marks = [index for _, index in power.timestamps]
    if len(marks) < 2:
        raise TraceError(f"{where} has {len(marks)} events, where begin and end of its window are needed")
    _check_rising(marks, where)
    outside = [mark for mark in marks if not 0 <= mark <= len(samples_j)]
    if outside:
        raise TraceError(f"{where} has an event at sample {outside[0]}, outside of its {len(samples_j)} samples")
    iterations = infer.get("iterations") if isinstance(infer, dict) else None
    if not isinstance(iterations, int) or iterations < 1:
        raise TraceError(f"{where} does not say its iterations, the number of inferences")
    window = TraceWindow(marks[-2] / JSON_RATE_HZ, marks[-1] / JSON_RATE_HZ, iterations)
    return Trace(samples_j, JSON_RATE_HZ, (window,), power.voltage)


def parse_trace_bin(energy: bytes, timestamps: bytes) -> Trace:
    """Return the trace of a pair ``traceN-energy.bin`` and ``traceN-timestamps.json``."""
    samples_j, rate_hz = parse_energy_bin(energy)
    windows = parse_timestamps(timestamps)
    duration_s = len(samples_j) / rate_hz
    if windows[-1].end_s > duration_s + _ROUNDING_S:
        raise TraceError(
            f"the last event is at {windows[-1].end_s:g} s, after the end of the samples ({duration_s:g} s): "
            "the energy file is cut short, or belongs to another run"
        )
    return Trace(samples_j, rate_hz, windows)


def parse_energy_bin(data: bytes) -> tuple[F64, float]:
    """Return joules per sample, shape ``(n,)``, and the rate in Hz."""
    refuse_pointer(data)
    if data[0] != _BIN_MAGIC:
        raise TraceError(f"begins with the byte 0x{data[0]:02X}, where an energy trace has 0x{_BIN_MAGIC:02X}")
    if len(data) < _BIN_HEADER_BYTES + _SAMPLE_BYTES:
        raise TraceError(f"has {len(data)} bytes: no samples")
    rest = (len(data) - _BIN_HEADER_BYTES) % _SAMPLE_BYTES
    if rest:
        raise TraceError(f"ends {rest} bytes into a sample: it is cut short")
    rate_hz = float(np.frombuffer(data, "<f4", count=1, offset=1)[0])
    if not (math.isfinite(rate_hz) and 0.0 < rate_hz <= _MAX_RATE_HZ):
        raise TraceError(f"states a sampling rate of {rate_hz:g} Hz")
    samples_uj = np.frombuffer(data, "<f4", offset=_BIN_HEADER_BYTES).astype(np.float64)
    return _checked_samples(samples_uj, "the trace") * _UJ, rate_hz


def parse_timestamps(data: bytes) -> tuple[TraceWindow, ...]:
    """Return the windows of ``traceN-timestamps.json``, in order of time."""
    refuse_pointer(data)
    try:
        times_s = msgspec.json.decode(data, type=list[float])
    except msgspec.DecodeError as error:
        raise TraceError(f"not a list of times in seconds: {error}") from error
    if len(times_s) < 3 or len(times_s) % 2 == 0:
        raise TraceError(
            f"has {len(times_s)} events, where one for the start of the board and two for each window are needed"
        )
    _check_rising(times_s, "the list of events")
    if times_s[0] < 0.0:
        raise TraceError(f"has an event at {times_s[0]:g} s, before the first sample")
    return tuple(TraceWindow(start_s, end_s) for start_s, end_s in zip(times_s[1::2], times_s[2::2], strict=True))


def _check_rising(marks: Sequence[float], where: str) -> None:
    for earlier, later in itertools.pairwise(marks):
        if later <= earlier:
            raise TraceError(f"{where} has an event at {later:g} after one at {earlier:g}: not in order of time")


def _checked_samples(samples: F64, where: str) -> F64:
    bad = len(samples) - int(np.count_nonzero(np.isfinite(samples)))
    if bad:
        raise TraceError(f"{where} has {bad} samples that are no number: the meter dropped them")
    return samples
