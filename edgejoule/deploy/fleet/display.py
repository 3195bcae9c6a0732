"""How a roll-out is shown while it goes on: bars on a terminal, a line for what is new elsewhere. On stderr."""

import threading
from collections.abc import Sequence
from typing import Final

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from edgejoule.deploy.fleet.outcome import Outcome
from edgejoule.drawn import Drawn
from edgejoule.output import stderr_console

_SIGNS: Final = {"failed": "✗", "changed": "✓", "same": "="}


class Display(Drawn):
    """A context manager; any thread may tell it something."""

    def __init__(self) -> None:
        self._console = stderr_console()
        self._lock = threading.Lock()
        self._steps: dict[str, str] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars: Progress | None = None
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[text]}"),
            )
            self._bars = Progress(*columns, console=self._console, transient=True)
        super().__init__(self._bars)

    def say(self, line: str) -> None:
        """Show a line that stays."""
        self._console.print(line, markup=False, soft_wrap=True)

    def wave(self, number: int, count: int, boards: Sequence[str]) -> None:
        """Say that a wave begins."""
        self.say(f"wave {number} of {count}: {', '.join(boards)}")

    def told(self, device_id: str, step: str, percent: float, text: str) -> None:
        """Show where a board is."""
        with self._lock:
            new = self._steps.get(device_id) != step
            self._steps[device_id] = step
            if self._bars is not None:
                self._draw(self._bars, device_id, percent, f"{step}: {text}" if text else step)
                return
        if new:
            self.say(f"{device_id}: {step}{f': {text}' if text else ''}")

    def _draw(self, bars: Progress, device_id: str, percent: float, text: str) -> None:
        if device_id not in self._tasks:
            self._tasks[device_id] = bars.add_task(escape(device_id), total=100.0, text="")
        bars.update(self._tasks[device_id], completed=percent, text=escape(text))

    def forget(self, device_id: str) -> None:
        """Show nothing of a board until something is told of it again."""
        with self._lock:
            self._steps.pop(device_id, None)
            task = self._tasks.pop(device_id, None)
            if self._bars is not None and task is not None:
                self._bars.remove_task(task)

    def ended(self, outcome: Outcome) -> None:
        """Say what became of a board."""
        self.forget(outcome.device)
        sign = _SIGNS["failed" if outcome.failed else "changed" if outcome.changed else "same"]
        why = f": {outcome.problem.text}" if outcome.problem is not None else ""
        self.say(f"{sign} {outcome.device} {outcome.status}{why}")
