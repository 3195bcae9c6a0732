"""The one-line protocol of the application socket: what a client may say, and what it is answered. Pure.

See docs/application-metering.md. Lines are ASCII and end in a line feed; words are separated by spaces.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from edge_agent.application.span import WindowResult
from edge_agent.application.work import MAX_COUNT, MAX_LATENCY_S

MAX_LINE_BYTES: Final = 256
HELP: Final = "ok commands: window MODEL_ID | count [N] [LATENCY_S] | end | status | help"
_UNKNOWN: Final = "say one of: window, count, end, status, help"


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """``window MODEL_ID``."""

    model_id: str


@dataclass(frozen=True, slots=True)
class Count:
    """``count [N] [LATENCY_S]``: not answered, unless it is refused."""

    number: int = 1
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class EndWindow:
    """``end``: answered once the meter has reached the window's end."""


@dataclass(frozen=True, slots=True)
class AskStatus:
    """``status``."""


@dataclass(frozen=True, slots=True)
class AskHelp:
    """``help``."""


Command: TypeAlias = OpenWindow | Count | EndWindow | AskStatus | AskHelp
_SIMPLE: Final[dict[bytes, Command]] = {b"end": EndWindow(), b"status": AskStatus(), b"help": AskHelp()}
_ONE: Final = Count()


class LineError(ValueError):
    """A line that is no command; the text says why and what to say instead."""


def parse(line: bytes) -> Command | None:
    """Return the command of a line without its line feed, None for an empty one. Raises LineError."""
    if line == b"count":  # what comes most, first
        return _ONE
    words = line.split()
    if not words:
        return None
    name, arguments = words[0], words[1:]
    if name == b"count":
        return _count(arguments)
    if name == b"window":
        if len(arguments) != 1:
            raise LineError("window takes one word, the model's id: window MODEL_ID")
        return OpenWindow(_text(arguments[0]))
    command = _SIMPLE.get(name)
    if command is None:
        raise LineError(f"{_text(name)!r} is no command; {_UNKNOWN}")
    if arguments:
        raise LineError(f"{_text(name)} takes nothing else; {_UNKNOWN}")
    return command


def result_line(result: WindowResult) -> str:
    """Return the answer to ``end``: every figure by name; what is unknown is left out."""
    figures: dict[str, float | int | str | None] = {
        "energy_j": result.energy_j,
        "energy_u_j": result.energy_u_j,
        "inference_count": result.inference_count,
        "energy_per_inference_j": result.energy_per_inference_j,
        "energy_per_inference_u_j": result.energy_per_inference_u_j,
        "net_energy_j": result.net_energy_j,
        "net_energy_u_j": result.net_energy_u_j,
        "duration_s": result.duration_s,
        "gap_s": result.gap_s,
        "latency_p50_s": result.latency_p50_s,
        "sync_method": result.sync_method,
        "sync_residual_s": result.sync_residual_s,
        "simulated": "yes" if result.simulated else "no",
        "flags": ",".join(result.flags) or None,
    }
    return "ok " + " ".join(f"{name}={_shown(value)}" for name, value in figures.items() if value is not None)


def error_line(text: str) -> str:
    """Return the answer to what cannot be done, on one line."""
    return f"error {' '.join(text.split())}"


def _shown(value: float | str) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _count(arguments: list[bytes]) -> Count:
    if len(arguments) > 2:
        raise LineError("count takes a number and a latency in seconds at most: count [N] [LATENCY_S]")
    try:
        number = int(arguments[0]) if arguments else 1
        latency_s = float(arguments[1]) if len(arguments) == 2 else None
    except ValueError as error:
        raise LineError(f"count [N] [LATENCY_S] takes numbers: {error}") from error
    if not 1 <= number <= MAX_COUNT:
        raise LineError(f"a count is 1 to {MAX_COUNT}, not {number}; send several lines for more")
    if latency_s is not None and not 0.0 <= latency_s <= MAX_LATENCY_S:
        raise LineError(f"a latency is 0 to {MAX_LATENCY_S:.0f} seconds, not {latency_s}")
    return Count(number, latency_s)


def _text(word: bytes) -> str:
    return word.decode("ascii", errors="backslashreplace")
