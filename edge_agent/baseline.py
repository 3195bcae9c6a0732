"""The declared idle state: the agent does nothing, and the meter is read at both ends of it."""

import math
import time
from typing import Final

import structlog

from edge_agent.service import StopFlag, Watchdog
from edge_agent.uncertainty.energy import energy_budget
from edge_agent.window import IdleBaseline
from firmware_bridge.driver import DataSheet
from firmware_bridge.energy import energy_between
from firmware_bridge.meter import Meter, MeterHealth
from firmware_bridge.samples import EnergyReading
from firmware_bridge.stream import host_time_s

MAX_SLEEP_S: Final = 0.1
LAST_READING_TIMEOUT_S: Final = 5.0
MIN_COVERAGE_RATIO: Final = 0.5
POLL_S: Final = 0.02

_LOG = structlog.get_logger()


def measure_baseline(
    meter: Meter, sheet: DataSheet, baseline_s: float, stop: StopFlag, watchdog: Watchdog | None = None
) -> IdleBaseline | None:
    """Idle for ``baseline_s`` and return the mean power, None if the meter covered less than half or ``stop`` came."""
    t_start_s = now_s = host_time_s()
    epoch = meter_epoch(meter.health())
    start: EnergyReading | None = None
    while now_s < t_start_s + baseline_s and not stop.requested:
        if watchdog is not None:
            watchdog.feed(now_s)
        start = start or meter.reading_at(t_start_s)
        time.sleep(min(MAX_SLEEP_S, t_start_s + baseline_s - now_s))
        now_s = host_time_s()
    if stop.requested:
        return None
    t_end_s = t_start_s + baseline_s
    start, end = start or await_reading(meter, t_start_s), await_reading(meter, t_end_s)
    delta = energy_between(start, end) if start and end else None
    if delta is None or delta.mean_power_w is None or delta.covered_s < MIN_COVERAGE_RATIO * baseline_s:
        _LOG.warning("baseline_not_measured", reason="the meter covered less than half of it", baseline_s=baseline_s)
        return None
    budget = energy_budget(delta, sheet, sync_residual_s=meter.sync().residual_s, busy_ratio=0.0)
    idle = IdleBaseline(
        power_w=delta.mean_power_w,
        power_u_w=budget.combined_j / delta.covered_s,
        random_u_w=math.hypot(budget.rounding_j, budget.independent_j) / delta.covered_s,
        voltage_v=supply_voltage_v(meter),
        t_end_s=t_end_s,
        meter_epoch=epoch,
    )
    _LOG.info("baseline_measured", idle_power_w=round(idle.power_w, 6), idle_power_u_w=round(idle.power_u_w, 6))
    return idle


def await_reading(meter: Meter, t_host_s: float, timeout_s: float = LAST_READING_TIMEOUT_S) -> EnergyReading | None:
    """Return the register at a host time as soon as samples have reached it, None if they do not in time."""
    deadline_s = host_time_s() + timeout_s
    reading = meter.reading_at(t_host_s)
    while reading is None and host_time_s() < deadline_s:
        time.sleep(POLL_S)
        reading = meter.reading_at(t_host_s)
    return reading


def meter_epoch(health: MeterHealth) -> int:
    """Return a number that changes when another unit answers than before, or the meter begins anew."""
    return health.meter_changes + health.resets


def supply_voltage_v(meter: Meter) -> float | None:
    """Return the mean voltage of the samples that arrived last, None without any or where the meter shows none."""
    block = meter.latest_block()
    volts = None if block is None else float(block.voltage_v.mean())
    return volts if volts is not None and volts > 0.0 else None
