"""What the authority signs: its own certificate, those of clients and servers, and the list of revoked ones.

Pure: time is an argument. A certificate of the authority or of a server is valid from 1970 on. Who checks it may be a
board without a battery-backed clock, which wakes up in the past and could not connect to what would set its clock;
what an early date would protect from, the other end of the validity does not. Clients' certificates are checked by
servers, which have a clock, and begin a day before they are made.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_agent.wire.errors import ConfigurationError
from edgejoule.pki.keys import PrivateKey, PublicKey
from edgejoule.pki.names import Identity, check_address

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BACKDATED: Final = dt.timedelta(days=1)
DUE_SHARE: Final = 3
"""A certificate is due when one third of its life is left."""


class Issuer(NamedTuple):
    """The authority's certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey


class Revoked(NamedTuple):
    """One line of the list of revoked certificates."""

    serial: int
    when: dt.datetime


def authority_certificate(name: str, key: PrivateKey, now: dt.datetime, days: int) -> x509.Certificate:
    """Return a self-signed certificate that may sign others, but no further authority."""
    subject = _name(name)
    return (
        _builder(subject, subject, key.public_key(), EPOCH, now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def client_certificate(
    issuer: Issuer, identity: Identity, key: PublicKey, now: dt.datetime, days: int
) -> x509.Certificate:
    """Return a certificate to log in with, and nothing else: no server will be believed that shows it."""
    end = min(now + dt.timedelta(days=days), issuer.certificate.not_valid_after_utc)
    alternative = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)])
    builder = _builder(_name(identity.name), issuer.certificate.subject, key, now - BACKDATED, end)
    return _signed_leaf(builder, issuer, key, alternative, ExtendedKeyUsageOID.CLIENT_AUTH)


def server_certificate(
    issuer: Issuer, hosts: Sequence[str], addresses: Sequence[str], key: PublicKey, now: dt.datetime, days: int
) -> x509.Certificate:
    """Return a certificate for a server that is reached under these names and addresses, at least one."""
    end = min(now + dt.timedelta(days=days), issuer.certificate.not_valid_after_utc)
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
    names += [x509.IPAddress(check_address(address)) for address in addresses]
    builder = _builder(_name([*hosts, *addresses][0][:64]), issuer.certificate.subject, key, EPOCH, end)
    return _signed_leaf(builder, issuer, key, x509.SubjectAlternativeName(names), ExtendedKeyUsageOID.SERVER_AUTH)


def revocation_list(
    issuer: Issuer, revoked: Iterable[Revoked], number: int, now: dt.datetime, days: int
) -> x509.CertificateRevocationList:
    """Return the list that a broker reads. Beyond ``days`` it is out of date, and mosquitto refuses everybody."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - BACKDATED)
        .next_update(now + dt.timedelta(days=days))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_key_of(issuer), critical=False)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.when)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256())


def due_at(certificate: x509.Certificate) -> dt.datetime:
    """Return when a third of its life is left. A life that began in 1970 is taken to be of two years at most."""
    start = max(certificate.not_valid_before_utc, certificate.not_valid_after_utc - dt.timedelta(days=730))
    return certificate.not_valid_after_utc - (certificate.not_valid_after_utc - start) / DUE_SHARE


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Tell whether ``authority`` signed it; dates are not looked at."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def common_name(certificate: x509.Certificate) -> str:
    """Return the name that a broker takes for the user's, "" if there is none."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate in hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def serial_text(serial: int) -> str:
    """Return a serial number as OpenSSL shows it: hexadecimal capitals."""
    return f"{serial:X}"


def to_pem(thing: x509.Certificate | x509.CertificateRevocationList) -> str:
    """Return PEM text."""
    return thing.public_bytes(serialization.Encoding.PEM).decode()


def read_certificate(pem: str, name: str) -> x509.Certificate:
    """Return the first certificate of a PEM text. Raises ConfigurationError, whose line begins with ``name``."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        words = str(error).splitlines()[0][:120]
        raise ConfigurationError(f"{name}: holds no certificate in PEM form ({words})") from error


def read_list(pem: str, name: str) -> x509.CertificateRevocationList:
    """Return a list of revoked certificates. Raises ConfigurationError, whose line begins with ``name``."""
    try:
        return x509.load_pem_x509_crl(pem.encode())
    except ValueError as error:
        words = str(error).splitlines()[0][:120]
        raise ConfigurationError(f"{name}: holds no list of revoked certificates in PEM form ({words})") from error


def _signed_leaf(
    builder: x509.CertificateBuilder,
    issuer: Issuer,
    key: PublicKey,
    alternative: x509.SubjectAlternativeName,
    purpose: x509.ObjectIdentifier,
) -> x509.Certificate:
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
        .add_extension(alternative, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(_key_of(issuer), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, start: dt.datetime, end: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _key_of(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
