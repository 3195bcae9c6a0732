"""The passphrase of an authority's key: in a file that others cannot read, never on the command line."""

from pathlib import Path
from typing import Final

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edgejoule.pki.files import refuse_open_file

MOST_BYTES: Final = 1023
"""OpenSSL takes no more."""


def read_passphrase(path: Path | None) -> bytes | None:
    """Return the passphrase, without the line end of its file, None where no file is named.

    Raises ConfigurationError.
    """
    if path is None:
        return None
    name = f"passphrase file {path}"
    passphrase = read_text(path, name).strip("\r\n").encode()
    refuse_open_file(path, name)
    if not 1 <= len(passphrase) <= MOST_BYTES:
        raise ConfigurationError(f"{name}: write 1 to {MOST_BYTES} bytes into it, in one line, not {len(passphrase)}")
    return passphrase
