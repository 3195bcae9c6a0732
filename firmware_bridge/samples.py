"""The values that pass between decoder, integrator and caller."""

from dataclasses import dataclass, field
from enum import IntFlag
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

F64: TypeAlias = NDArray[np.float64]
U8: TypeAlias = NDArray[np.uint8]
I8: TypeAlias = NDArray[np.int8]

FrameErrorKind = Literal["desync", "checksum", "lost", "overrange", "implausible", "stale", "protocol", "reset"]


class SampleFlag(IntFlag):
    """What is to be known of one sample; bits of ``SampleBlock.flags``."""

    STALE = 1
    """The meter has not measured since the sample before: its register was read again."""
    SATURATED = 2
    """At the end of the scale: the true value may be larger."""
    FILTERED = 4
    """Not the raw conversion: a filter of the maker's replaced or held it."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleBlock:
    """Consecutive samples of one meter, on that meter's own clock.

    All arrays have shape ``(n,)``, n >= 1.

    ``t_device_s``: end of the time that each sample stands for, in seconds since the stream began, strictly
    increasing within and across the blocks of one decoder. For a meter without a clock, the host's arrival time.
    ``voltage_v``, ``current_a``, ``power_w``: the reading. Power is the meter's own where it sends one, else V x I.
    ``range_index``: the measuring range of each sample (an index into ``DataSheet.ranges``), None for one range.
    ``logic``: the digital marker inputs as bits, None where the meter has none.
    ``flags``: bits of ``SampleFlag``, None where no sample has any.
    ``counter_j``: the meter's own energy counter at each sample, as it shows it; NaN where the sample came without,
    None where the meter has none.
    """

    t_device_s: F64
    voltage_v: F64
    current_a: F64
    power_w: F64
    range_index: I8 | None = None
    logic: U8 | None = None
    flags: U8 | None = None
    counter_j: F64 | None = None

    def __len__(self) -> int:
        return len(self.t_device_s)


@dataclass(frozen=True, slots=True)
class FrameError:
    """Bytes that were not a sample, or samples that never came. An event, not an exception.

    ``count`` is bytes for ``desync``, frames or samples otherwise. ``reset``: the meter began anew; the blocks after
    it are on a new device clock, whose times the decoder lets go on increasing.
    """

    kind: FrameErrorKind
    count: int
    t_host_s: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MeterIdentity:
    """Who the meter says it is, known once its handshake is done."""

    model: str
    serial_number: str = ""
    firmware: str = ""
    calibration: dict[str, float | str] = field(default_factory=dict)


Event: TypeAlias = SampleBlock | FrameError | MeterIdentity


@dataclass(frozen=True, slots=True)
class EnergyReading:
    """A cumulative register, as an electricity meter has one: take two and subtract (``energy.energy_between``).

    ``t_device_s``: where on the device clock it was read.
    ``energy_j``: joules integrated since the stream began, gaps excluded.
    ``energy_u_systematic_j``: integral of the meter's systematic standard uncertainty (gain, offset), same span.
    ``power_sq_w2s``: integral of each sample's power squared, for the spread of the samples inside a window.
    ``covered_s``, ``gap_s``: seconds that samples cover, and seconds that none does.
    ``sample_count``, ``lost_count``: samples taken, samples known to be lost.
    ``resolution_j``: integral of the step of power that one step of the meter's display makes.
    ``gap_bound_j``: the most that the load can have drawn within ``gap_s``: the meter's full scale at the voltage
    beside the gap, or a declared limit. With a declared limit also what samples pinned at full scale may hide.
    ``counter_j``: how far the meter's own energy counter has moved, None where it has none or has not shown it yet;
    before its first reading and between two the integral stands in for it.
    ``counter_resets``: how often that counter began anew; what it had not shown before is not in ``counter_j``.
    ``between_bound_j``: the most (+-) that the energy is off where the load moved one way only between two samples:
    the difference of their powers, times half the time between them for samples of an instant, times what is beyond
    the time that it was taken over for a mean.
    ``counter_open_j``: the most (+-) that ``counter_j`` is off because it was not read since.
    ``counter_doubt_j``: the most (+-) that it is off for good, summed over all beginnings of that counter.
    """

    t_device_s: float
    energy_j: float
    energy_u_systematic_j: float
    power_sq_w2s: float
    covered_s: float
    gap_s: float
    sample_count: float
    lost_count: float
    resolution_j: float = 0.0
    gap_bound_j: float = 0.0
    counter_j: float | None = None
    counter_resets: float = 0.0
    between_bound_j: float = 0.0
    counter_open_j: float = 0.0
    counter_doubt_j: float = 0.0


@dataclass(frozen=True, slots=True)
class EnergyDelta:
    """What happened between two readings of one register. ``mean_power_w`` is None where nothing was covered.

    ``power_sd_w`` is the standard deviation of the power samples within the span, weighted by time.
    The energy drawn lies between ``energy_j - between_bound_j`` and ``energy_j + between_bound_j + gap_bound_j`` as
    this meter measures (its gain and offset are in ``energy_u_systematic_j``); ``energy.energy_limits_j`` narrows
    that with the meter's own counter, which ``counter_open_j`` may be off beside its steps.
    """

    duration_s: float
    energy_j: float
    energy_u_systematic_j: float
    covered_s: float
    gap_s: float
    sample_count: float
    lost_count: float
    mean_power_w: float | None
    power_sd_w: float
    resolution_j: float = 0.0
    gap_bound_j: float = 0.0
    counter_j: float | None = None
    counter_resets: float = 0.0
    between_bound_j: float = 0.0
    counter_open_j: float = 0.0
