"""The dead letters inside the journal: every message, window or row that could not be accepted, with the reason.

Whole, as far as a replay needs it; what is longer is cut and says how long it was. The list is bounded by count and by
bytes: the oldest make room, and are counted for ever, as are those that somebody dropped or replayed. Functions on an
open file; those that change something want a transaction.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from edge_agent.wire.records import MAX_PAYLOAD_BYTES

MAX_DEAD_LETTERS: Final = 10_000
MAX_DEAD_LETTERS_BYTES: Final = 256 * 1024 * 1024
"""Together they keep a client that sends nonsense from filling the disk."""
MAX_WORDS: Final = 1000
"""Of a topic and of a reason: none that can be accepted is longer, and MQTT allows 65,535 bytes."""

Kind = Literal["message", "window", "row"]
"""A whole message, one window out of a message, or a row of the journal that a store refused."""
KINDS: Final[tuple[Kind, ...]] = ("message", "window", "row")
Fate = Literal["evicted", "dropped", "replayed"]

_CUT_BEFORE_BYTES: Final = 65_536
"""Where versions cut that did not say how long a payload was."""

TABLES: Final = {
    "letter_details": """(
  id INTEGER PRIMARY KEY, fleet TEXT NOT NULL, device_id TEXT NOT NULL, kind TEXT NOT NULL, sink TEXT NOT NULL,
  full_bytes INTEGER)""",
    "letter_fates": """(
  fleet TEXT NOT NULL, device_id TEXT NOT NULL, fate TEXT NOT NULL, letters INTEGER NOT NULL,
  PRIMARY KEY (fleet, device_id, fate)) WITHOUT ROWID""",
    "letter_room": "(only INTEGER PRIMARY KEY CHECK (only = 1), letters INTEGER NOT NULL, bytes INTEGER NOT NULL)",
}
"""``letter_details``: one row for each in ``dead_letters``; small, so that nobody reads payloads to count.
``letter_fates``: what left the list. ``letter_room``: how much the list holds."""

_TRIGGERS: Final = """
CREATE TRIGGER IF NOT EXISTS letter_comes AFTER INSERT ON dead_letters BEGIN
  UPDATE letter_room SET letters = letters + 1, bytes = bytes + length(NEW.payload); END;
CREATE TRIGGER IF NOT EXISTS letter_goes AFTER DELETE ON dead_letters BEGIN
  UPDATE letter_room SET letters = letters - 1, bytes = bytes - length(OLD.payload);
  DELETE FROM letter_details WHERE id = OLD.id; END;
"""


@dataclass(frozen=True, slots=True)
class NewLetter:
    """What is to be kept, as it came. ``fleet``, ``device_id``: empty where not even that is known.

    ``cut_bytes``: how much of the end of the payload nobody has any more.
    """

    topic: str
    payload: bytes
    reason: str
    t_unix_ns: int
    fleet: str = ""
    device_id: str = ""
    sink: str = ""
    cut_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter. ``payload``: what is kept of it. ``full_bytes``: how long it was, None where nobody knows."""

    id: int
    t_unix_ns: int
    topic: str
    fleet: str
    device_id: str
    kind: Kind
    sink: str
    reason: str
    payload: bytes
    full_bytes: int | None

    @property
    def cut(self) -> bool:
        """Return whether bytes are missing, or may be."""
        return self.full_bytes is None or self.full_bytes > len(self.payload)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters. Nothing set: all of them. ``reason``: words in it, in any case. ``ids``: None for any."""

    ids: tuple[int, ...] | None = None
    device_id: str = ""
    reason: str = ""
    kind: Kind | None = None
    since_unix_ns: int = 0


class LetterCounts(NamedTuple):
    """Letters of one owner: in the list now, and what became of the others."""

    kept: int = 0
    evicted: int = 0
    dropped: int = 0
    replayed: int = 0


def set_up(db: sqlite3.Connection) -> None:
    """Make the writer's file keep count of itself; complete what an older version left."""
    db.executescript(_TRIGGERS)
    letters = int(db.execute("SELECT count(*) FROM dead_letters").fetchone()[0])
    details = int(db.execute("SELECT count(*) FROM letter_details").fetchone()[0])
    if letters != details or db.execute("SELECT 1 FROM letter_room").fetchone() is None:
        db.execute("BEGIN IMMEDIATE")
        describe_old(db)
        db.execute("COMMIT")


def describe_old(db: sqlite3.Connection) -> None:
    """Describe the letters of an older version as far as their topics tell, and measure the list."""
    old = db.execute(
        "SELECT id, topic, device_id, length(payload) FROM dead_letters "
        "WHERE id NOT IN (SELECT id FROM letter_details)"
    ).fetchall()
    for letter, topic, device_id, kept_bytes in old:
        full_bytes = None if kept_bytes == _CUT_BEFORE_BYTES else kept_bytes
        details = (letter, _fleet_of(topic) if device_id else "", device_id, _kind_of(topic), "", full_bytes)
        db.execute("INSERT INTO letter_details VALUES (?, ?, ?, ?, ?, ?)", details)
    db.execute(
        "INSERT OR REPLACE INTO letter_room SELECT 1, count(*), coalesce(sum(length(payload)), 0) FROM dead_letters"
    )


def _kind_of(topic: str) -> Kind:
    return "row" if topic.startswith("sink/") else "window" if topic.startswith("windows/") else "message"


def _fleet_of(topic: str) -> str:
    """Return the fleet in ``windows/F/D/B/S``, ``edgejoule/v1/F/D/C`` or ``sink/NAME/F/D/...``."""
    parts = topic.split("/")
    place = {"windows": 1, "edgejoule": 2, "sink": 2}.get(parts[0], len(parts))
    if parts[0] == "sink" and parts[2:3] == ["bench"] and len(parts) == 6:
        place = 3
    return parts[place] if place < len(parts) else ""


def add(
    db: sqlite3.Connection,
    new: NewLetter,
    max_letters: int = MAX_DEAD_LETTERS,
    max_bytes: int = MAX_DEAD_LETTERS_BYTES,
) -> None:
    """Keep the letter; the oldest make room for it, and are counted."""
    kept = new.payload[:MAX_PAYLOAD_BYTES]
    letter = db.execute(
        "INSERT INTO dead_letters (t_unix_ns, topic, device_id, payload, reason) VALUES (?, ?, ?, ?, ?)",
        (new.t_unix_ns, new.topic[:MAX_WORDS], new.device_id, kept, _shortened(new.reason)),
    ).lastrowid
    details = (letter, new.fleet, new.device_id, _kind_of(new.topic), new.sink, len(new.payload) + new.cut_bytes)
    db.execute("INSERT INTO letter_details VALUES (?, ?, ?, ?, ?, ?)", details)
    while _is_too_much(db, max_letters, max_bytes):
        (oldest,) = db.execute("SELECT min(id) FROM dead_letters").fetchone()
        remove(db, oldest, "evicted")


def _shortened(reason: str) -> str:
    """Return both ends of a long reason: the fault often stands behind what it repeats."""
    half = MAX_WORDS // 2
    return reason if len(reason) <= MAX_WORDS else f"{reason[:half]} ... {reason[-half:]}"


def _is_too_much(db: sqlite3.Connection, max_letters: int, max_bytes: int) -> bool:
    letters, kept_bytes = db.execute("SELECT letters, bytes FROM letter_room").fetchone()
    return bool(letters > max_letters or kept_bytes > max_bytes)


def remove(db: sqlite3.Connection, letter_id: int, fate: Fate) -> bool:
    """Take one out of the list and count it; return whether it was there.

    It counts for its device, if that is known; what strangers sent has one count for all of them. Whoever sent what
    a replay accepted is no stranger.
    """
    known = db.execute(
        "SELECT l.fleet, l.device_id FROM letter_details l WHERE l.id = ?1 AND (?2 = 'replayed' OR EXISTS "
        "(SELECT 1 FROM devices d WHERE d.fleet = l.fleet AND d.device_id = l.device_id))",
        (letter_id, fate),
    ).fetchone()
    if not db.execute("DELETE FROM dead_letters WHERE id = ?", (letter_id,)).rowcount:
        return False
    db.execute(
        "INSERT INTO letter_fates VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET letters = letters + 1",
        (*(known or ("", "")), fate),
    )
    return True


def set_reason(db: sqlite3.Connection, letter_id: int, reason: str) -> None:
    """Say why it was refused again."""
    db.execute("UPDATE dead_letters SET reason = ? WHERE id = ?", (_shortened(reason), letter_id))


def ids(db: sqlite3.Connection, wanted: Wanted) -> list[int]:
    """Return the ids of what is wanted, the oldest first."""
    where, values = _where(wanted)
    return [int(found) for (found,) in db.execute(f"SELECT id FROM {_JOINED} WHERE {where} ORDER BY id", values)]  # noqa: S608  our own words


def letters(db: sqlite3.Connection, found: Sequence[int]) -> Iterator[Letter]:
    """Yield the letters of these ids, one by one; those that are gone meanwhile are passed over."""
    for letter_id in found:
        row = db.execute(
            "SELECT id, t_unix_ns, topic, l.fleet, dead_letters.device_id, l.kind, l.sink, reason, payload, "  # noqa: S608
            f"l.full_bytes FROM {_JOINED} WHERE id = ?",
            (letter_id,),
        ).fetchone()
        if row is not None:
            yield Letter(*row)


_JOINED: Final = "dead_letters LEFT JOIN letter_details l USING (id)"


def _where(wanted: Wanted) -> tuple[str, list[str | int]]:
    """Return the condition and its values. Every value is bound."""
    conditions: list[str] = ["t_unix_ns >= ?"]
    values: list[str | int] = [wanted.since_unix_ns]
    if wanted.ids is not None:
        conditions.append(f"id IN ({','.join('?' * len(wanted.ids))})")
        values += wanted.ids
    if wanted.device_id:
        conditions.append("dead_letters.device_id = ?")
        values.append(wanted.device_id)
    if wanted.kind is not None:
        conditions.append("l.kind = ?")
        values.append(wanted.kind)
    if wanted.reason:
        conditions.append("instr(lower(reason), lower(?)) > 0")
        values.append(wanted.reason)
    return " AND ".join(conditions), values


def newest(db: sqlite3.Connection, limit: int) -> list[tuple[str, bytes, str, int]]:
    """Return the newest as (topic, payload, reason, t_unix_ns)."""
    return db.execute(
        "SELECT topic, payload, reason, t_unix_ns FROM dead_letters ORDER BY id DESC LIMIT ?", (limit,)
    ).fetchall()


def counts(db: sqlite3.Connection) -> dict[tuple[str, str], LetterCounts]:
    """Return the counts by (fleet, device) as the topics name them; ("", "") is for all that is not a device's."""
    found: dict[tuple[str, str], LetterCounts] = {}
    kept = db.execute("SELECT fleet, device_id, count(*) FROM letter_details GROUP BY fleet, device_id")
    for fleet, device_id, letters_kept in kept:
        found[fleet, device_id] = LetterCounts(kept=letters_kept)
    for fleet, device_id, fate, gone in db.execute("SELECT fleet, device_id, fate, letters FROM letter_fates"):
        found[fleet, device_id] = found.get((fleet, device_id), LetterCounts())._replace(**{fate: gone})
    return found


def counts_by_kind(db: sqlite3.Connection) -> dict[Kind, int]:
    """Return how many of each kind are in the list."""
    found = dict(db.execute("SELECT kind, count(*) FROM letter_details GROUP BY kind").fetchall())
    return {kind: int(found.get(kind, 0)) for kind in KINDS}


def kept_bytes(db: sqlite3.Connection) -> int:
    """Return how many bytes of payload the list holds."""
    row = db.execute("SELECT bytes FROM letter_room").fetchone()
    return int(row[0]) if row else 0
