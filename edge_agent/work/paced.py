"""Inputs that are there already, run at the pace of the configuration."""

import time
from typing import Final

import structlog

from edge_agent.config import DEFAULT_DUTY_RATIO, WorkloadSection
from edge_agent.inference_loop import InferenceLoop
from edge_agent.window_series import Burst
from edge_agent.workload import DutyPacer, Pacer, RatePacer, Run, SaturatingPacer
from firmware_bridge.stream import host_time_s

MAX_SLEEP_S: Final = 0.1

_LOG = structlog.get_logger()


def make_pacer(workload: WorkloadSection, t_first_s: float) -> Pacer:
    """Return the pacer that the configuration asks for."""
    if workload.kind == "saturate":
        return SaturatingPacer()
    if workload.inferences_per_s is not None:
        return RatePacer(t_first_s, workload.inferences_per_s)
    return DutyPacer(t_first_s, workload.duty_ratio or DEFAULT_DUTY_RATIO)


class PacedWorkload:
    """See ``Workload``. It never ends."""

    ended = False

    def __init__(self, pacer: Pacer, loop: InferenceLoop) -> None:
        self._pacer, self._loop = pacer, loop

    def step(self, until_s: float) -> Burst | None:
        """See Workload.step."""
        now_s = host_time_s()
        order = self._pacer.next(now_s)
        if isinstance(order, Run):
            burst = self._loop.run(Run(min(order.until_s, until_s), order.max_count))
            self._pacer.ran(len(burst.ends_s), burst.t_begin_s, burst.ends_s[-1])
            return burst
        wait_s = min(order.until_s, until_s) - now_s
        time.sleep(min(max(wait_s, 0.0), MAX_SLEEP_S))
        return None

    def close(self) -> None:
        """See Workload.close."""
        if isinstance(self._pacer, RatePacer) and self._pacer.missed_count:
            _LOG.warning("inferences_missed", count=self._pacer.missed_count, remedy="lower inferences_per_s")
