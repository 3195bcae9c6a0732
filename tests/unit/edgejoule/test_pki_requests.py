"""Signing requests: what the authority believes of them, and the one line for everything else."""

import base64
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.pki import names
from edgejoule.pki.errors import RefusedError
from edgejoule.pki.keys import key_id, new_key
from edgejoule.pki.requests import MAX_BYTES, check_identity, make_request, read_request

Builder = x509.CertificateSigningRequestBuilder
KEY = new_key()
PEM = make_request(KEY, names.device("pi4-01"))


def named(*common_names: str) -> Builder:
    return Builder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names]))


def signed(builder: Builder, key: ec.EllipticCurvePrivateKey = KEY) -> str:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_our_own_request_says_name_and_key() -> None:
    request = read_request(PEM)

    assert request.common_name == "pi4-01"
    assert key_id(request.key) == key_id(KEY.public_key())


def _rsa(bits: int, exponent: int = 65_537) -> str:
    key = rsa.generate_private_key(exponent, bits)
    return named("pi4-01").sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _dsa() -> str:
    key = dsa.generate_private_key(2048)
    return named("pi4-01").sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _of_another_key() -> str:
    """Exchange the public key in a request: it is then not signed by its own."""
    der = x509.load_pem_x509_csr(PEM.encode()).public_bytes(serialization.Encoding.DER)
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    mine, other = KEY.public_key().public_bytes(*spki), new_key().public_key().public_bytes(*spki)
    assert mine in der
    return x509.load_der_x509_csr(der.replace(mine, other)).public_bytes(serialization.Encoding.PEM).decode()


def _alternative(*alternatives: x509.GeneralName) -> str:
    return signed(named("pi4-01").add_extension(x509.SubjectAlternativeName(alternatives), critical=False))


REFUSED: list[tuple[str, Callable[[], str], str]] = [
    ("nothing", lambda: "", "not one request in PEM form"),
    ("two of them", lambda: PEM + PEM, "not one request"),
    ("a novel", lambda: PEM + "x" * MAX_BYTES, "too long"),
    ("no base64", lambda: PEM[:40] + "!" + PEM[41:], "cannot be read"),
    ("another key", _of_another_key, "not signed by its own key"),
    ("RSA of 1024 bits", lambda: _rsa(1024), "too weak.*1024 bits"),
    ("RSA with exponent 3", lambda: _rsa(2048, 3), "too weak.*exponent 3"),
    ("DSA", _dsa, "kind .*DSA"),
    ("a small curve", lambda: signed(named("pi4-01"), ec.generate_private_key(ec.SECP224R1())), "too weak.*secp224r1"),
    ("a curve of others", lambda: signed(named("pi4-01"), ec.generate_private_key(ec.SECP256K1())), "odd curve"),
    (
        "an authority",
        lambda: signed(named("pi4-01").add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)),
        "authority, which is never given",
    ),
    (
        "a smuggled purpose",
        lambda: signed(
            named("pi4-01").add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        ),
        "extension 2.5.29.37",
    ),
    (
        "an unknown extension",
        lambda: signed(
            named("pi4-01").add_extension(
                x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x"), critical=False
            )
        ),
        r"extension 1\.2\.3\.4",
    ),
    ("a second name", lambda: _alternative(x509.DNSName("pi4-01"), x509.DNSName("collector")), "'collector'"),
    ("an address", lambda: _alternative(x509.RFC822Name("a@b.example")), "another name"),
    ("no name", lambda: signed(named()), "not one common name"),
    ("two names", lambda: signed(named("pi4-01", "collector")), "not one common name"),
    (
        "more than a name",
        lambda: signed(
            Builder().subject_name(
                x509.Name(
                    [
                        x509.NameAttribute(NameOID.COMMON_NAME, "pi4-01"),
                        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "fleet"),
                    ]
                )
            )
        ),
        "not one common name",
    ),
]


@pytest.mark.parametrize(("make", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_asks_for_more_or_proves_less_is_refused_in_one_line(make: Callable[[], str], words: str) -> None:
    with pytest.raises(RefusedError, match=words) as caught:
        read_request(make())
    assert "\n" not in str(caught.value)


def test_ed25519_and_rsa_of_others_are_taken() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    pem = named("pi4-01").sign(key, None).public_bytes(serialization.Encoding.PEM).decode()

    assert read_request(pem).common_name == read_request(_rsa(2048)).common_name == "pi4-01"


def assert_read_as_it_was_or_refused(text: str) -> None:
    try:
        request = read_request(text)
    except RefusedError as error:
        line = str(error)
    else:
        line = ""
        assert request.common_name == "pi4-01"
        assert key_id(request.key) == key_id(KEY.public_key())
    assert "\n" not in line


@given(
    st.lists(st.tuples(st.integers(0, len(PEM) - 1), st.integers(0, 127)), min_size=1, max_size=8),
    st.integers(0, len(PEM)),
)
def test_a_damaged_request_is_read_as_it_was_or_refused(changes: list[tuple[int, int]], cut: int) -> None:
    letters = list(PEM)
    for place, letter in changes:
        letters[place] = chr(letter)
    assert_read_as_it_was_or_refused("".join(letters[: cut or None]))


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=6))
def test_damaged_bytes_inside_are_read_as_they_were_or_refused(place: int, new: bytes) -> None:
    der = bytearray(x509.load_pem_x509_csr(PEM.encode()).public_bytes(serialization.Encoding.DER))
    start = place % len(der)
    der[start : start + len(new)] = new
    body = base64.encodebytes(bytes(der)).decode()
    assert_read_as_it_was_or_refused(f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n")


@given(st.text(max_size=200))
def test_any_text_is_one_line_and_no_accident(text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read_request(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["collector", "operator", "grid", "Collector", "", "-x", "a/b", "+", "#", "a" * 65, "é"]
)
def test_names_that_no_device_may_have(name: str) -> None:
    with pytest.raises(RefusedError):
        names.device(name)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True))
def test_a_device_may_have_any_other_name_of_the_wire(name: str) -> None:
    if name.lower() in ("collector", "operator", "grid"):
        return
    identity = names.device(name)
    check_identity(read_request(make_request(KEY, identity)), identity)
    with pytest.raises(RefusedError, match="only"):
        check_identity(read_request(make_request(KEY, identity)), names.device(f"x{name}"[:64]))


@pytest.mark.parametrize("host", ["", "-a", "a..b", "a b", "x" * 254, "a/b", "*"])
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(RefusedError, match="no host name"):
        names.check_host(host)


@pytest.mark.parametrize("address", ["", "1.2.3", "1.2.3.4/8", "broker.lan"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(RefusedError, match="no IP address"):
        names.check_address(address)
