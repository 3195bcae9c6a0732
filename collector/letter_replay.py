"""Dead letters once more: messages and windows through ingest, rows to the store that refused them.

What is accepted leaves the list and is counted as replayed; what is refused again stays, with the new reason. A
collector may run meanwhile: each step is one short transaction, and a letter that somebody else took is passed over.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from collector import dead_letters
from collector.dead_letters import Letter
from collector.ingest import Received, store
from collector.journal import Journal
from collector.values import Sink, StoredBench, StoredWindow
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.records import BenchRecord, Birth, Health, InferenceWindow, Status, WindowBatch
from edge_agent.wire.topics import UpTopic, parse_up_topic

STEP: Final = 100
Outcome = Literal["accepted", "outdated", "refused", "untouched"]
"""``outdated``: valid, but what it says of its device is older than what the journal has; it leaves the list too.
``untouched``: it could not be tried, or its store could not take anything now."""
_STATES: Final = frozenset({"birth", "status", "health"})
_WINDOW: Final = msgspec.json.Decoder(InferenceWindow)
_BENCH: Final = msgspec.json.Decoder(BenchRecord)
_DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(slots=True)
class ReplayTally:
    """How many letters ended how, and the reasons of those that stay, with their number."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def stay(self) -> int:
        """Return how many are still in the list."""
        return self.outcomes["refused"] + self.outcomes["untouched"]

    def note(self, outcome: Outcome, reason: str = "", count: int = 1) -> None:
        """Count one letter, or ``count`` of them."""
        self.outcomes[outcome] += count
        if reason:
            self.reasons[reason] += count


class _DryRunOverError(Exception):
    """Takes a transaction back."""


class LetterReplay:
    """See the module's text. ``sinks``: by name, those that are configured. ``dry_run``: nothing is written."""

    def __init__(self, journal: Journal, sinks: Mapping[str, Sink[Any]], *, dry_run: bool = False) -> None:
        self._journal = journal
        self._sinks = sinks
        self._dry_run = dry_run
        self._tally = ReplayTally()

    def run(self, letter_ids: Sequence[int], on_progress: Callable[[int], None] = lambda _: None) -> ReplayTally:
        """Try these letters, in order; ``on_progress`` hears how many are done."""
        for start in range(0, len(letter_ids), STEP):
            step = letter_ids[start : start + STEP]
            with self._journal.snapshot() as db:
                found = list(dead_letters.letters(db, step))
            self._try_messages([letter for letter in found if letter.kind != "row"])
            by_sink: dict[str, list[Letter]] = {}
            for letter in found:
                if letter.kind == "row":
                    by_sink.setdefault(self._sink_of(letter), []).append(letter)
            for name, rows in by_sink.items():
                self._try_rows(name, rows)
            on_progress(len(step))
        return self._tally

    def _try_messages(self, found: list[Letter]) -> None:
        results: list[tuple[Outcome, str]] = []
        with contextlib.suppress(_DryRunOverError), self._journal.transaction() as db:
            for letter in found:
                outcome, reason = self._try_message(letter)
                results.append((outcome, reason))
                if outcome in {"accepted", "outdated"}:
                    dead_letters.remove(db, letter.id, "replayed")
                elif outcome == "refused":
                    dead_letters.set_reason(db, letter.id, reason)
            self._take_back_if_dry()
        for outcome, reason in results:
            self._tally.note(outcome, reason)

    def _take_back_if_dry(self) -> None:
        if self._dry_run:
            raise _DryRunOverError

    def _try_message(self, letter: Letter) -> tuple[Outcome, str]:
        if letter.cut:
            return "untouched", f"cut to {len(letter.payload)} bytes: nothing can be done with the rest of it"
        try:
            topic, message = _as_message(letter)
            return self._store(topic, message), ""
        except RejectedRecordError as error:
            return "refused", str(error)

    def _store(self, topic: UpTopic, message: Received) -> Outcome:
        """Store it, unless it tells of a state of the device that is over. Raises RejectedRecordError."""
        if topic.channel in _STATES and self._seen_unix_ns(topic) > message.t_unix_ns:
            if _sender_of_state(topic, message.payload) != topic.device_id:
                raise RejectedRecordError(f"the payload is of another device than the topic's {topic.device_id!r}")
            return "outdated"
        store(self._journal, topic, message)
        return "accepted"

    def _seen_unix_ns(self, topic: UpTopic) -> int:
        with self._journal.transaction() as db:
            seen = db.execute(
                "SELECT last_seen_unix_ns FROM devices WHERE fleet = ? AND device_id = ?",
                (topic.fleet, topic.device_id),
            ).fetchone()
        return int(seen[0]) if seen else 0

    def _sink_of(self, letter: Letter) -> str:
        """Return the sink's name; an older version left it in the topic alone."""
        if letter.sink:
            return letter.sink
        fitting = [name for name in self._sinks if letter.topic.startswith(f"sink/{name}/")]
        return max(fitting, key=len, default=letter.topic.split("/")[1])

    def _try_rows(self, name: str, found: list[Letter]) -> None:
        sink = self._sinks.get(name)
        if sink is None:
            self._tally.note("untouched", f"no store {name!r} is configured: name its --config", len(found))
            return
        rows: list[tuple[Letter, StoredWindow | StoredBench]] = []
        for letter in found:
            try:
                rows.append((letter, _as_row(name, letter)))
            except _DECODE_ERRORS as error:
                self._tally.note("untouched", f"no row of this version: {error}")
        if self._dry_run:
            self._tally.note("accepted", count=len(rows))
            return
        for start in range(0, len(rows), sink.max_rows):
            self._write(sink, rows[start : start + sink.max_rows])

    def _write(self, sink: Sink[Any], rows: list[tuple[Letter, StoredWindow | StoredBench]]) -> None:
        outcome = sink.write([row for _, row in rows])
        done = outcome.accepted + len(outcome.rejected)
        refused = {id(rejected.row): rejected.reason for rejected in outcome.rejected}
        with self._journal.transaction() as db:
            for letter, row in rows[:done]:
                if id(row) in refused:
                    dead_letters.set_reason(db, letter.id, refused[id(row)])
                    self._tally.note("refused", refused[id(row)])
                else:
                    dead_letters.remove(db, letter.id, "replayed")
                    self._tally.note("accepted")
        if done < len(rows):
            self._tally.note("untouched", outcome.retry_reason, len(rows) - done)


def _sender_of_state(topic: UpTopic, payload: bytes) -> str:
    """Return the device that a birth, status or health names. Raises RejectedRecordError."""
    if topic.channel == "birth":
        return decode(payload, Birth).device_id
    if topic.channel == "status":
        return decode(payload, Status).device_id
    return decode(payload, Health).device_id


def _as_message(letter: Letter) -> tuple[UpTopic, Received]:
    """Return the letter as a message; a window alone becomes one with nothing else in it.

    It counts as received when it came, and as retained: it says nothing about now. Raises RejectedRecordError.
    """
    if letter.kind == "message":
        return parse_up_topic(letter.topic), Received(letter.topic, letter.payload, letter.t_unix_ns, retained=True)
    _, fleet, device_id, boot_id, seq = letter.topic.split("/")
    try:
        window = _WINDOW.decode(letter.payload)
    except _DECODE_ERRORS as error:
        raise RejectedRecordError(str(error)) from error
    if seq not in {str(window.seq), "unknown"}:
        raise RejectedRecordError(f"the window says that it is {window.seq}, the letter that it is {seq}")
    batch = WindowBatch(
        device_id=device_id,
        boot_id=boot_id,
        oldest_seq=1,
        last_seq=window.seq,
        sent_unix_ns=letter.t_unix_ns,
        records=(window,),
    )
    return UpTopic(fleet, device_id, "windows"), Received(letter.topic, encode(batch), letter.t_unix_ns)


def _as_row(sink_name: str, letter: Letter) -> StoredWindow | StoredBench:
    """Return the row that the sink refused. Raises a decoding error."""
    words = letter.topic.removeprefix(f"sink/{sink_name}/").split("/")
    if len(words) == 3:
        bench = _BENCH.decode(letter.payload)
        return StoredBench(0, words[0], words[1], letter.t_unix_ns, bench)
    fleet, device_id, boot_id, _ = words
    return StoredWindow(0, fleet, device_id, boot_id, letter.t_unix_ns, _WINDOW.decode(letter.payload))
