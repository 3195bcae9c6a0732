"""Takes the best way there is to tie the meter's time to the host's, keeps it fresh, and says why no better one.

Best first: a marker line, marks on command, the agent's own load found in the samples, arrivals. The load is played
only where it pays: for a meter without a clock of its own, or where arrivals leave more than ``WORTH_S`` open. It is
gone by only where its limit is below what arrivals give.

What counts is what the meter says in the end (``Meter.sync``): nothing is claimed here. Use from one thread.
"""

import math
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self

import numpy as np
import structlog

from edge_agent.alignment.lines import MarkerLine, MarkerLineError
from edge_agent.alignment.opening import check_line, open_line
from edge_agent.alignment.play import PlayPattern, sleep_until
from edge_agent.config import AlignSection
from edge_agent.wire.errors import ConfigurationError
from firmware_bridge.meter import Meter
from firmware_bridge.step_pattern import StepPattern, shortest_s
from firmware_bridge.stream import host_time_s

Marking = Literal["gpio_marker", "serial_marker"]
Method = Literal["gpio_marker", "serial_marker", "step_correlation"]

WORTH_S: Final = 0.010
SPACING_S: Final = {"gpio_marker": (0.08, 0.25), "serial_marker": (0.26, 0.45)}
"""Between two marks at the start, drawn at random: equal times would suit a whole period off as well."""
FRESH_S: Final = (5.0, 15.0)
"""Between two marks later: the last two minutes of them count."""
RECOVERY_TRIES: Final = 32
CHANGE_CHECK_S: Final = 1.0
AGREE_TIMEOUT_S: Final = 1.0
CHECK_S: Final = 0.02
LEAD_S: Final = 0.3
SEED: Final = 1

_LOG = structlog.get_logger()


class Aligner:
    """``start`` once the meter is open; then ``edge`` at window boundaries and ``tick`` in between; ``close``.

    ``play``: loads the machine by a pattern; without it step correlation is not possible. ``stopped``: whether to give
    up. ``line``: instead of the configured one. Raises ConfigurationError for what cannot be with this meter.
    """

    def __init__(
        self,
        meter: Meter,
        config: AlignSection,
        play: PlayPattern | None = None,
        *,
        stopped: Callable[[], bool] = bool,
        line: MarkerLine | None = None,
    ) -> None:
        self._meter, self._config, self._play, self._stopped = meter, config, play, stopped
        check_line(config, meter.driver)
        self._line = line or open_line(config)
        self._rng = np.random.default_rng(SEED)
        self._marking: Marking | None = None
        self._level = self._inverted = self._line_failed = False
        self._next_s = self._next_check_s = 0.0
        self._tries = 0
        self._method: str = meter.sync().method
        self.not_taken: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_simulated(self) -> bool:
        """Is the marker line one that does not exist?"""
        return self._line is not None and self._line.is_simulated

    def start(self) -> None:
        """Try the ways that there are, best first, until one holds; takes seconds. ``not_taken`` then says why.

        Raises ConfigurationError where the configuration asks for one that this meter cannot do.
        """
        for method, attempt in self._ways():
            if self._stopped():
                return
            why = attempt()
            if not why:
                break
            self.not_taken[method] = why
        sync = self._meter.sync()
        self._method = sync.method
        wanted = self._config.method
        log = _LOG.warning if wanted not in {"auto", "none", sync.method} else _LOG.info
        log("aligned", method=sync.method, residual_s=round(sync.residual_s, 9), not_taken=self.not_taken)

    def edge(self, level: bool) -> None:  # noqa: FBT001 a level
        """Mark a boundary: the line is driven to ``level`` (True: busy), or a mark is asked for."""
        if self._marking is not None:
            self._mark(level)
            self._next_s = host_time_s() + self._rng.uniform(*FRESH_S)

    def tick(self, now_s: float) -> None:
        """Keep marks fresh, and tell when the alignment becomes another. Call a few times a second at least."""
        if now_s >= self._next_check_s:
            self._next_check_s = now_s + CHANGE_CHECK_S
            self._watch(now_s)
        if self._marking is None or now_s < self._next_s:
            return
        is_urgent = 0 < self._tries <= RECOVERY_TRIES
        self._tries += is_urgent
        self._next_s = now_s + self._rng.uniform(*(SPACING_S[self._marking] if is_urgent else FRESH_S))
        self._mark(not self._level)

    def _watch(self, now_s: float) -> None:
        """See whether the alignment is another one; where the marks do not hold any longer, make new ones at once."""
        sync = self._meter.sync()
        if sync.method == self._marking:
            self._tries = 0
        elif self._tries == 0:
            self._tries, self._next_s = 1, now_s
        if sync.method != self._method:
            is_better = sync.method == self._marking or self._method in {"host_clock", "arrival_fit"}
            log = _LOG.info if is_better else _LOG.warning
            log("alignment_changed", before=self._method, method=sync.method, residual_s=round(sync.residual_s, 9))
            self._method = sync.method

    def close(self) -> None:
        """Let go of the line. Safe to call twice."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _ways(self) -> list[tuple[Method, Callable[[], str]]]:
        """Return what may be tried, best first; note why the others may not."""
        wanted, name = self._config.method, self._meter.driver.name
        cannot: dict[Method, str] = {
            "gpio_marker": "" if self._line is not None else "no marker line is configured",
            "serial_marker": "" if self._meter.makes_marks else f"a {name} sets no mark on command",
            "step_correlation": self._why_no_steps(),
        }
        attempts: dict[Method, Callable[[], str]] = {
            "gpio_marker": self._by_line,
            "serial_marker": self._by_command,
            "step_correlation": self._by_steps,
        }
        if wanted == "auto":
            cannot["step_correlation"] = cannot["step_correlation"] or self._why_steps_do_not_pay()
            self.not_taken = {method: why for method, why in cannot.items() if why}
            return [(method, attempts[method]) for method, why in cannot.items() if not why]
        if wanted == "none":
            return []
        if cannot[wanted]:
            raise ConfigurationError(f"[align] method = {wanted!r}: {cannot[wanted]}")
        return [(wanted, attempts[wanted])]

    # --- marks -----------------------------------------------------------------------------------------------------

    def _by_line(self) -> str:
        """Pulse the line; the other way round too, as a driver or coupler in between may turn it over."""
        for self._inverted in (False, True):
            if self._agrees("gpio_marker", 2 * self._config.pulses):
                if self._inverted:
                    _LOG.info(
                        "marker_line_inverted", line=self._line_name, note="high on the line is low at the input"
                    )
                return ""
            if self._line_failed or self._stopped():
                break
        if self._line_failed:
            return f"{self._line_name} cannot be driven"
        wanted = self._config.marker_input
        seen = {edge.bit for edge in self._meter.markers()}
        if wanted in seen:
            return f"edges came on input {wanted}, but not when {self._line_name} was driven: does another drive it?"
        others = f"; they came on {sorted(seen)}: correct marker_input" if seen else ""
        return (
            f"no edge came on input {wanted} when {self._line_name} was driven{others}; check wire, ground and levels"
        )

    def _by_command(self) -> str:
        if self._agrees("serial_marker", self._config.pulses):
            return ""
        return "no marked sample came back, or the marks did not agree"

    def _agrees(self, marking: Marking, count: int) -> bool:
        """Make so many marks at random moments; tell whether the meter goes by them."""
        self._marking = marking
        for _ in range(count):
            self._mark(not self._level)
            if self._line_failed or not self._sleep(self._rng.uniform(*SPACING_S[marking])):
                break
        until_s = host_time_s() + AGREE_TIMEOUT_S
        while self._meter.sync().method != marking:
            if self._line_failed or host_time_s() > until_s or not self._sleep(CHECK_S):
                self._marking = None
                return False
        return True

    def _mark(self, level: bool) -> None:  # noqa: FBT001 a level
        if self._marking == "serial_marker":
            self._meter.mark_serially()
            return
        if self._line is None or level == self._level:
            return
        before_s = self._meter.now_s()
        try:
            self._line.set(level)
        except MarkerLineError as error:
            if not self._line_failed:
                _LOG.warning("marker_line_failed", reason=str(error))
            self._line_failed = True
            return
        after_s = self._meter.now_s() + self._line.settle_s
        self._line_failed, self._level = False, level
        self._meter.mark(level != self._inverted, before_s, after_s, bit=self._config.marker_input)

    @property
    def _line_name(self) -> str:
        return "no line" if self._line is None else self._line.name

    # --- steps -----------------------------------------------------------------------------------------------------

    @property
    def _interval_s(self) -> float:
        sheet = self._meter.driver.data_sheet
        return max(sheet.sample_interval_s, sheet.refresh_interval_s or 0.0)

    def _why_no_steps(self) -> str:
        if self._play is None:
            return "nothing here can produce a load pattern"
        least_s = shortest_s(self._interval_s)
        if self._config.pattern_s < least_s:
            return f"pattern_s = {self._config.pattern_s:g} is too short for this meter: {math.ceil(least_s)} or more"
        return ""

    def _why_steps_do_not_pay(self) -> str:
        residual_s = self._meter.sync().residual_s
        if self._meter.driver.data_sheet.clock == "host_arrival" or residual_s > WORTH_S:
            return ""
        return f"the meter's own clock leaves {residual_s:.4f} s open only"

    def _by_steps(self) -> str:
        """Play a pattern and look for it."""
        if self._play is None:
            return "nothing here can produce a load pattern"
        try:
            pattern = StepPattern.draw(self._interval_s, self._config.pattern_s, SEED)
        except ValueError as error:
            return str(error)
        self._meter.watch_steps()
        self._sleep(LEAD_S)
        busy = self._play(pattern)
        if not self._sleep(1.0 + 2.0 * self._interval_s):
            return "stopped"
        found = self._meter.find_steps(busy, pattern.chip_s)
        if isinstance(found, str):
            return found
        before_s = self._meter.sync().residual_s
        self._meter.align(found)
        after_s = self._meter.sync().residual_s
        if after_s >= before_s:
            self._meter.align(None)
            return f"found within {after_s:.4f} s, which is no better than {before_s:.4f} s by arrivals"
        _LOG.info("load_found", lag_s=round(found.lag_s, 6), step_w=round(found.step_w, 6))
        return ""

    def _sleep(self, seconds: float) -> bool:
        return sleep_until(host_time_s() + seconds, self._stopped)
