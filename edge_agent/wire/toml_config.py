"""How a TOML file becomes a frozen, typed struct, for every configuration of both ends."""

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_agent.wire.errors import ConfigurationError

T = TypeVar("T")


def decode_toml(text: str, into: type[T], where: str) -> T:
    """Decode ``text`` into ``into``; raise ConfigurationError with one line that names the place and the fault."""
    try:
        return msgspec.convert(tomllib.loads(text), into)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where}: not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {_plain(str(error))}") from error


def read_toml(path: Path, into: type[T]) -> T:
    """Read and decode the TOML file at ``path``. Raises ConfigurationError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{path}: cannot read it: {reason}; name an existing TOML file") from error
    return decode_toml(text, into, str(path))


def _plain(message: str) -> str:
    """Turn "Object contains unknown field `x` - at `$.meter`" into words that a TOML author uses."""
    return (
        message.replace("Object contains unknown field", "unknown key")
        .replace("Object missing required field", "missing key")
        .replace(" - at `$.", " in `")
        .replace(" - at `$`", "")
    )
