"""How both ends read a small text file that a configuration names."""

from pathlib import Path

from edge_agent.wire.errors import ConfigurationError


def read_text(path: Path, name: str = "", remedy: str = "") -> str:
    """Return the file's text. Raises ConfigurationError: ``name`` (the path by default), why, and the ``remedy``."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{name or path}: cannot read it: {reason}{remedy and '; ' + remedy}") from error
