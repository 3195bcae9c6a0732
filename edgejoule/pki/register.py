"""The authority's register, one SQLite file: every certificate that it gave, and the tokens that are out.

Each change is one transaction, so that the server, a `token` and a `revoke` may run at the same time, and a token is
used once whatever happens. Times are Unix seconds.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from edge_agent.durable_file import fsync_directory
from edge_agent.wire.errors import ConfigurationError
from edgejoule.pki.files import SECRET, write_whole
from edgejoule.pki.names import Identity, Role

VERSION: Final = 1
BUSY_TIMEOUT_S: Final = 20.0
_TABLES: Final = """
CREATE TABLE certificates (
  serial TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, key_id TEXT NOT NULL, via TEXT NOT NULL,
  issued_unix_s REAL NOT NULL, not_after_unix_s REAL NOT NULL, revoked_unix_s REAL, pem TEXT NOT NULL
) STRICT;
CREATE INDEX certificates_by_name ON certificates (name);
CREATE INDEX certificates_by_key ON certificates (key_id);
CREATE TABLE tokens (
  digest TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, made_unix_s REAL NOT NULL,
  ends_unix_s REAL NOT NULL, used_unix_s REAL, key_id TEXT, withdrawn_unix_s REAL
) STRICT;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT INTO counters VALUES ('crl', 0);
"""
_COLUMNS: Final = "serial, name, role, key_id, via, issued_unix_s, not_after_unix_s, revoked_unix_s, pem"
Via = Literal["token", "renewal", "sign", "server"]


class Entry(msgspec.Struct, frozen=True):
    """One certificate. ``via``: what it was given for; ``pem``: itself."""

    serial: str
    name: str
    role: Role
    key_id: str
    via: Via
    issued_unix_s: float
    not_after_unix_s: float
    revoked_unix_s: float | None
    pem: str


class TokenEntry(NamedTuple):
    """One token, by the digest of its secret. ``key_id``: of the key that it was used for."""

    name: str
    role: Role
    ends_unix_s: float
    used_unix_s: float | None
    key_id: str | None
    withdrawn_unix_s: float | None


def create_register(path: Path) -> None:
    """Make an empty register, in one step. Raises ConfigurationError."""
    beside = path.with_name(f".{path.name}.new")
    write_whole(beside, b"", SECRET)
    with _opened(beside) as db:
        db.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {VERSION};COMMIT;")
    beside.replace(path)
    fsync_directory(path.parent)


class Register:
    """Questions and changes inside one transaction: see ``transaction``."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, entry: Entry) -> None:
        """Write down a certificate."""
        self._db.execute(f"INSERT INTO certificates ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", _row(entry))  # noqa: S608  our own words

    def entries(self) -> list[Entry]:
        """Return every certificate, the oldest first."""
        return self._select("1 ORDER BY issued_unix_s, rowid", ())

    def by_serial(self, serial: str) -> Entry | None:
        """Return the certificate with this serial number."""
        return next(iter(self._select("serial = ?", (serial,))), None)

    def by_name(self, name: str) -> list[Entry]:
        """Return the certificates of one name, the oldest first."""
        return self._select("name = ? ORDER BY issued_unix_s, rowid", (name,))

    def by_key(self, key_id: str) -> list[Entry]:
        """Return the certificates of one public key, the oldest first."""
        return self._select("key_id = ? ORDER BY issued_unix_s, rowid", (key_id,))

    def revoke(self, serial: str, now_unix_s: float) -> None:
        """Mark a certificate; one that was revoked before keeps its time."""
        self._db.execute(
            "UPDATE certificates SET revoked_unix_s = ? WHERE serial = ? AND revoked_unix_s IS NULL",
            (now_unix_s, serial),
        )

    def add_token(self, digest: str, identity: Identity, now_unix_s: float, ends_unix_s: float) -> None:
        """Write down a token that is out."""
        self._db.execute(
            "INSERT INTO tokens (digest, name, role, made_unix_s, ends_unix_s) VALUES (?,?,?,?,?)",
            (digest, identity.name, identity.role, now_unix_s, ends_unix_s),
        )

    def token(self, digest: str) -> TokenEntry | None:
        """Return a token."""
        row = self._db.execute(
            "SELECT name, role, ends_unix_s, used_unix_s, key_id, withdrawn_unix_s FROM tokens WHERE digest = ?",
            (digest,),
        ).fetchone()
        return None if row is None else TokenEntry(*row)

    def use_token(self, digest: str, key_id: str, now_unix_s: float) -> None:
        """Mark a token as used for a key."""
        self._db.execute(
            "UPDATE tokens SET used_unix_s = ?, key_id = ? WHERE digest = ?", (now_unix_s, key_id, digest)
        )

    def withdraw_tokens(self, name: str, now_unix_s: float) -> int:
        """Mark the unused tokens of a name as worthless and return how many they were."""
        return self._db.execute(
            "UPDATE tokens SET withdrawn_unix_s = ? WHERE name = ? AND used_unix_s IS NULL AND withdrawn_unix_s IS "
            "NULL AND ends_unix_s > ?",
            (now_unix_s, name, now_unix_s),
        ).rowcount

    def next_list_number(self) -> int:
        """Count the lists of revoked certificates and return the new one's number."""
        row = self._db.execute("UPDATE counters SET value = value + 1 WHERE name = 'crl' RETURNING value").fetchone()
        return int(row[0])

    def _select(self, where: str, values: tuple[str, ...]) -> list[Entry]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM certificates WHERE {where}", values)  # noqa: S608  our own words
        return [Entry(*row) for row in rows]


def _row(entry: Entry) -> tuple[str | float | None, ...]:
    """Return the fields in the order of the columns."""
    return msgspec.structs.astuple(entry)


@contextlib.contextmanager
def transaction(path: Path) -> Iterator[Register]:
    """Open the register for one change: all of it happens, or, after an error, nothing. Raises ConfigurationError."""
    try:
        is_there = path.is_file()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}; it is its owner's") from error
    if not is_there:
        raise ConfigurationError(f"{path.parent}: is no authority; make one: edgejoule pki init {path.parent}")
    with _opened(path) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise ConfigurationError(f"{path}: is of version {version}, this edgejoule knows {VERSION}: update it")
        db.execute("BEGIN IMMEDIATE")
        try:
            yield Register(db)
        except BaseException:
            db.rollback()
            raise
        db.commit()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as db:
            yield db
    except sqlite3.Error as error:
        raise ConfigurationError(
            f"{path}: {error}; is it the register of an authority, and its disk not full?"
        ) from error
