"""The agent's own inference: a workload step by step, cut into windows."""

from collections.abc import Callable

from edge_agent.window_series import WindowSeries
from edge_agent.work.protocol import Cut, Workload


class OwnWork:
    """See ``Work``. With one inference thread its processor time is known; workers of a runtime's own are not."""

    def __init__(self, workload: Workload, series: WindowSeries, clock: Callable[[], float], threads: int) -> None:
        self._workload, self._series, self._clock = workload, series, clock
        self._cpu_s: float | None = 0.0 if threads == 1 else None

    @property
    def ended(self) -> bool:
        """See Work.ended."""
        return self._workload.ended

    @property
    def inference_cpu_s(self) -> float | None:
        """See Work.inference_cpu_s."""
        return self._cpu_s

    def step(self) -> None:
        """See Work.step."""
        burst = self._workload.step(self._series.t_next_s)
        if burst is None:
            return
        self._series.add(burst)
        if self._cpu_s is not None:
            self._cpu_s += burst.cpu_s

    def cuts(self) -> list[Cut]:
        """See Work.cuts."""
        counts = self._series.advance(self._clock())
        return [] if counts is None else [Cut(counts)]

    def last_cuts(self) -> list[Cut]:
        """See Work.last_cuts."""
        now_s = self._clock()
        found = (self._series.advance(now_s), self._series.close(now_s))
        return [Cut(counts) for counts in found if counts is not None]

    def close(self) -> None:
        """See Work.close."""
        self._workload.close()
