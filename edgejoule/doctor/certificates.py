"""Certificates and keys that a configuration names: whose they are, when they end, who can read them."""

import datetime as dt
import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings, parse_broker_url, tls_context
from edgejoule.doctor.finding import Finding, failure, ok, warning

TOPIC: Final = "certificates"
CONNECT_TIMEOUT_S: Final = 5.0
SOON: Final = dt.timedelta(days=30)
"""A certificate of a year is renewed when four months are left: with one month left, renewal does not work."""


class CertificateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate, or one list of revoked ones. ``fault``: why it could not be read; ``name``: the common name."""

    setting: str
    path: str
    fault: str = ""
    name: str = ""
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None


class KeyFacts(msgspec.Struct, frozen=True):
    """One key's file. ``mode``: its permissions, None when there is no such file."""

    path: str
    mode: int | None


def examine_client(settings: BrokerSettings, expected_name: str, now: dt.datetime) -> Iterator[Finding]:
    """Look at the certificates of one end; ``expected_name``: what the broker has to take it for, "" for any."""
    remedy = "edgejoule pki renew, or a new token if it has ended: docs/enrolment.md"
    if settings.cert_file:
        own = gather_certificate("cert_file", settings.cert_file)
        yield from check_certificate(own, now, remedy)
        if expected_name and not own.fault and own.name != expected_name:
            text = f"cert_file {own.path} names {own.name!r}, but [device] id is {expected_name!r}"
            yield failure(TOPIC, f"{text}: the broker refuses every message", "enrol under this id, or correct the id")
    if settings.key_file:
        yield from check_key(gather_key(settings.key_file))
    if settings.ca_file:
        yield from check_certificate(gather_certificate("ca_file", settings.ca_file), now, "a new authority's ca.crt")


def examine_server(settings: BrokerSettings, now: dt.datetime) -> list[Finding]:
    """Look at the certificate that the broker shows; the check of the broker itself says why there is none."""
    address = parse_broker_url(settings.url)
    not_after = shown_until(settings) if address.tls else None
    if not_after is None:
        return []
    facts = CertificateFacts(setting="the broker's certificate,", path=str(address), not_after=not_after)
    return check_certificate(facts, now, "at the authority: edgejoule pki server-cert; then reload the broker")


def shown_until(settings: BrokerSettings) -> dt.datetime | None:
    """Return when the certificate ends that the broker shows, None where it shows none that is trusted."""
    address = parse_broker_url(settings.url)
    try:
        with (
            socket.create_connection((address.host, address.port), timeout=CONNECT_TIMEOUT_S) as plain,
            tls_context(settings).wrap_socket(plain, server_hostname=address.host) as secure,
        ):
            shown = secure.getpeercert()
    except (OSError, ConfigurationError):  # ssl.SSLError is an OSError
        return None
    end = shown.get("notAfter") if shown else None
    return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(end), dt.UTC) if isinstance(end, str) else None


def examine_broker_files(listener: dict[str, str], now: dt.datetime) -> Iterator[Finding]:
    """Look at the files that mosquitto's configuration names; whoever may not read them is told so."""
    remedies = {
        "certfile": "edgejoule pki server-cert, then systemctl reload mosquitto",
        "cafile": "a new authority",
        "crlfile": "edgejoule pki crl DIR --out FILE, then systemctl reload mosquitto",
    }
    for setting, remedy in remedies.items():
        if setting in listener:
            yield from check_certificate(gather_certificate(setting, listener[setting]), now, remedy)
    if "keyfile" in listener:
        yield from check_key(gather_key(listener["keyfile"]))


def gather_certificate(setting: str, path: str) -> CertificateFacts:
    """Read one PEM file: a certificate, or a list of revoked ones."""
    try:
        from cryptography import x509  # noqa: PLC0415  not in every extra
    except ModuleNotFoundError:
        return CertificateFacts(setting=setting, path=path, fault="the package cryptography is not installed")
    try:
        data = Path(path).read_bytes()
        if setting == "crlfile":
            listed = x509.load_pem_x509_crl(data)
            return CertificateFacts(
                setting=setting, path=path, not_before=listed.last_update_utc, not_after=listed.next_update_utc
            )
        certificate = x509.load_pem_x509_certificate(data)
    except OSError as error:
        return CertificateFacts(setting=setting, path=path, fault=error.strerror or str(error))
    except ValueError:
        return CertificateFacts(setting=setting, path=path, fault="it is no PEM file of this kind")
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return CertificateFacts(
        setting=setting,
        path=path,
        name=str(names[0].value) if names else "",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def check_certificate(facts: CertificateFacts, now: dt.datetime, remedy: str) -> list[Finding]:
    """Judge its dates."""
    place = f"{facts.setting} {facts.path}"
    if facts.fault:
        return [warning(TOPIC, f"{place} was not looked at: {facts.fault}", "run the doctor as who may read it")]
    if facts.not_before is not None and now < facts.not_before:
        text = f"{place} is valid from {facts.not_before:%Y-%m-%d %H:%M} on, and this clock says {now:%Y-%m-%d %H:%M}"
        return [failure(TOPIC, text, "set the clock: sudo timedatectl set-ntp true")]
    if facts.not_after is None:
        return [ok(TOPIC, f"{place} has no end")]
    if facts.not_after <= now:
        return [failure(TOPIC, f"{place} ended on {facts.not_after:%Y-%m-%d}", remedy)]
    left_days = (facts.not_after - now).days
    text = f"{place} is valid until {facts.not_after:%Y-%m-%d}, {left_days} days"
    if facts.not_after - now < SOON:
        return [warning(TOPIC, text, remedy)]
    return [ok(TOPIC, text)]


def gather_key(path: str) -> KeyFacts:
    """Look at a key's permissions, not at the key."""
    try:
        return KeyFacts(path, stat.S_IMODE(Path(path).stat().st_mode))
    except OSError:
        return KeyFacts(path, None)


def check_key(facts: KeyFacts) -> list[Finding]:
    """Judge who can read a key; a file that is missing is somebody else's finding."""
    if facts.mode is None or facts.mode & 0o077 == 0:
        return []
    others = "everybody" if facts.mode & 0o007 else "its group"
    text = f"{facts.path} is open to {others} (mode {facts.mode:04o}): whoever reads it can be this device"
    return [warning(TOPIC, text, f"chmod 600 {facts.path}; if somebody else had access: revoke it and enrol anew")]
