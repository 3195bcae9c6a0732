"""The operator's key: made once, kept in a file that only its owner reads, and what it signs."""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from edge_agent.remote.operators import key_id_of, public_key_text, signed_bytes
from edge_agent.wire.codec import encode
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import MAX_COMMAND_BYTES, Command, SignedCommand
from edge_agent.wire.text_file import read_text

REMEDY: Final = "name a key that edgejoule order keygen made"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class OperatorKey(NamedTuple):
    """A private key, open. ``text``: its public half as ``operators.toml`` has it."""

    key_id: str
    text: str
    private: Ed25519PrivateKey

    def sign(self, command: Command) -> bytes:
        """Return the command as it goes on the wire. Raises ConfigurationError for one that is too long."""
        content = encode(command)
        if len(content) > MAX_COMMAND_BYTES:
            raise ConfigurationError(f"the order has {len(content)} bytes, and {MAX_COMMAND_BYTES} at most are sent")
        signature = self.private.sign(signed_bytes(content))
        return encode(SignedCommand(key_id=self.key_id, signature=signature, command=content))


def make_key(path: Path, passphrase: str = "") -> OperatorKey:
    """Make a key, keep it at ``path`` and return it. Raises ConfigurationError: a file is never written over."""
    private = Ed25519PrivateKey.generate()
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{path}: is there already; name another file, a key is never written over"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write the key: {error.strerror}; name another folder") from error
    try:
        with os.fdopen(number, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise ConfigurationError(f"{path}: cannot write the key: {error.strerror}; free some space") from error
    return _operator_key(private)


def is_encrypted(path: Path) -> bool:
    """Tell whether the key wants a passphrase. Raises ConfigurationError for a file that cannot be read."""
    return "ENCRYPTED" in read_text(path, f"key {path}", REMEDY)


def load_key(path: Path, passphrase: str = "") -> OperatorKey:
    """Return the key in the file. Raises ConfigurationError, also for one that others may read."""
    pem = read_text(path, f"key {path}", REMEDY)
    mode = path.stat().st_mode
    if mode & _OTHERS:
        raise ConfigurationError(f"key {path}: others may read or write it ({stat.filemode(mode)}); chmod 600 {path}")
    encrypted = "ENCRYPTED" in pem
    if encrypted and not passphrase:
        raise ConfigurationError(f"key {path}: has a passphrase; name its file: passphrase_file, or --passphrase-file")
    try:
        private = load_pem_private_key(pem.encode(), passphrase.encode() if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        remedy = "is it the right passphrase?" if encrypted else REMEDY
        raise ConfigurationError(f"key {path}: cannot be opened; {remedy}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigurationError(f"key {path}: is no Ed25519 key; {REMEDY}")
    return _operator_key(private)


def _operator_key(private: Ed25519PrivateKey) -> OperatorKey:
    raw = private.public_key().public_bytes_raw()
    return OperatorKey(key_id_of(raw), public_key_text(raw), private)
