"""Whose bundle it is: Ed25519 (RFC 8032) verified with the standard library alone.

A board on which nothing is installed has no package that verifies signatures, and one that came in the bundle itself
cannot vouch for it. Verifying uses nothing secret, so that it may take its time: some 10 ms on a PC, 0.2 s on a Pi.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from .bundle_format import SIGNATURE, Bundle, BundleError

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_DER = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of the key in a SubjectPublicKeyInfo."""
_BEGIN, _END = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"


def check_signature(bundle: Bundle, public_pem: str, name: str) -> None:
    """Check that the holder of the key signed this bundle. ``name``: of the key's file. Raises BundleError."""
    key = parse_public_key(public_pem, name)
    if bundle.signature is None:
        raise BundleError(f"{bundle.path}: is not signed, and a signature by {name} is required")
    try:
        signature = base64.b64decode(bundle.signature.strip(), validate=True)
    except binascii.Error as error:
        raise BundleError(f"{bundle.path}: {SIGNATURE} is not base64") from error
    if not verifies(key, bundle.manifest_bytes, signature):
        raise BundleError(f"{bundle.path}: its signature is not by {name}: refused")


def parse_public_key(pem: str, name: str) -> bytes:
    """Return the 32 bytes of an Ed25519 public key. Raises BundleError."""
    lines = [line.strip() for line in pem.strip().splitlines()]
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise BundleError(f"{name}: is no public key in PEM form")
    try:
        der = base64.b64decode("".join(lines[1:-1]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BundleError(f"{name}: is no public key in PEM form (not base64)") from error
    if not der.startswith(_DER) or len(der) != len(_DER) + 32:
        raise BundleError(f"{name}: is no Ed25519 public key")
    return der[len(_DER) :]


def verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` is one of ``message`` by ``key``."""
    if len(signature) != 64:
        return False
    public, commitment = _decode(key), _decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if public is None or commitment is None or scalar >= _L:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(digest, "little") % _L
    return _same(_times(scalar, _BASE), _add(commitment, _times(challenge, public)))


def _add(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Add two points in extended coordinates (x = X/Z, y = Y/Z, T = XY/Z)."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(scalar: int, point: tuple[int, ...]) -> tuple[int, ...]:
    total: tuple[int, ...] = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _same(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 and (one[1] * other[2] - other[1] * one[2]) % _P == 0


def _decode(encoded: bytes) -> tuple[int, ...] | None:
    """Return the point, None for bytes that are none or that are not in the one form that is allowed."""
    sign = encoded[31] >> 7
    y = int.from_bytes(encoded, "little") & ((1 << 255) - 1)
    x = None if y >= _P else _x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _x_of(y: int, sign: int) -> int | None:
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _x_of(_BASE_Y, 0) or 0
_BASE = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
