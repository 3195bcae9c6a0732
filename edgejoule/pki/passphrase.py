"""The passphrase of an authority's key: in a file that others cannot read, never on the command line."""

from pathlib import Path

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text


def read_passphrase(path: Path | None) -> bytes | None:
    """Return the passphrase, without the line end of its file, None where no file is named.

    Raises ConfigurationError.
    """
    if path is None:
        return None
    text = read_text(path, f"passphrase file {path}").strip("\r\n")
    if not text:
        raise ConfigurationError(f"passphrase file {path}: is empty; write the passphrase into it, in one line")
    return text.encode()
