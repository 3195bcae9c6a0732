"""What the InfluxDB sinks share: which answers mean what, and how one bad row is found among many good ones.

An HTTP status alone does not say whose fault it is. A 400 for a line that cannot be stored condemns that line; a 400
for a wrong organisation condemns nothing and must not empty the journal into the dead letters. So a row is rejected
only when the server's own words say that the data are at fault; every other refusal keeps the rows, with the reason.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeVar

from collector.values import RejectedRow, Row, StoredBench, StoredWindow, WriteOutcome

Row_contra = TypeVar("Row_contra", bound=StoredWindow | StoredBench, contravariant=True)
_DATA_FAULTS: Final = ("unable to parse", "partial write", "beyond retention policy", "type conflict")
_REMEDIES: Final = {
    401: "correct the user, password or token",
    403: "give this user or token the right to write",
    404: "create the database or bucket, or correct its name",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server made of one body: stored it, refused it for its data, or can't take it now."""

    verdict: Literal["stored", "bad_data", "too_large", "later"]
    reason: str = ""


class Encoder(Protocol[Row_contra]):
    """Turns rows of one kind into lines."""

    def encode(self, row: Row_contra) -> str:
        """Return the line of ``row``, without the newline."""
        ...


STORED: Final = Answer("stored")


def judge(where: str, status: int, message: str) -> Answer:
    """Return what the server at ``where`` meant with HTTP ``status`` and its ``message``."""
    if 200 <= status < 300:
        return STORED
    words = _shortened(" ".join(message.split()))
    if status == 413:
        return Answer("too_large", f"{where}: HTTP 413: {words}")
    if status in {400, 422} and any(fault in message.lower() for fault in _DATA_FAULTS):
        return Answer("bad_data", words)
    remedy = _REMEDIES.get(status, "the rows are kept and tried again" if status >= 429 else "check the settings")
    return Answer("later", f"{where}: HTTP {status}: {words or 'no reason given'}; {remedy}")


def words_of(body: str) -> str:
    """Return the server's words: ``message`` or ``error`` of its JSON, else the body as it is."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    return str(answer.get("message") or answer.get("error") or body) if isinstance(answer, dict) else body


def write_rows(rows: list[Row], encoder: Encoder[Row], post: Callable[[bytes], Answer]) -> WriteOutcome[Row]:
    """Write ``rows`` in order. Where the server refuses a body for its data, halve it until the row is found.

    ``post`` sends one body of lines. Good rows of a halved body are stored again, which changes nothing.
    """
    lines = [encoder.encode(row) for row in rows]
    accepted = 0
    rejected: list[RejectedRow[Row]] = []
    waiting = [range(len(rows))] if rows else []
    while waiting:
        part = waiting.pop()
        answer = post("\n".join(lines[part.start : part.stop]).encode())
        if answer.verdict == "stored":
            accepted += len(part)
        elif answer.verdict == "later":
            return WriteOutcome(accepted, tuple(rejected), len(rows) - part.start, answer.reason)
        elif len(part) == 1:
            rejected.append(RejectedRow(rows[part.start], answer.reason))
        else:
            middle = part.start + len(part) // 2
            waiting += [range(middle, part.stop), range(part.start, middle)]
    return WriteOutcome(accepted, tuple(rejected))


def _shortened(words: str) -> str:
    """Return both ends of a long message: the fault stands behind the line that it repeats."""
    return words if len(words) <= 300 else f"{words[:120]} ... {words[-170:]}"
