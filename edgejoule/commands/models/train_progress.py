"""How far a training is: a bar for each stage with the time left on a terminal, one line for each stage elsewhere."""

from typing import Final

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from edgejoule.drawn import Drawn
from edgejoule.output import stderr_console
from edgejoule.zoo.recipe_process import Step

SPEED_PERIOD_S: Final = 300.0
"""Over how long the speed is looked at: a step of a training can take a minute."""


class TrainProgress(Drawn):
    """A context manager; ``show`` is what a training calls."""

    def __init__(self, *, quiet: bool) -> None:
        console = stderr_console()
        self._quiet, self._console = quiet, console
        self._ended: set[str] = set()
        self._tasks: dict[str, TaskID] = {}
        self._bars: Progress | None = None
        if console.is_terminal and not console.is_dumb_terminal and not quiet:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                TextColumn("{task.fields[note]}"),
            )
            self._bars = Progress(*columns, console=console, speed_estimate_period=SPEED_PERIOD_S)
        super().__init__(self._bars)

    def show(self, step: Step) -> None:
        """Show how far it is."""
        if self._quiet:
            return
        if self._bars is not None:
            self._draw(self._bars, step)
        elif step.done >= step.total and step.stage not in self._ended:
            self._ended.add(step.stage)
            self._console.print(f"{step.stage}: {step.note or 'done'}", markup=False, soft_wrap=True)

    def _draw(self, bars: Progress, step: Step) -> None:
        if step.stage not in self._tasks:
            self._tasks[step.stage] = bars.add_task(escape(step.stage), total=step.total, note="")
        bars.update(self._tasks[step.stage], completed=step.done, total=step.total, note=escape(step.note))
