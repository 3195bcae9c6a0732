"""Private keys: made where they are used, P-256, and which foreign public keys are strong enough to be signed."""

from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from edge_agent.wire.errors import ConfigurationError
from edgejoule.pki.errors import RefusedError

SMALLEST_RSA_BITS: Final = 2048
SMALLEST_RSA_EXPONENT: Final = 65_537
CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


def new_key() -> PrivateKey:
    """Return a new P-256 key: every TLS library of the last fifteen years takes it, also on a small board."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return the key as PEM (PKCS 8), locked by ``passphrase`` if there is one."""
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def load_key(pem: bytes, name: str, passphrase: bytes | None = None) -> PrivateKey:
    """Return the key that we wrote before. Raises ConfigurationError, whose line begins with ``name``."""
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except TypeError as error:
        remedy = "name the file of its passphrase: --passphrase-file" if passphrase is None else "it has none: omit it"
        raise ConfigurationError(f"{name}: {error}; {remedy}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{name}: is no key, or the passphrase is wrong ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError(f"{name}: is no key of an elliptic curve; was it made by something else?")
    return key


def check_public(key: object) -> PublicKey:
    """Return a key that is strong enough. Raises RefusedError."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            raise RefusedError(f"the key is too weak, or of an odd curve ({key.curve.name}): use P-256")
        return key
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < SMALLEST_RSA_BITS or key.public_numbers().e < SMALLEST_RSA_EXPONENT:
            raise RefusedError(
                f"the RSA key is too weak ({key.key_size} bits, exponent {key.public_numbers().e}): use P-256, or at "
                f"least {SMALLEST_RSA_BITS} bits and exponent {SMALLEST_RSA_EXPONENT}"
            )
        return key
    raise RefusedError(f"a key of kind {type(key).__name__} is not signed: use P-256, Ed25519 or RSA")


def key_id(key: PublicKey) -> str:
    """Return the SHA-256 of the public key in hexadecimal: what tells whether two requests are of one key."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    )
    return digest.finalize().hex()
