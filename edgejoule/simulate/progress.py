"""How far a run is: a line that is drawn over on a terminal, one line every ten seconds elsewhere."""

from typing import Final

from rich.live import Live
from rich.text import Text

from edgejoule.drawn import Drawn
from edgejoule.output import stderr_console
from edgejoule.simulate.run import Stand

_LINE_EVERY_S: Final = 10.0
_RATE_OVER_S: Final = 2.0


class RunProgress(Drawn):
    """A context manager; ``show`` is what a run calls, several times a second."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = stderr_console()
        self._quiet = quiet
        self._next_line_s = 0.0
        self._phase = ""
        self._error = ""
        self._since = (0.0, 0)
        self._rate_hz = 0.0
        drawn = self._console.is_terminal and not self._console.is_dumb_terminal and not quiet
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if drawn else None
        super().__init__(self._live)

    def show(self, stand: Stand) -> None:
        """Show how far it is; tell a new error once."""
        if self._quiet:
            return
        since_s, before = self._since
        if stand.now_s - since_s >= _RATE_OVER_S:
            self._rate_hz = (stand.acknowledged - before) / (stand.now_s - since_s)
            self._since = (stand.now_s, stand.acknowledged)
        if 0 in (stand.online, stand.acknowledged) and stand.last_error != self._error:
            self._error = stand.last_error
            self._console.print(self._error, markup=False, soft_wrap=True)
        if self._live is not None:
            self._live.update(Text(self._line(stand), overflow="ellipsis", no_wrap=True), refresh=True)
        elif stand.phase != self._phase or stand.now_s >= self._next_line_s:
            self._phase, self._next_line_s = stand.phase, stand.now_s + _LINE_EVERY_S
            self._console.print(self._line(stand), markup=False, soft_wrap=True)

    def _line(self, stand: Stand) -> str:
        left = "until Ctrl-C" if stand.left_s is None else f"{stand.left_s:.0f} s left"
        if stand.phase == "draining":
            soon = f"about {stand.held / self._rate_hz:.0f} s left, " if self._rate_hz >= 1.0 else ""
            left = f"{soon}gives up in {stand.left_s or 0.0:.0f} s"
        backlog = f", backlog {stand.backlog}" if stand.backlog else ""
        return (
            f"SIMULATED {stand.phase} {stand.now_s:.0f} s: {stand.online}/{stand.devices} online, made {stand.made}, "
            f"acknowledged {stand.acknowledged} ({self._rate_hz:.0f}/s), held {stand.held}{backlog}; {left}"
        )
