"""Keys of servers, from files."""

from pathlib import Path

from edge_agent.wire.errors import ConfigurationError


def read_key(file: Path | None, source: str) -> str:
    """Return the one line that a source's key_file holds. Raises ConfigurationError, which never shows the key."""
    where = f"intensity source {source}"
    if file is None:
        raise ConfigurationError(f"{where}: needs a key; put it in a file of its own and name that as key_file")
    try:
        key = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigurationError(f"{where}: key_file {file}: {error.strerror}; put the key in that file") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where}: key_file {file}: holds more than plain letters; is it the key?") from None
    if not key or len(key.splitlines()) > 1 or not key.isprintable():
        raise ConfigurationError(f"{where}: key_file {file}: has to hold the key on one line and nothing else")
    return key
