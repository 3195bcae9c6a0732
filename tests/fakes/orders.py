"""Operators with keys, and commands that they sign."""

import time
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge_agent.remote.operators import key_id_of, public_key_text, signed_bytes
from edge_agent.wire import codec
from edge_agent.wire.orders import Action, CollectDiagnostics, Command, SignedCommand

VALID_NS = 600 * 10**9


class FakeOperator:
    """Signs commands for a device; each is issued later than the one before."""

    def __init__(self, device_id: str = "pi4-01", fleet: str = "demo", name: str = "alice") -> None:
        self.device_id, self.fleet, self.name = device_id, fleet, name
        self._key = Ed25519PrivateKey.generate()
        self.raw_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = key_id_of(self.raw_key)
        self._number = 0

    def entry(self, allow: tuple[str, ...] | None = None) -> str:
        """Return this operator's part of an operators.toml."""
        narrower = "" if allow is None else f"allow = {list(allow)}\n"
        return f'[[operator]]\nname = "{self.name}"\npublic_key = "{public_key_text(self.raw_key)}"\n{narrower}'

    def write_to(self, path: Path, allow: tuple[str, ...] | None = None) -> Path:
        path.write_text(self.entry(allow), encoding="utf-8")
        return path

    def command(self, action: Action | None = None, now_unix_ns: int | None = None, **changed: Any) -> Command:
        self._number += 1
        issued_unix_ns = (time.time_ns() if now_unix_ns is None else now_unix_ns) + self._number
        command = Command(
            command_id=f"c-{self.key_id[:6]}-{self._number}",
            fleet=self.fleet,
            device_id=self.device_id,
            issued_unix_ns=issued_unix_ns,
            expires_unix_ns=issued_unix_ns + VALID_NS,
            action=action or CollectDiagnostics(),
        )
        return msgspec.structs.replace(command, **changed)

    def signed(self, command: Command) -> SignedCommand:
        body = codec.encode(command)
        return SignedCommand(key_id=self.key_id, signature=self._key.sign(signed_bytes(body)), command=body)

    def payload(self, command: Command) -> bytes:
        return codec.encode(self.signed(command))

    def payload_of(self, body: bytes) -> bytes:
        """Return anything, signed."""
        return codec.encode(
            SignedCommand(key_id=self.key_id, signature=self._key.sign(signed_bytes(body)), command=body)
        )
