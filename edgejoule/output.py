"""How commands speak: JSON alone on stdout, or rich text; messages and progress on stderr."""

import sys
from typing import Any, Final

import msgspec
from rich.console import Console

EXIT_DONE = 0
EXIT_NO = 1
EXIT_USAGE = 2
LONGEST: Final = 160
MOST_ROWS: Final = 100
"""Of a list that grows with the years a terminal shows the latest."""


def write_json(value: Any) -> None:
    """Write ``value`` (structs, dataclasses, containers) as indented JSON to stdout, and nothing else."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()


def printable(text: str) -> str:
    """Return ``text`` with all that a terminal would not print as a letter written as an escape."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def harmless(text: str) -> str:
    """Return what a device said of itself as letters that move no cursor, and not too many of them."""
    return printable(text if len(text) <= LONGEST else f"{text[:LONGEST]}... (all of it with --json)")


def latest_of(count: int) -> str:
    """Return the line for a list of which a terminal does not show all, "" where it does."""
    return "" if count <= MOST_ROWS else f"the latest {MOST_ROWS} of {count}; --device has one's, --json has all"


class _Stdout(Console):
    """A console whose reader may leave early: ``cli`` ends such a run quietly, with the exit code of a pipe."""

    def on_broken_pipe(self) -> None:
        """Raise, where rich itself would exit with the code that means "the answer is no"."""
        raise BrokenPipeError


def stdout_console() -> Console:
    """Return a console for results."""
    return _Stdout(highlight=False)


def stderr_console() -> Console:
    """Return a console for progress and messages."""
    return Console(stderr=True, highlight=False)
