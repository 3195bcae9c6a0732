"""How the installer speaks: events as it goes along, one result at the end. Programs and people read the same."""

from __future__ import annotations

import json
from typing import IO, Any, Callable, Dict

Event = Dict[str, Any]
Tell = Callable[[Event], None]


class Report:
    """Tells ``step`` (where it is, in percent of the whole), ``note`` (what somebody should know), ``result``."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._percent = 0

    def step(self, step: str, percent: float, text: str) -> None:
        """Say what is done now. The percentage never goes back."""
        self._percent = max(self._percent, int(percent))
        self._tell({"event": "step", "step": step, "percent": self._percent, "text": text})

    def note(self, text: str) -> None:
        """Say what somebody should know."""
        self._tell({"event": "note", "text": text})

    def result(self, outcome: str, **facts: Any) -> None:
        """Say how it ended: the last word."""
        self._tell({"event": "result", "outcome": outcome, **facts})


def json_lines(stream: IO[str]) -> Tell:
    """Return what writes each event as one line of JSON."""

    def tell(event: Event) -> None:
        stream.write(json.dumps(event) + "\n")
        stream.flush()

    return tell
