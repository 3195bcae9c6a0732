"""Signing requests (PKCS 10): made on the device; read by the authority, which believes as little of them as it can.

Nothing of a request goes into a certificate but the public key: the name is that of the token, or of the command, and
every extension is the authority's own. What asks for more is refused, so that nobody takes it for granted.
"""

from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from edgejoule.pki.errors import RefusedError
from edgejoule.pki.keys import PrivateKey, PublicKey, check_public
from edgejoule.pki.names import Identity

MAX_BYTES: Final = 16_384
_HEAD: Final = "-----BEGIN CERTIFICATE REQUEST-----"
_WEAK_HASHES: Final = ("md5", "sha1", "sha224")
_FOREIGN_ERRORS: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for bytes that are no request, some only when the part in question is read."""


class Request(NamedTuple):
    """What is believed: whose name it asks for, and the key, of which it proved to have the private half."""

    common_name: str
    key: PublicKey


def make_request(key: PrivateKey, identity: Identity) -> str:
    """Return a request in PEM form."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.name)]))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM).decode()


def read_request(pem: str) -> Request:
    """Return what a request says of itself. Raises RefusedError: one line on what is wrong with it."""
    if len(pem) > MAX_BYTES:
        raise RefusedError(f"the request is too long: {len(pem)} characters, {MAX_BYTES} are the most")
    if pem.count(_HEAD) != 1 or not pem.isascii():
        raise RefusedError(f"this is not one request in PEM form: it begins with {_HEAD}")
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        if not request.is_signature_valid:
            raise RefusedError("the request is not signed by its own key: it was damaged or tampered with")
        key = check_public(request.public_key())
        _check_hash(request)
        _check_extensions(request)
        return Request(_common_name(request), key)
    except _FOREIGN_ERRORS as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RefusedError(f"the request cannot be read ({words[:120]})") from error


def check_identity(request: Request, identity: Identity) -> None:
    """Refuse a request for another name than ``identity``. Raises RefusedError."""
    if request.common_name != identity.name:
        raise RefusedError(
            f"the request is for {request.common_name[:80]!r}, but only {identity.name!r} may be signed here"
        )


def _check_hash(request: x509.CertificateSigningRequest) -> None:
    used = request.signature_hash_algorithm
    if used is not None and used.name in _WEAK_HASHES:
        raise RefusedError(f"the request is signed with {used.name}, which is too weak: use SHA-256")


def _check_extensions(request: x509.CertificateSigningRequest) -> None:
    own = f":{_common_name(request)}"
    for extension in request.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise RefusedError("the request asks for the certificate of an authority, which is never given")
        if not isinstance(value, x509.SubjectAlternativeName):
            raise RefusedError(f"the request asks for the extension {extension.oid.dotted_string}: leave it out")
        for name in value:
            is_own = isinstance(name, x509.UniformResourceIdentifier | x509.DNSName) and f":{name.value}".endswith(own)
            if not is_own:
                raise RefusedError(f"the request asks for another name beside its own: {str(name.value)[:80]!r}")


def _common_name(request: x509.CertificateSigningRequest) -> str:
    attributes = list(request.subject)
    if len(attributes) != 1 or attributes[0].oid != NameOID.COMMON_NAME:
        raise RefusedError("the request's subject is not one common name alone (CN=device id)")
    name = attributes[0].value
    if not isinstance(name, str):
        raise RefusedError("the request's common name is not text")
    return name
