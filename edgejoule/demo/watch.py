"""The demo's watchman: keeps the children running, draws the table, kills on purpose when asked to."""

import time
from collections.abc import Sequence
from typing import Final

from rich.live import Live

from edgejoule.demo.children import Child, Household
from edgejoule.demo.live import LiveView

LOOK_S: Final = 0.25
TABLE_S: Final = 1.0


class Watch:
    """Looks after the children of one run until it is told that time is up."""

    def __init__(self, household: Household, view: LiveView, live: Live) -> None:
        self._household = household
        self._view = view
        self._live = live
        self._started_s = time.monotonic()
        self._next_table_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the watch began."""
        return time.monotonic() - self._started_s

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._live.console.print(text, soft_wrap=True)

    def until(self, end_s: float, kills: list[tuple[float, str]]) -> None:
        """Watch until ``end_s`` of the run.

        ``kills``: the seconds at which children get SIGKILL, in order; those that got it are taken out.
        """
        while self.elapsed_s < end_s:
            self._household.keep_running(self._note_restart)
            if kills and self.elapsed_s > kills[0][0]:
                self._household.children[kills.pop(0)[1]].kill()
            self._look("measuring")

    def while_they_leave(self, leaving: Sequence[str], timeout_s: float, servants: Sequence[str]) -> None:
        """Ask the ``leaving`` children to stop, and keep the ``servants`` that they still need running meanwhile."""
        needed = [self._household.children[name] for name in servants if name in self._household.children]

        def tend() -> None:
            for child in needed:
                if child.exit_code is not None:
                    child.start_again()
                    self._note_restart(child)
            self._look("flushing")

        self._household.stop(leaving, timeout_s, tend)
        self._draw("done")

    def _look(self, stage: str) -> None:
        if self.elapsed_s >= self._next_table_s:
            self._next_table_s = self.elapsed_s + TABLE_S
            self._draw(stage)
        time.sleep(LOOK_S)

    def _draw(self, stage: str) -> None:
        self._view.refresh()
        self._live.update(self._view.render(self.elapsed_s, stage), refresh=True)

    def _note_restart(self, child: Child) -> None:
        self._view.notes.append(f"[yellow]{child.name} died and was started again[/]")
