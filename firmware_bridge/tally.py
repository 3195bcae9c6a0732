"""What a whole recording comes to: joules, means, errors, marker edges and the meter's last reading. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from firmware_bridge.calibration import Calibration
from firmware_bridge.clock import ClockEstimate
from firmware_bridge.driver import DataSheet, FieldValue, MeterDriver
from firmware_bridge.energy import energy_between, energy_limits_j
from firmware_bridge.samples import F64, U8, EnergyDelta, EnergyReading, Event, MeterIdentity, SampleBlock, SampleFlag
from firmware_bridge.timeline import SyncState, Timeline

MARKER_LIMIT: Final = 1000
"""Edges that a summary lists; all are counted."""

Cell = FieldValue | list[str]


@dataclass(frozen=True, slots=True)
class Marker:
    """An edge of a digital input: the first sample with the new level, and which bit."""

    t_s: float
    bit: int
    edge: Literal["rising", "falling"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the samples come to. None: no sample says it.

    ``samples``: all of them; ``stale_samples`` of these are registers that were read again. ``t_first_s``,
    ``t_last_s``: ends of the first and the last sample, on the meter's clock or, where it has none, the host's.
    ``mean_voltage_v``, ``mean_current_a``: of the samples that are not stale, each counted once. ``mean_power_w``:
    joules over the seconds that samples cover; where they cover none (a single reading) the mean of the samples.
    ``energy_limits_j``: least and most that was drawn, gaps included, as this meter measures. ``lost``: samples
    known to be lost. ``markers``: the first thousand edges, ``marker_count`` all of them. ``last``: the last sample's
    columns, then whatever else the meter said.
    """

    driver: str
    samples: int
    t_first_s: float | None
    t_last_s: float | None
    mean_voltage_v: float | None
    mean_current_a: float | None
    mean_power_w: float | None
    energy_j: float | None
    gap_s: float | None
    frame_errors: dict[str, int]
    markers: tuple[Marker, ...]
    last: dict[str, Cell]
    marker_count: int
    gap_bound_j: float | None
    energy_limits_j: tuple[float, float] | None
    lost: float
    stale_samples: int
    identity: MeterIdentity | None
    complaint: str
    total: EnergyDelta | None


class Tally:
    """Adds up a decoder's events. Not thread-safe."""

    def __init__(
        self, driver: MeterDriver, calibration: Calibration | None = None, *, limit_w: float | None = None
    ) -> None:
        self._driver = driver
        self._timeline = Timeline(driver.data_sheet, calibration, limit_w=limit_w)
        self._level: np.uint8 | None = None
        self._sums = np.zeros(4)
        self._markers: list[Marker] = []
        self._marker_count = 0
        self._first_s: float | None = None
        self._samples = 0
        self.last_block: SampleBlock | None = None
        self.frame_errors: Counter[str] = Counter()
        self.identity: MeterIdentity | None = None
        self.complaint = ""

    def take(self, events: Iterable[Event], t_host_s: float) -> tuple[SampleBlock, ...]:
        """Take a decoder's events of ``t_host_s``; return their blocks, calibrated and on one timeline."""
        taken = self._timeline.take(events, t_host_s, self.frame_errors)
        self.identity = taken.identity or self.identity
        self.complaint = taken.complaint or self.complaint
        for block in taken.blocks:
            self._add(block)
        return taken.blocks

    def total(self) -> EnergyDelta | None:
        """Return what was measured so far, None before the first sample."""
        first = self._timeline.first()
        return None if first is None else energy_between(first, self._timeline.latest())

    def latest(self) -> EnergyReading:
        """Return the register after the last sample."""
        return self._timeline.latest()

    def sync(self) -> SyncState:
        """Return how meter time was aligned to host time."""
        return self._timeline.sync()

    def clock(self) -> ClockEstimate | None:
        """Return offset and drift of the meter's clock, None where it has none."""
        return self._timeline.clock()

    def summary(self, last_fields: Mapping[str, FieldValue]) -> Summary:
        """Return what it all comes to; ``last_fields`` is the decoder's."""
        total, (fresh, volts, amperes, watts) = self.total(), self._sums.tolist()
        mean_w = watts / fresh if fresh else None
        return Summary(
            driver=self._driver.name,
            samples=self._samples,
            t_first_s=self._first_s,
            t_last_s=None if self.last_block is None else float(self.last_block.t_device_s[-1]),
            mean_voltage_v=volts / fresh if fresh else None,
            mean_current_a=amperes / fresh if fresh else None,
            mean_power_w=mean_w if total is None or total.mean_power_w is None else total.mean_power_w,
            energy_j=None if total is None else total.energy_j,
            gap_s=None if total is None else total.gap_s,
            frame_errors=dict(sorted(self.frame_errors.items())),
            markers=tuple(self._markers[:MARKER_LIMIT]),
            last={**last_sample(self.last_block), **{k: v for k, v in last_fields.items() if k not in _COLUMNS}},
            marker_count=self._marker_count,
            gap_bound_j=None if total is None else total.gap_bound_j,
            energy_limits_j=limits_j(total, self._driver.data_sheet),
            lost=self._timeline.latest().lost_count,
            stale_samples=self._samples - int(fresh),
            identity=self.identity,
            complaint=self.complaint,
            total=total,
        )

    def _add(self, block: SampleBlock) -> None:
        columns = np.stack((np.ones(len(block)), block.voltage_v, block.current_a, block.power_w))
        if block.flags is not None:
            columns = columns[:, block.flags & SampleFlag.STALE == 0]
        self._sums += columns.sum(axis=1)
        self._samples += len(block)
        if self._first_s is None:
            self._first_s = float(block.t_device_s[0])
        self.last_block = block
        if block.logic is not None:
            self._add_markers(block.t_device_s, block.logic)

    def _add_markers(self, t_s: F64, logic: U8) -> None:
        before = logic[0] if self._level is None else self._level
        changed = logic ^ np.concatenate(([before], logic[:-1]), dtype=np.uint8)
        self._level = logic[-1]
        self._marker_count += int(np.unpackbits(changed).sum())
        for at in np.flatnonzero(changed)[: MARKER_LIMIT - len(self._markers)].tolist():
            for bit in (bit for bit in range(8) if changed[at] >> bit & 1):
                self._markers.append(Marker(float(t_s[at]), bit, "rising" if logic[at] >> bit & 1 else "falling"))


def limits_j(total: EnergyDelta | None, sheet: DataSheet) -> tuple[float, float] | None:
    """Return the least and the most that was drawn, None without a sample."""
    return None if total is None else energy_limits_j(total, sheet)


_COLUMNS: Final = (*("t_device_s", "voltage_v", "current_a", "power_w", "range_index", "logic", "flags", "counter_j"),)


def last_sample(block: SampleBlock | None) -> dict[str, Cell]:
    """Return the columns of a block's last sample, those that the meter has; flags by name."""
    if block is None:
        return {}
    cells: dict[str, Cell] = {}
    for name in _COLUMNS:
        column = getattr(block, name)
        if name == "flags":
            cells[name] = [] if column is None else flag_names(int(column[-1]))
        elif column is not None:
            cells[name] = column[-1].item()
    return cells


def flag_names(bits: int) -> list[str]:
    """Return the names of sample flags, small letters."""
    return [str(flag.name).lower() for flag in SampleFlag if bits & flag]
