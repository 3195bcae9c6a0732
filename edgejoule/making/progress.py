"""How far a recipe is: told to a person, or to the command that runs it."""

import json
import os
import sys
from dataclasses import dataclass
from typing import Final, Protocol, TextIO

PROGRESS_VARIABLE: Final = "EDGEJOULE_PROGRESS"
"""The environment variable that asks for JSON lines by the value "json"."""


class Progress(Protocol):
    """Whoever wants to know how far it is."""

    def step(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Tell that ``done`` of ``total`` steps of ``stage`` are through, and in ``note`` how well."""


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One JSON object a step, with keys stage, done, total, note."""

    stream: TextIO

    def step(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Write the step."""
        self.stream.write(json.dumps({"stage": stage, "done": done, "total": total, "note": note}) + "\n")
        self.stream.flush()


@dataclass(frozen=True, slots=True)
class PlainLines:
    """One line of text when a stage is through."""

    stream: TextIO

    def step(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Write the line if this was the stage's last step."""
        if done >= total:
            self.stream.write(f"{stage}: done{', ' if note else ''}{note}\n")
            self.stream.flush()


class Silence:
    """Nobody wants to know."""

    def step(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Do nothing."""


def progress_from_environment() -> Progress:
    """Return JSON lines on standard output where EDGEJOULE_PROGRESS=json asks for them, else text on stderr."""
    if os.environ.get(PROGRESS_VARIABLE) == "json":
        return JsonLines(sys.stdout)
    return PlainLines(sys.stderr)
