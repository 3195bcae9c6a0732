"""Rows into an InfluxDB of any version: how bad ones are found among many good ones, and at what cost.

A refused body is parted into the lines that the server spoke of and the rest, where its words allow a guess, else
into halves, and each part is sent again until it is stored or refused as a whole. Good rows of a parted body are
stored again, which changes nothing: same tags, same time. So a few bad rows of one cause cost three requests whatever
their number, and bad rows without a clue about twice ``log2(rows)`` each.
"""

from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from collector.sinks.influx_writing import Answer, blamed, refuses_all, suspects
from collector.values import RejectedRow, Row, StoredBench, StoredWindow, WriteOutcome

Row_contra = TypeVar("Row_contra", bound=StoredWindow | StoredBench, contravariant=True)
MOST_REQUESTS: Final = 1000
"""For one call of ``write``: what is still open then comes again, so that a stop need not wait for minutes."""
_MOST_GUESSES: Final = 8
"""Parts are halved after so many guesses, so that each call settles its first row at least."""


class StoreAwayError(Exception):
    """A store does not take what it is given now; the text says why. Doing it again later can help."""


class Encoder(Protocol[Row_contra]):
    """Turns rows of one kind into lines."""

    def encode(self, row: Row_contra) -> str:
        """Return the line of ``row``, without the newline."""
        ...


class Writer(Protocol):
    """The write door of one version of the server, for one database or bucket."""

    def post(self, body: bytes) -> Answer:
        """Send lines, one on each line of ``body``; return after the server has stored or refused them."""
        ...

    def close(self) -> None:
        """Let go of connections; a later ``post`` opens them again."""
        ...


class InfluxSink(Generic[Row]):
    """Feeds an InfluxDB with rows of one kind. ``write`` returns only after the server's answer."""

    def __init__(
        self,
        writer: Writer,
        encoder: Encoder[Row],
        *,
        name: str = "influxdb",
        max_rows: int = 5000,
        max_wait_s: float = 2.0,
    ) -> None:
        """Connect at the first write. ``name``: of the cursor."""
        self.name = name
        self.max_rows = max_rows
        self.max_wait_s = max_wait_s
        self._writer = writer
        self._encoder = encoder

    def write(self, rows: list[Row]) -> WriteOutcome[Row]:
        """Store the rows; those that the server cannot take are rejected, all from the first trouble on are kept."""
        return write_rows(rows, self._encoder, self._writer)

    def prepare(self, rows: list[Row]) -> list[str]:
        """Return the line of each row."""
        return [self._encoder.encode(row) for row in rows]

    def write_prepared(self, rows: list[Row], lines: list[str]) -> WriteOutcome[Row]:
        """Store the rows as ``write`` does, with the lines that ``prepare`` made of them."""
        return _write_encoded(rows, lines, self._writer)

    def close(self) -> None:
        """Close the writer's connections."""
        self._writer.close()


@dataclass(frozen=True, slots=True)
class LinesOutcome:
    """What became of lines. ``refused``: reasons by place. ``settled``: how many of the first were stored or refused.

    ``retry_reason``: why the others were not, empty when all were.
    """

    refused: dict[int, str]
    settled: int
    retry_reason: str = ""


def write_rows(rows: list[Row], encoder: Encoder[Row], writer: Writer) -> WriteOutcome[Row]:
    """Write ``rows``; those are rejected that the server refuses for their data, alone or all of a body."""
    return _write_encoded(rows, [encoder.encode(row) for row in rows], writer)


def _write_encoded(rows: list[Row], lines: list[str], writer: Writer) -> WriteOutcome[Row]:
    outcome = write_lines(lines, writer)
    rejected = tuple(RejectedRow(rows[place], reason) for place, reason in sorted(outcome.refused.items()))
    return WriteOutcome(outcome.settled - len(rejected), rejected, len(rows) - outcome.settled, outcome.retry_reason)


def write_lines(lines: list[str], writer: Writer) -> LinesOutcome:
    """Write ``lines``, which may stand in any order on the server; see the module's text."""
    work = _Work(lines)
    while work.open:
        part = work.open.pop()
        sent = [lines[place] for place in part.places]
        answer = writer.post("\n".join(sent).encode())
        work.requests += 1
        if answer.verdict == "later":
            return work.outcome(part, answer.reason)
        if answer.verdict == "stored":
            continue
        if answer.verdict == "bad_data" and refuses_all(answer, sent):
            work.refuse(part, answer, sent)
        elif len(sent) == 1:
            work.refused[part.places[0]] = answer.reason
        else:
            work.part(part, answer, sent)
        if work.open and work.requests >= MOST_REQUESTS:
            reason = f"{work.requests} requests for {len(work.refused)} rows that the server refuses; the rest follows"
            return work.outcome(work.open[-1], reason)
    return LinesOutcome(work.refused, len(lines))


@dataclass(frozen=True, slots=True)
class _Part:
    """Lines to send as one body, by their places, in order. ``guesses``: how often it was parted by one."""

    places: list[int]
    guesses: int = 0


@dataclass(slots=True)
class _Work:
    """The parts that are still to be sent, the one with the first line last."""

    lines: list[str]
    open: list[_Part] = field(init=False)
    refused: dict[int, str] = field(default_factory=dict)
    requests: int = 0

    def __post_init__(self) -> None:
        self.open = [_Part(list(range(len(self.lines))))] if self.lines else []

    def refuse(self, part: _Part, answer: Answer, sent: list[str]) -> None:
        reasons = blamed(answer, sent)
        for number, place in enumerate(part.places):
            self.refused[place] = reasons.get(number, answer.reason)

    def part(self, part: _Part, answer: Answer, sent: list[str]) -> None:
        found = set(suspects(answer, sent)) if answer.verdict == "bad_data" and part.guesses < _MOST_GUESSES else set()
        if not 0 < len(found) < len(sent):
            found = set(range(len(sent) // 2))
        for chosen in (True, False):
            places = [place for number, place in enumerate(part.places) if (number in found) is chosen]
            self.open.append(_Part(places, part.guesses + 1))
        self.open.sort(key=lambda one: -one.places[0])

    def outcome(self, part: _Part, reason: str) -> LinesOutcome:
        """Return what is settled when ``part`` and all open parts are not."""
        settled = min(one.places[0] for one in (part, *self.open))
        return LinesOutcome({place: why for place, why in self.refused.items() if place < settled}, settled, reason)
