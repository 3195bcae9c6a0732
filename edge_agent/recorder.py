"""From closed windows to the outbox: waits until the meter has reached a window's end, then joins and stores."""

import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeAlias

import structlog

from edge_agent.uncertainty.energy import EnergyBudget, PooledSpread, energy_budget
from edge_agent.uncertainty.net import MeterLimits, net_energy
from edge_agent.window import Conditions, Identity, Metering, WindowCounts, build_window
from edge_agent.wire.records import InferenceWindow, SyncMethod
from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import DataSheet
from firmware_bridge.energy import energy_between
from firmware_bridge.samples import EnergyDelta, EnergyReading

_LOG = structlog.get_logger()


class Sync(Protocol):
    """How the meter's clock is aligned to the host's."""

    @property
    def method(self) -> SyncMethod:
        """Return the method's name on the wire."""
        ...

    @property
    def residual_s(self) -> float:
        """Return the limit (+-) on the remaining offset."""
        ...


class EnergySource(Protocol):
    """What the recorder needs of a meter."""

    def reading_at(self, t_host_s: float) -> EnergyReading | None:
        """Return the register at a host time, None while samples have not reached it."""
        ...

    def snapshot(self) -> EnergyReading:
        """Return the register's latest state."""
        ...

    def sync(self) -> Sync:
        """Return how well the clocks are aligned."""
        ...


class WindowStore(Protocol):
    """What the recorder needs of an outbox."""

    def append(self, make: Callable[[int], InferenceWindow]) -> InferenceWindow:
        """Store ``make(seq)`` under the next sequence number."""
        ...


@dataclass(frozen=True, slots=True)
class EdgeKnowledge:
    """What is known around a window beside its own samples: see ``energy_budget``."""

    sync_residual_s: float
    pooled_sd_w: float
    pooled_count: float
    neighbour_step_w: float

    def budget(self, delta: EnergyDelta, sheet: DataSheet, busy_ratio: float) -> EnergyBudget:
        """Return the budget of ``delta`` with it."""
        return energy_budget(
            delta,
            sheet,
            sync_residual_s=self.sync_residual_s,
            busy_ratio=busy_ratio,
            pooled_sd_w=self.pooled_sd_w,
            pooled_count=self.pooled_count,
            neighbour_step_w=self.neighbour_step_w,
        )


@dataclass(frozen=True, slots=True)
class Joined:
    """A window with its energy, and the two readings that it lies between."""

    counts: WindowCounts
    conditions: Conditions
    identity: Identity
    metering: Metering
    start: EnergyReading
    end: EnergyReading
    edges: EdgeKnowledge


OnJoined: TypeAlias = Callable[[Joined], None]


@dataclass(frozen=True, slots=True)
class _Closed:
    counts: WindowCounts
    conditions: Conditions
    identity: Identity
    on_joined: OnJoined | None


class WindowRecorder:
    """Gives every joule to exactly one window: each window's end reading is the next one's start reading.

    ``identity``: whose figures the windows are that close from now on.
    """

    def __init__(
        self,
        meter: EnergySource,
        sheet: DataSheet,
        store: WindowStore,
        identity: Identity,
        t_first_s: float,
        calibration: Calibration | None = None,
    ) -> None:
        """Start at host time ``t_first_s``, where the first window begins. ``calibration``: as the meter has it."""
        self._meter, self._store, self.identity = meter, store, identity
        self._limits = MeterLimits(sheet, calibration)
        self._t_first_s = t_first_s
        self._start: EnergyReading | None = None
        self._spread = PooledSpread()
        self._closed: deque[_Closed] = deque()
        self._joined: deque[Joined] = deque()
        self._store_failed = False

    @property
    def waiting(self) -> int:
        """Return how many closed windows are not in the outbox yet."""
        return len(self._closed) + len(self._joined)

    @property
    def store_failed(self) -> bool:
        """Return whether the outbox could not be written at the last try."""
        return self._store_failed

    @property
    def limits(self) -> MeterLimits:
        """Return what is known of the meter's constant errors."""
        return self._limits

    def close(
        self,
        counts: WindowCounts,
        conditions: Conditions,
        identity: Identity | None = None,
        on_joined: OnJoined | None = None,
    ) -> None:
        """Take a window that ended. Windows come in order and without holes between them.

        ``identity``: where it is not ``self.identity``. ``on_joined``: called once the energy is known, in the thread
        that settles.
        """
        self._closed.append(_Closed(counts, conditions, identity or self.identity, on_joined))

    def settle(self) -> int:
        """Store every window whose energy is known by now; return how many were stored.

        Call it while the first window is open too: the register is then read at its start while that is fresh.
        """
        self._begin(self._meter.reading_at)
        while self._closed and self._join(self._meter.reading_at):
            pass
        return self._store_joined()

    def settle_now(self) -> int:
        """Like ``settle``, but seconds that the meter has not reached become gap: for the end of a run."""
        while self._closed:
            self._join(self._reading_or_gap)
        return self._store_joined()

    def _begin(self, read: Callable[[float], EnergyReading | None]) -> None:
        if self._start is None:
            self._start = read(self._t_first_s)

    def _join(self, read: Callable[[float], EnergyReading | None]) -> bool:
        """Join the oldest closed window with its energy; False if the meter has not got there."""
        self._begin(read)
        entry = self._closed[0]
        end = read(entry.counts.t_end_s)
        if self._start is None or end is None:
            return False
        self._closed.popleft()
        joined = self._metered(entry, self._start, end)
        self._joined.append(joined)
        self._start = end
        if entry.on_joined is not None:
            entry.on_joined(joined)
        return True

    def _metered(self, entry: _Closed, start: EnergyReading, end: EnergyReading) -> Joined:
        delta = energy_between(start, end)
        sync = self._meter.sync()
        pooled_sd_w = self._spread.add(delta)
        edges = EdgeKnowledge(sync.residual_s, pooled_sd_w, self._spread.sample_count, self._spread.step_w)
        budget = edges.budget(delta, self._limits.sheet, entry.counts.busy_s / entry.counts.duration_s)
        idle = entry.conditions.idle
        voltage_v = entry.conditions.voltage_v
        net = net_energy(delta, budget, idle.idle_power, self._limits, voltage_v) if idle else None
        metering = Metering(delta, budget, sync.method, sync.residual_s, net)
        return Joined(entry.counts, entry.conditions, entry.identity, metering, start, end, edges)

    def _reading_or_gap(self, t_host_s: float) -> EnergyReading:
        reading = self._meter.reading_at(t_host_s)
        if reading is not None:
            return reading
        latest = self._meter.snapshot()
        if self._start is None or not self._closed:
            return latest
        counts = self._closed[0].counts
        target_s = self._start.t_device_s + (t_host_s - counts.t_start_s)
        missing_s = max(0.0, target_s - latest.t_device_s)
        return replace(latest, t_device_s=latest.t_device_s + missing_s, gap_s=latest.gap_s + missing_s)

    def _store_joined(self) -> int:
        """Store what is joined, in order. A full disk keeps it in memory (about 1 kB each) until the next try."""
        stored = 0
        while self._joined:
            entry = self._joined[0]
            make = partial(
                build_window,
                counts=entry.counts,
                metering=entry.metering,
                identity=entry.identity,
                conditions=entry.conditions,
            )
            try:
                self._store.append(make)
            except sqlite3.OperationalError as error:
                self._note_store(failure=str(error))
                return stored
            self._joined.popleft()
            stored += 1
        if stored:
            self._note_store(failure="")
        return stored

    def _note_store(self, failure: str) -> None:
        if failure and not self._store_failed:
            _LOG.error("outbox_not_writable", reason=failure, remedy="free space in [device] state_dir")
        elif self._store_failed and not failure:
            _LOG.info("outbox_writable_again")
        self._store_failed = bool(failure)
