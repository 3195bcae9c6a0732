"""Throw-away certificates for TLS on loopback: an authority, and what it signs, as PEM files."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)
LOOPBACK = ("localhost", "127.0.0.1")


class Pair(NamedTuple):
    """A certificate and its private key, by path."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority of a test's own. ``path``: its certificate, which both sides are given to trust."""

    def __init__(self, directory: Path, name: str = "fleet") -> None:
        self._directory = directory
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(f"{name} authority")
        self._serials: dict[str, int] = {}
        certificate = (
            _builder(self._subject, self._subject, self._key, 30)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_ca_usage(), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = directory / f"{name}-ca.crt"
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, common_name: str, *, hosts: Sequence[str] = (), days: int = 30, passphrase: bytes | None = None
    ) -> Pair:
        """Write a new key and a certificate for it, replacing what this name had; ``days`` < 0: expired since then."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name), self._subject, key, days).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        if hosts:
            names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        self._serials[common_name] = certificate.serial_number
        pair = Pair(
            self._directory / f"{self._name}-{common_name}.crt", self._directory / f"{self._name}-{common_name}.key"
        )
        pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
        return pair

    def revoke(self, *common_names: str) -> Path:
        """Write the list of revoked certificates, and return its path."""
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateRevocationListBuilder(self._subject, now - DAY, now + 30 * DAY)
        for common_name in common_names:
            revoked = x509.RevokedCertificateBuilder(self._serials[common_name], now - DAY).build()
            builder = builder.add_revoked_certificate(revoked)
        path = self._directory / f"{self._name}.crl"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    end = now + days * DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - 2 * DAY)
        .not_valid_after(end)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
