"""A bundle signed by whoever makes it: Ed25519, a private key in PEM form as ``openssl genpkey`` writes it."""

import base64
from collections.abc import Callable
from pathlib import Path

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text

Signer = Callable[[bytes], bytes]


def load_signer(path: Path, passphrase_file: Path | None = None) -> Signer:
    """Return what signs a manifest. Raises ConfigurationError, and ModuleNotFoundError without ``cryptography``."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  only who signs needs it
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    passphrase = None
    if passphrase_file is not None:
        passphrase = read_text(passphrase_file, remedy="name the file with the key's passphrase").strip().encode()
    try:
        key = load_pem_private_key(read_text(path, remedy="name a private key").encode(), passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{path}: cannot be used as a private key: {error}; see docs/targets.md") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"{path}: is no Ed25519 key; make one: openssl genpkey -algorithm ed25519 -out {path}"
        )
    return lambda manifest: base64.b64encode(key.sign(manifest)) + b"\n"
