"""Which commands this device has accepted, on disk: what was accepted once is never accepted again.

One small file, written whole and brought to the disk before a command counts as accepted. It holds for each operator's
key the latest ``issued_unix_ns``, and each accepted command: the open ones whole, so that after a power cut they are
taken up or reported, the closed ones by their id until they expire. Then the key's latest time alone refuses them.
"""

import threading
from pathlib import Path
from typing import Final

import msgspec
import structlog

from edge_agent.durable_file import DAMAGED, write_durably
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import Command
from edge_agent.wire.records import UnixNs

DIRECTORY_NAME: Final = "remote"
FILE_NAME: Final = "accepted.json"
MAX_CLOSED: Final = 500
_LOG = structlog.get_logger()


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted command. ``command``: None once it is closed: its final reply is in the spool.

    ``key_id``: whose it is. ``self_tested``: its model was about to be tried, which is not done twice.
    """

    command_id: str
    key_id: str
    expires_unix_ns: UnixNs
    accepted_unix_ns: UnixNs
    command: Command | None = None
    self_tested: bool = False


class _Page(msgspec.Struct, kw_only=True):
    schema_version: int = 1
    last_issued_unix_ns: dict[str, int] = {}
    accepted: list[Accepted] = []


class CommandBook:
    """See the module's text. Thread-safe; for the one process that holds the state directory's lock."""

    def __init__(self, state_dir: Path) -> None:
        """Open or create the book in ``state_dir``. Raises ConfigurationError.

        A damaged one is an error: to begin a new one would accept again what was heard before.
        """
        self._path = state_dir / DIRECTORY_NAME / FILE_NAME
        self._lock = threading.Lock()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._page = msgspec.json.decode(self._path.read_bytes(), type=_Page)
        except FileNotFoundError:
            self._page = _Page()
        except DAMAGED as error:
            raise ConfigurationError(
                f"{self._path}: damaged: {error}; without it old commands could be played again: remove it and give "
                "each operator a new key, or restore it"
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"{self._path}: cannot keep accepted commands there: {error.strerror}; check owner and free space"
            ) from error

    def find(self, command_id: str) -> Accepted | None:
        """Return an accepted command, None for one that never was or has expired since."""
        with self._lock:
            return next((one for one in self._page.accepted if one.command_id == command_id), None)

    def last_issued_unix_ns(self, key_id: str) -> int:
        """Return when the latest accepted command of a key was issued, -1 where there is none."""
        with self._lock:
            return self._page.last_issued_unix_ns.get(key_id, -1)

    def open_commands(self) -> list[Accepted]:
        """Return what was accepted and has no final reply, oldest first."""
        with self._lock:
            return [one for one in self._page.accepted if one.command is not None]

    def accept(self, key_id: str, command: Command, now_unix_ns: int) -> None:
        """Note an accepted command; it is on the disk when this returns. Raises OSError: then it is not accepted."""
        entry = Accepted(
            command_id=command.command_id,
            key_id=key_id,
            expires_unix_ns=command.expires_unix_ns,
            accepted_unix_ns=now_unix_ns,
            command=command,
        )
        with self._lock:
            kept = _kept(self._page.accepted, now_unix_ns)
            issued = {**self._page.last_issued_unix_ns, key_id: command.issued_unix_ns}
            self._write(_Page(last_issued_unix_ns=issued, accepted=[*kept, entry]))

    def note_self_test(self, command_id: str) -> None:
        """Write down that the command's model is about to be tried. Raises OSError."""
        with self._lock:
            accepted = [
                msgspec.structs.replace(one, self_tested=True) if one.command_id == command_id else one
                for one in self._page.accepted
            ]
            self._write(_Page(last_issued_unix_ns=self._page.last_issued_unix_ns, accepted=accepted))

    def close(self, command_id: str) -> None:
        """Note that a command has its final reply. A full disk is told: then it is reported again after a restart."""
        with self._lock:
            accepted = [
                msgspec.structs.replace(one, command=None) if one.command_id == command_id else one
                for one in self._page.accepted
            ]
            page = _Page(last_issued_unix_ns=self._page.last_issued_unix_ns, accepted=accepted)
            try:
                self._write(page)
            except OSError as error:
                self._page = page
                _LOG.warning("accepted_not_written", path=str(self._path), reason=error.strerror)

    def _write(self, page: _Page) -> None:
        write_durably(self._path, msgspec.json.encode(page), mode=0o600)
        self._page = page


def _kept(accepted: list[Accepted], now_unix_ns: int) -> list[Accepted]:
    """Leave out closed commands that have expired, and the oldest beyond ``MAX_CLOSED``."""
    closed = [one for one in accepted if one.command is None and one.expires_unix_ns >= now_unix_ns]
    names = {one.command_id for one in closed[-MAX_CLOSED:]}
    return [one for one in accepted if one.command is not None or one.command_id in names]
