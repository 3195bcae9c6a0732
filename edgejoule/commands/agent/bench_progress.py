"""How far a bench is: a bar with the time left on a terminal, one line for each phase elsewhere.

Drawn when the bench says so, half a second apart in windows and baselines alike, and never by a thread of its own:
what is shown costs energy too.
"""

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from edge_agent.bench.progress import Progress as Stand
from edgejoule.drawn import Drawn
from edgejoule.output import stderr_console


class BenchProgress(Drawn):
    """A context manager; ``show`` is what a bench calls."""

    def __init__(self, *, quiet: bool) -> None:
        console = stderr_console()
        self._quiet, self._console = quiet, console
        self._phase = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if console.is_terminal and not console.is_dumb_terminal and not quiet:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
            self._bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
        super().__init__(self._bar)

    def show(self, stand: Stand) -> None:
        """Show how far it is."""
        if self._bar is not None:
            self._draw(self._bar, stand)
        elif stand.phase != self._phase and not self._quiet:
            self._console.print(f"{stand.phase}, about {stand.left_s:.0f} s left", markup=False)
        self._phase = stand.phase

    def _draw(self, bar: Progress, stand: Stand) -> None:
        left = f"{stand.left_s:.0f} s left"
        if self._task is None:
            self._task = bar.add_task(stand.phase, total=stand.total_s, left=left)
        bar.update(self._task, description=stand.phase, completed=stand.done_s, total=stand.total_s, left=left)
        bar.refresh()
