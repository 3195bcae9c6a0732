"""The records that a sweep's folder holds."""

from pathlib import Path

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import BenchRecord

_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def prepare_folder(folder: Path, device_id: str, boundary: str) -> None:
    """Create the folder. Raises ConfigurationError where it holds benches of another device or boundary."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--out {folder}: {error.strerror}; name a folder that can be written") from error
    for path in sorted(folder.glob("*.json")):
        record = held_record(path)
        if record is not None and (record.device_id, record.boundary) != (device_id, boundary):
            raise ConfigurationError(
                f"--out {folder}: {path.name} is of {record.device_id} at {record.boundary}, and this sweep of "
                f"{device_id} at {boundary}; name another folder"
            )


def held_record(path: Path) -> BenchRecord | None:
    """Return the bench in a file, None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=BenchRecord)
    except (OSError, *_DECODE_ERRORS):
        return None
