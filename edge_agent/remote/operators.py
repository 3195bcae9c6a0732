"""Who may order: the operators' public keys, from a TOML file beside the configuration."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import SIGNATURE_CONTEXT, ActionKind
from edge_agent.wire.records import Identifier
from edge_agent.wire.toml_config import read_toml

PREFIX: Final = "ed25519:"
RAW_KEY_BYTES: Final = 32


class OperatorEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[operator]]``. ``allow``: what this one may order, of what the device allows; without it, all of that."""

    name: Identifier
    public_key: str
    allow: tuple[ActionKind, ...] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operator: tuple[OperatorEntry, ...] = ()


class Operator:
    """An operator whose key was read. ``key_id``: what a signed command names it by."""

    def __init__(self, entry: OperatorEntry, raw_key: bytes) -> None:
        self.name, self.allow = entry.name, entry.allow
        self.key_id = key_id_of(raw_key)
        self._key = Ed25519PublicKey.from_public_bytes(raw_key)

    def has_signed(self, command: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` is this operator's under the bytes of ``command``."""
        try:
            self._key.verify(signature, signed_bytes(command))
        except InvalidSignature:
            return False
        return True


def key_id_of(raw_key: bytes) -> str:
    """Return the first 16 hexadecimal digits of the hash of the 32 bytes of a public key."""
    return hashlib.sha256(raw_key).hexdigest()[:16]


def signed_bytes(command: bytes) -> bytes:
    """Return what a signature of ``command`` is made over."""
    return SIGNATURE_CONTEXT + command


def public_key_text(raw_key: bytes) -> str:
    """Return a public key as ``operators.toml`` has it."""
    return PREFIX + base64.b64encode(raw_key).decode("ascii")


def load_operators(path: Path) -> Mapping[str, Operator]:
    """Return the operators in the file by ``key_id``. Raises ConfigurationError: one line."""
    found: dict[str, Operator] = {}
    for entry in read_toml(path, _File).operator:
        operator = Operator(entry, _raw_key(entry, path))
        if operator.key_id in found:
            raise ConfigurationError(
                f"{path}: operators {found[operator.key_id].name!r} and {entry.name!r} have the same public_key; "
                "remove one"
            )
        found[operator.key_id] = operator
    if not found:
        raise ConfigurationError(
            f"{path}: no [[operator]] in it, so nobody could order anything; add what edgejoule order keygen prints, "
            "or leave [remote] operators out"
        )
    return found


def _raw_key(entry: OperatorEntry, path: Path) -> bytes:
    remedy = f"copy the line that edgejoule order keygen prints, {PREFIX}... with 32 bytes in base64"
    try:
        raw_key = base64.b64decode(entry.public_key.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw_key = b""
    if not entry.public_key.startswith(PREFIX) or len(raw_key) != RAW_KEY_BYTES:
        raise ConfigurationError(f"{path}: operator {entry.name!r}: public_key is no Ed25519 key; {remedy}")
    return raw_key
