"""The device's benches on disk: each stays until the collector says that it has stored it, and a while longer.

One JSON file for each bench, as it goes on the wire: ``bench/pending/ID.json`` until the store-ack, then
``bench/stored/ID.json``, the latest ``MAX_STORED`` of them. A file appears whole or not at all (written under another
name, fsync, rename, fsync of the directory), so a power cut takes nothing that ``add`` has returned from. What cannot
be delivered is moved to ``bench/aside/`` and said in the log: it never holds up the others.
"""

import os
import threading
from pathlib import Path
from typing import Final

import structlog

from edge_agent.wire import codec
from edge_agent.wire.errors import ConfigurationError, RejectedRecordError
from edge_agent.wire.records import MAX_BENCH_WINDOWS, MAX_BUDGET_LINES, MAX_PAYLOAD_BYTES, BenchRecord

DIRECTORY_NAME: Final = "bench"
MAX_STORED: Final = 200
_LOG = structlog.get_logger()


class BenchSpool:
    """See the module's text. Thread-safe; made for the one process that holds the state directory's lock."""

    def __init__(self, state_dir: Path, *, max_stored: int = MAX_STORED) -> None:
        """Open or create ``state_dir/bench``. Raises ConfigurationError when that cannot be done."""
        self.directory = state_dir / DIRECTORY_NAME
        self._pending, self._stored, self._aside = (self.directory / name for name in ("pending", "stored", "aside"))
        self._max_stored = max_stored
        self._lock = threading.Lock()
        try:
            for directory in (self._pending, self._stored, self._aside):
                directory.mkdir(parents=True, exist_ok=True)
            for left_over in self.directory.glob("*.new"):  # of a write that was cut short, so never promised
                left_over.unlink(missing_ok=True)
            for parent in (self.directory, state_dir):
                _fsync_directory(parent)
        except OSError as error:
            raise ConfigurationError(
                f"{self.directory}: cannot keep benches there: {error.strerror}; check owner and free space"
            ) from error

    def add(self, record: BenchRecord) -> Path:
        """Keep ``record`` for delivery and return its file; it is on the disk when this returns.

        Raises RejectedRecordError for a record that the wire would refuse, for ever; ConfigurationError when the disk
        does not take it.
        """
        payload = _checked_payload(record)
        path = self._path(self._pending, record.bench_id)
        temporary = self.directory / f"{record.bench_id}.new"
        with self._lock:
            try:
                with temporary.open("wb") as file:
                    file.write(payload)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
                _fsync_directory(self._pending)
            except OSError as error:
                raise ConfigurationError(
                    f"{path}: cannot keep the bench: {error.strerror}; check owner and free space"
                ) from error
        return path

    def pending_ids(self) -> list[str]:
        """Return the ids of the benches that wait for their store-ack, oldest first. Raises OSError."""
        with self._lock:
            files = sorted((path.stat().st_mtime_ns, path.stem) for path in self._pending.glob("*.json"))
        return [bench_id for _, bench_id in files]

    def payload(self, bench_id: str, device_id: str) -> bytes | None:
        """Return a pending bench as it goes on the wire, None when it is not there any more. Raises OSError.

        What is damaged, or of another device than ``device_id``, is set aside: no collector would take it.
        """
        path = self._path(self._pending, bench_id)
        try:
            payload = path.read_bytes()
            record = codec.decode(payload, BenchRecord)
        except FileNotFoundError:
            return None
        except (OSError, RejectedRecordError) as error:
            self._set_aside(path, f"the file is damaged: {error}")
            return None
        if (record.bench_id, record.device_id) != (bench_id, device_id):
            self._set_aside(path, f"it is {record.bench_id!r} of {record.device_id!r}, this device is {device_id!r}")
            return None
        return payload

    def mark_stored(self, bench_id: str) -> bool:
        """Note that the collector has the bench; return whether it was still pending here. Raises OSError."""
        path = self._path(self._pending, bench_id)
        with self._lock:
            try:
                path.replace(self._path(self._stored, bench_id))
            except FileNotFoundError:
                return False
            for directory in (self._stored, self._pending):
                _fsync_directory(directory)
            self._forget_oldest()
        return True

    def _set_aside(self, path: Path, reason: str) -> None:
        with self._lock:
            path.replace(self._aside / path.name)
        _LOG.warning("bench_set_aside", file=str(self._aside / path.name), reason=reason)

    def _forget_oldest(self) -> None:
        files = sorted(self._stored.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        for path in files[: -self._max_stored]:
            path.unlink(missing_ok=True)

    def _path(self, directory: Path, bench_id: str) -> Path:
        return directory / f"{bench_id}.json"


def _checked_payload(record: BenchRecord) -> bytes:
    """Return the record's bytes if a collector would take them. Raises RejectedRecordError: one line."""
    where = f"bench {record.bench_id!r} cannot be sent"
    if len(record.windows) > MAX_BENCH_WINDOWS:
        raise RejectedRecordError(
            f"{where}: {len(record.windows)} windows, a record holds {MAX_BENCH_WINDOWS}; take fewer or longer ones"
        )
    payload = codec.encode(record)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RejectedRecordError(
            f"{where}: {len(payload)} bytes, a message holds {MAX_PAYLOAD_BYTES} ({MAX_BENCH_WINDOWS} windows and "
            f"{MAX_BUDGET_LINES} budget lines fit); take fewer windows"
        )
    try:
        codec.decode(payload, BenchRecord)
    except RejectedRecordError as error:
        raise RejectedRecordError(f"{where}: {error}") from error
    return payload


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
