"""Bench records read: from files, from folders with all below them, and from a collector's journal; each once."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from collector.config import journal_path
from collector.journal import Journal
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import MAX_PAYLOAD_BYTES, BenchRecord

NOTHING_TO_READ: Final = (
    "ledger: nothing to read; name bench records, --records DIR with such files, or --state-dir DIR of a collector"
)
_DECODER: Final = msgspec.json.Decoder(BenchRecord)
_DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MOST_BYTES: Final = 4 * MAX_PAYLOAD_BYTES
"""A record that was written indented is some twice as long as on the wire."""


@dataclass(slots=True)
class Found:
    """The records, by device and bench. ``unreadable``: what else lay in folders and journals, and why not read."""

    records: dict[tuple[str, str], BenchRecord] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def add(self, record: BenchRecord) -> None:
        """Add a record; the same bench a second time changes nothing."""
        self.records.setdefault((record.device_id, record.bench_id), record)


def read_all(files: Iterable[Path], folders: Iterable[Path], state_dirs: Iterable[Path]) -> Found:
    """Return every bench that is named. Raises ConfigurationError for what is named and cannot be read, or nothing.

    A file in a folder that holds no bench is passed over and said; one that is named itself is an error.
    """
    found = Found()
    for path in files:
        found.add(read_record(path))
    for folder in folders:
        _read_folder(folder, found)
    for state_dir in state_dirs:
        _read_journal(state_dir, found)
    if not found.records and not found.unreadable:
        raise ConfigurationError(NOTHING_TO_READ)
    return found


def read_record(path: Path) -> BenchRecord:
    """Return the bench in a file, as ``agent bench --json`` and the spool write it. Raises ConfigurationError."""
    remedy = "name a file that 'edgejoule agent bench --json FILE' wrote"
    if path.is_dir():
        raise ConfigurationError(f"{path}: a folder, no bench record; for a ledger of all in it: --records {path}")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(f"{path}: too large for a bench record ({_MOST_BYTES} bytes at most); {remedy}")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    try:
        return _DECODER.decode(data)
    except _DECODE_ERRORS as error:
        raise ConfigurationError(f"{path}: no bench record: {error}; {remedy}") from error


def _read_folder(folder: Path, found: Found) -> None:
    paths = _json_files(folder)
    if not paths:
        raise ConfigurationError(
            f"{folder}: holds no .json file; name the folder that 'edgejoule agent bench-all --out DIR' wrote"
        )
    for path in paths:
        try:
            found.add(read_record(path))
        except ConfigurationError as error:
            found.unreadable.append(str(error))


def _json_files(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: there is no such folder; name one that holds bench records")
    return sorted(path for path in folder.rglob("*.json") if path.is_file())


def _read_journal(state_dir: Path, found: Found) -> None:
    with closing(Journal(journal_path(state_dir), read_only=True)) as journal:
        entries = journal.benches()
    if not entries:
        raise ConfigurationError(
            f"{state_dir}: this collector has no bench; on a device: edgejoule agent bench --config agent.toml"
        )
    for entry in entries:
        if entry.bench is None:
            found.unreadable.append(f"{entry.device_id}/{entry.bench_id}: {entry.refused}")
        else:
            found.add(entry.bench)
