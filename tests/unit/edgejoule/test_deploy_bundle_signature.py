"""Ed25519 verified with the standard library: the RFC's vectors, and the same answers as a full implementation."""

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.bundle.signing import load_signer
from edgejoule.deploy.onboard.bundle_format import Bundle, BundleError
from edgejoule.deploy.onboard.bundle_signature import check_signature, parse_public_key, verifies
from tests.fakes.bundles import small_bundle

ORDER = 2**252 + 27742317777372353535851937790883648493
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]
"""Section 7.1, tests 1 and 2: public key, message, signature."""


def _pair(seed: bytes) -> tuple[Ed25519PrivateKey, bytes]:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _public_pem(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_vectors_of_the_rfc(public: str, message: str, signature: str) -> None:
    assert verifies(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 511), st.integers(1, 255))
def test_a_signature_holds_and_a_changed_one_does_not(seed: bytes, message: bytes, place: int, change: int) -> None:
    key, public = _pair(seed)
    signature = key.sign(message)
    changed = bytearray(signature)
    changed[place % 64] ^= change

    assert verifies(public, message, signature)
    assert not verifies(public, message + b"x", signature)
    assert not verifies(public, message, bytes(changed))


@settings(max_examples=40)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_arbitrary_keys_and_signatures_are_judged_as_by_a_full_implementation(public: bytes, signature: bytes) -> None:
    assert verifies(public, b"message", signature) == _peer(public, b"message", signature)


def test_a_signature_with_another_scalar_of_the_same_residue_is_refused() -> None:
    key, public = _pair(bytes(32))
    signature = key.sign(b"m")
    other = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")

    assert not verifies(public, b"m", signature[:32] + other)
    assert not verifies(public, b"m", signature[:63])


def test_points_that_are_none_or_written_in_another_way_are_refused() -> None:
    key, _public = _pair(bytes(32))
    signature = key.sign(b"m")

    for number in (2**255 - 19, 2**255 - 1, 2**255 | 1, 2):
        assert not verifies(number.to_bytes(32, "little"), b"m", signature)


def test_a_signed_bundle_is_taken_and_others_are_refused(tmp_path: Path) -> None:
    key, _ = _pair(b"k" * 32)
    pem = _key_file(tmp_path / "key.pem", key)
    signed = small_bundle(tmp_path / "signed", load_signer(pem))
    unsigned = small_bundle(tmp_path / "unsigned")

    with Bundle(signed) as bundle:
        check_signature(bundle, _public_pem(key), "us.pem")
        with pytest.raises(BundleError, match=r"its signature is not by them\.pem: refused"):
            check_signature(bundle, _public_pem(Ed25519PrivateKey.generate()), "them.pem")
    with Bundle(unsigned) as bundle, pytest.raises(BundleError, match=r"is not signed, and a signature by us\.pem"):
        check_signature(bundle, _public_pem(key), "us.pem")
    with (
        Bundle(small_bundle(tmp_path / "other", lambda _manifest: b"!")) as bundle,
        pytest.raises(BundleError, match="is not base64"),
    ):
        check_signature(bundle, _public_pem(key), "us.pem")
    assert signed.read_bytes() == small_bundle(tmp_path / "again", load_signer(pem)).read_bytes()


def test_a_key_with_a_passphrase_signs_and_others_are_refused_in_one_line(tmp_path: Path) -> None:
    key, public = _pair(b"k" * 32)
    path = _key_file(tmp_path / "key.pem", key, b"secret")
    (tmp_path / "passphrase").write_text("secret\n")

    signature = load_signer(path, tmp_path / "passphrase")(b"manifest")

    assert verifies(public, b"manifest", base64.b64decode(signature))
    with pytest.raises(ConfigurationError, match="cannot be used as a private key"):
        load_signer(path)
    (tmp_path / "other.pem").write_text("no key")
    with pytest.raises(ConfigurationError, match="cannot be used as a private key"):
        load_signer(tmp_path / "other.pem")


def test_a_key_as_openssl_makes_it(tmp_path: Path) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(private)], check=True)
    subprocess.run(["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)], check=True)

    signature = load_signer(private)(b"manifest")

    assert verifies(parse_public_key(public.read_text(), "key.pub"), b"manifest", base64.b64decode(signature))
    with pytest.raises(BundleError, match="is no public key"):
        parse_public_key(private.read_text(), "key.pem")


@given(st.text())
def test_any_text_is_a_public_key_or_refused(text: str) -> None:
    for pem in (text, f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(BundleError, match=r"key\.pub"):
            parse_public_key(pem, "key.pub")


def _key_file(path: Path, key: Ed25519PrivateKey, passphrase: bytes | None = None) -> Path:
    how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    return path


def _peer(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
