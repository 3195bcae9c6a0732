"""The answer to a request that travels by hand: the certificate, then the authority's, in one PEM file. No secret."""

import re
from typing import Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.pki.authority import Issued

_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\n?")


def join_answer(issued: Issued) -> str:
    """Return the file's text."""
    return f"{issued.certificate.rstrip()}\n{issued.authority.rstrip()}\n"


def split_answer(text: str, name: str) -> Issued:
    """Return both certificates. Raises ConfigurationError, whose line begins with ``name``."""
    blocks = _BLOCK.findall(text.replace("\r\n", "\n"))
    if len(blocks) != 2:
        raise ConfigurationError(
            f"{name}: holds {len(blocks)} certificates, not the device's and the authority's; take the file that "
            "`edgejoule pki sign` wrote"
        )
    return Issued(*blocks)
