"""How the installer speaks: events as it goes along, one result at the end. Programs and people read the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
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
    """Return what writes each event as one line of JSON. That nobody reads it, or a full disk, stops no work."""

    def tell(event: Event) -> None:
        try:
            stream.write(json.dumps(event) + "\n")
            stream.flush()
        except BrokenPipeError:
            with Path(os.devnull).open("wb") as nobody:
                os.dup2(nobody.fileno(), stream.fileno())
        except OSError:
            return  # what was written stays in the buffer, and is tried again with the next event

    return tell
