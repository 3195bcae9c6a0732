"""How a device comes by its certificate, and by the next one before the first ends."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from edge_agent.wire.errors import ConfigurationError
from edgejoule.pki import certificates, client, names
from edgejoule.pki.client import Pair, parse_server
from edgejoule.pki.device_files import CERTIFICATE, KEY, DeviceFiles
from edgejoule.pki.errors import RefusedError
from edgejoule.pki.names import SERVICES, Identity
from edgejoule.pki.token import parse_token

Trial = Callable[[Path, Path, Path], str]
"""Given key, certificate and authority, tells in one line why they do not work, "" if they do."""


class Held(NamedTuple):
    """Who holds a certificate, and until when. ``renewed``: whether it came just now."""

    name: str
    not_after: dt.datetime
    due_at: dt.datetime
    renewed: bool


def enrol(directory: Path, server_url: str, token_text: str) -> Held:
    """Make a key in ``directory``, and have it signed. Safe to repeat with the same token.

    Raises ConfigurationError, RefusedError and UnreachableError.
    """
    token, server = parse_token(token_text), parse_server(server_url)
    files = DeviceFiles(directory)
    identity = identity_of(token.name)
    authority_pem = client.fetch_authority(server, token.fingerprint)
    with files.alone():
        files.check_authority(certificates.read_certificate(authority_pem, str(server)))  # before the token is spent
        try:
            issued = client.enrol(server, authority_pem, token, files.request(identity))
        except RefusedError:
            files.drop_pending()  # the next token gets a new key, in case it was this one that was refused
            raise
        files.adopt(issued.certificate, authority_pem)
        files.remember_server(server_url)
    return _held(files.certificate(), renewed=True)


def identity_of(name: str) -> Identity:
    """Return whose name this is. Raises RefusedError."""
    return names.client(name, is_service=name in SERVICES)


class Renewal:
    """One try to renew the certificate in ``directory``. ``server_url``: "" for the one it was enrolled at."""

    def __init__(self, directory: Path, server_url: str = "") -> None:
        """Read what is in use. Raises ConfigurationError."""
        self._files = DeviceFiles(directory)
        self._present = self._files.certificate()
        self._url = server_url or self._files.server()

    def is_due(self, now: dt.datetime) -> bool:
        """Tell whether a third of the life or less is left."""
        return certificates.due_at(self._present) <= now

    def present(self) -> Held:
        """Return what is in use."""
        return _held(self._present, renewed=False)

    def run(self, trial: Trial | None = None) -> Held:
        """Get a certificate for a new key, try it, and use it. What is in use stays until then.

        ``trial``: beside the enrolment server, what else it has to work with. Raises ConfigurationError, RefusedError
        and UnreachableError.
        """
        if not self._url:
            raise ConfigurationError(
                f"{self._files.directory}: signed by hand, so no server is known: name it with --server, or sign again"
                " (edgejoule pki enrol --csr-only)"
            )
        with self._files.alone():
            self._renew(trial)
        return _held(self._files.certificate(), renewed=True)

    def _renew(self, trial: Trial | None) -> None:
        server, pem = parse_server(self._url), certificates.to_pem(self._files.authority())
        name = certificates.common_name(self._present)
        if self._files.held() is None:
            present = Pair(self._files.directory / CERTIFICATE, self._files.directory / KEY)
            issued = client.renew(server, pem, present, self._files.request(identity_of(name)))
            self._files.hold(issued.certificate, pem)
        held = self._files.held()
        assert held is not None
        key, certificate, authority = held
        try:
            known_as = client.ask_name(server, pem, Pair(certificate, key))
        except RefusedError:
            self._files.drop_pending()
            raise
        fault = "" if known_as == name else f"the server knows it as {known_as!r}"
        fault = fault or (trial(key, certificate, authority) if trial else "")
        if fault:
            raise RefusedError(
                f"the new certificate of {name!r} does not work ({fault}); the old one stays in use until "
                f"{self._present.not_valid_after_utc:%Y-%m-%d}"
            )
        self._files.use_held()

    def take_back(self) -> bool:
        """Use the old pair again; tell whether there was one. The new one is kept: the next run goes on with it."""
        return self._files.back()

    def go_on(self) -> None:
        """Use the new pair after all."""
        self._files.use_held()


def _held(certificate: x509.Certificate, *, renewed: bool) -> Held:
    end, due = certificate.not_valid_after_utc, certificates.due_at(certificate)
    return Held(certificates.common_name(certificate), end, due, renewed)
