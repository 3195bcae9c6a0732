"""Records with an id on disk, each until the collector says that it has stored it, and a while longer.

One JSON file for each record, as it goes on the wire: ``NAME/pending/ID.json`` until the store-ack, then
``NAME/stored/ID.json``, the latest ``max_stored`` of them. A file appears whole or not at all, so a power cut takes
nothing that ``add`` has returned from. What cannot be delivered is moved to ``NAME/aside/`` and said in the log: it
never holds up the others.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

from edge_agent.durable_file import FRESH_SUFFIX, fsync_directory, write_durably
from edge_agent.wire import codec
from edge_agent.wire.errors import ConfigurationError, RejectedRecordError
from edge_agent.wire.orders import CommandReply
from edge_agent.wire.records import MAX_PAYLOAD_BYTES, BenchRecord

MAX_STORED: Final = 200
_LOG = structlog.get_logger()
SpoolRecord = TypeVar("SpoolRecord", BenchRecord, CommandReply)


@dataclass(frozen=True, slots=True)
class SpoolKind(Generic[SpoolRecord]):
    """What one spool holds. ``what`` and ``plural``: its name in messages. ``id_field``: what names a record.

    ``size_remedy``: what to do about a record that is too large for a message.
    """

    directory: str
    record: type[SpoolRecord]
    id_field: str
    what: str
    plural: str
    size_remedy: str


class RecordSpool(Generic[SpoolRecord]):
    """See the module's text. Thread-safe; made for the one process that holds the state directory's lock."""

    def __init__(self, state_dir: Path, kind: SpoolKind[SpoolRecord], *, max_stored: int = MAX_STORED) -> None:
        """Open or create the spool in ``state_dir``. Raises ConfigurationError when that cannot be done."""
        self.kind: SpoolKind[SpoolRecord] = kind
        self.directory = state_dir / kind.directory
        self._pending, self._stored, self._aside = (self.directory / name for name in ("pending", "stored", "aside"))
        self._max_stored = max_stored
        self._lock = threading.Lock()
        try:
            for directory in (self._pending, self._stored, self._aside):
                directory.mkdir(parents=True, exist_ok=True)
            for directory in (self.directory, self._pending):  # of a write that was cut short, so never promised
                for left_over in directory.glob(f"*{FRESH_SUFFIX}"):
                    left_over.unlink(missing_ok=True)
            for parent in (self.directory, state_dir):
                fsync_directory(parent)
        except OSError as error:
            raise ConfigurationError(
                f"{self.directory}: cannot keep {kind.plural} there: {error.strerror}; check owner and free space"
            ) from error

    def add(self, record: SpoolRecord) -> Path:
        """Keep ``record`` for delivery and return its file; it is on the disk when this returns.

        Raises RejectedRecordError for a record that the wire would refuse, for ever; ConfigurationError when the disk
        does not take it.
        """
        payload = self._checked_payload(record)
        path = self._path(self._pending, self._id_of(record))
        with self._lock:
            try:
                write_durably(path, payload)
            except OSError as error:
                raise ConfigurationError(
                    f"{path}: cannot keep the {self.kind.what}: {error.strerror}; check owner and free space"
                ) from error
        return path

    def pending_ids(self) -> list[str]:
        """Return the ids of the records that wait for their store-ack, oldest first. Raises OSError."""
        with self._lock:
            files = sorted((path.stat().st_mtime_ns, path.stem) for path in self._pending.glob("*.json"))
        return [record_id for _, record_id in files]

    def payload(self, record_id: str, device_id: str) -> bytes | None:
        """Return a pending record as it goes on the wire, None when it is not there any more. Raises OSError.

        What is damaged, or of another device than ``device_id``, is set aside: no collector would take it.
        """
        path = self._path(self._pending, record_id)
        try:
            payload = path.read_bytes()
            record = codec.decode(payload, self.kind.record)
        except FileNotFoundError:
            return None
        except (OSError, RejectedRecordError) as error:
            self._set_aside(path, f"the file is damaged: {error}")
            return None
        if (self._id_of(record), record.device_id) != (record_id, device_id):
            self._set_aside(
                path, f"it is {self._id_of(record)!r} of {record.device_id!r}, this device is {device_id!r}"
            )
            return None
        return payload

    def find(self, record_id: str) -> SpoolRecord | None:
        """Return a record that waits or was stored of late, None for another or a damaged one."""
        for directory in (self._pending, self._stored):
            try:
                found: SpoolRecord = codec.decode(self._path(directory, record_id).read_bytes(), self.kind.record)
            except (OSError, RejectedRecordError):
                continue
            return found
        return None

    def mark_stored(self, record_id: str) -> bool:
        """Note that the collector has the record; return whether it was still pending here. Raises OSError."""
        path = self._path(self._pending, record_id)
        with self._lock:
            try:
                path.replace(self._path(self._stored, record_id))
            except FileNotFoundError:
                return False
            for directory in (self._stored, self._pending):
                fsync_directory(directory)
            self._forget_oldest()
        return True

    def _set_aside(self, path: Path, reason: str) -> None:
        with self._lock:
            path.replace(self._aside / path.name)
        _LOG.warning(f"{self.kind.what}_set_aside", file=str(self._aside / path.name), reason=reason)

    def _forget_oldest(self) -> None:
        files = sorted(self._stored.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        for path in files[: -self._max_stored]:
            path.unlink(missing_ok=True)

    def _id_of(self, record: SpoolRecord) -> str:
        return str(getattr(record, self.kind.id_field))

    def _path(self, directory: Path, record_id: str) -> Path:
        return directory / f"{record_id}.json"

    def _checked_payload(self, record: SpoolRecord) -> bytes:
        """Return the record's bytes if a collector would take them. Raises RejectedRecordError: one line."""
        where = f"{self.kind.what} {self._id_of(record)!r} cannot be sent"
        payload = codec.encode(record)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise RejectedRecordError(
                f"{where}: {len(payload)} bytes, a message holds {MAX_PAYLOAD_BYTES}; {self.kind.size_remedy}"
            )
        try:
            codec.decode(payload, self.kind.record)
        except RejectedRecordError as error:
            raise RejectedRecordError(f"{where}: {error}") from error
        return payload
