"""How far a bench has got, and how long it will take yet. Pure."""

from dataclasses import dataclass

from edge_agent.bench.plan import Phase


@dataclass(frozen=True, slots=True)
class Progress:
    """``phase``: what happens now; ``done_s`` of the planned ``total_s`` are over."""

    phase: str
    done_s: float
    total_s: float

    @property
    def left_s(self) -> float:
        """Return the seconds that are left as far as they were planned."""
        return max(0.0, self.total_s - self.done_s)


class ProgressLine:
    """Follows the phases of a plan. A phase that takes longer than planned stands still at its end."""

    def __init__(self, phases: tuple[Phase, ...]) -> None:
        self._begins_s: dict[str, float] = {}
        at_s = 0.0
        for phase in phases:
            self._begins_s[phase.name] = at_s
            at_s += phase.seconds
        self._seconds = {phase.name: phase.seconds for phase in phases}
        self._total_s = at_s
        self._phase, self._t_begin_s = phases[0].name, 0.0

    def begin(self, phase: str, now_s: float) -> Progress:
        """Begin a phase of the plan at host time ``now_s``."""
        self._phase, self._t_begin_s = phase, now_s
        return self.at(now_s)

    def at(self, now_s: float) -> Progress:
        """Return how far it is at ``now_s``."""
        inside_s = min(max(0.0, now_s - self._t_begin_s), self._seconds[self._phase])
        return Progress(self._phase, self._begins_s[self._phase] + inside_s, self._total_s)
