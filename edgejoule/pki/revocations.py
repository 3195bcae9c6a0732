"""The broker's copy of the list of revoked certificates, brought up to date from the enrolment server."""

from pathlib import Path

from cryptography import x509

from edge_agent.wire.text_file import read_text
from edgejoule.pki import certificates, client
from edgejoule.pki.errors import RefusedError
from edgejoule.pki.files import PUBLIC, write_whole


def update_list(server_url: str, authority: Path, out: Path) -> bool:
    """Fetch the list and write it if it is newer; tell whether it was.

    Raises ConfigurationError, UnreachableError, and RefusedError for a list that the authority did not sign.
    """
    pem = read_text(authority)
    issuer = certificates.read_certificate(pem, str(authority))
    fetched = client.fetch_list(client.parse_server(server_url), pem)
    fresh = certificates.read_list(fetched, server_url)
    if not fresh.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]  # ours are of P-256
        raise RefusedError(f"{server_url}: the list is not signed by the authority in {authority}")
    if out.exists() and number_of(certificates.read_list(read_text(out), str(out))) >= number_of(fresh):
        return False
    write_whole(out, fetched.encode(), PUBLIC)
    return True


def number_of(listed: x509.CertificateRevocationList) -> int:
    """Return the list's number: a later list has a higher one."""
    return listed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
