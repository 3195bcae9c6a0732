"""The enrolment server: a token, or the present certificate, and a request come in; a certificate goes out."""

import datetime as dt
import hashlib
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edgejoule.pki import certificates, keys
from edgejoule.pki.authority import CLIENT_DAYS, LIST_NAME, Authority
from edgejoule.pki.connections import TlsServer
from edgejoule.pki.errors import PkiError
from edgejoule.pki.files import PUBLIC, SECRET, locked, make_folder, write_whole
from edgejoule.pki.handler import Handler
from edgejoule.pki.rate_limit import RefusalLimit

UPKEEP_S: Final = 3600.0
POLL_S: Final = 0.1
_LOG = structlog.get_logger()


class Place(NamedTuple):
    """Where the server listens, and under which names and addresses devices reach it."""

    host: str
    port: int
    hosts: Sequence[str]
    addresses: Sequence[str]


class EnrolmentServer(TlsServer):
    """Answers devices until it is told to stop. ``days``: how long the certificates that it gives are valid."""

    def __init__(self, authority: Authority, place: Place, days: int = CLIENT_DAYS) -> None:
        """Bind, with a certificate of our own authority. Raises ConfigurationError."""
        self.authority = authority
        self.days = days
        self.limit = RefusalLimit()
        self.limit_lock = threading.Lock()
        self._place = place
        self._t_upkeep_s = time.monotonic() + UPKEEP_S
        refresh_list(authority)
        context = self._new_context()
        try:
            super().__init__((place.host, place.port), Handler, context)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen at {place.host}:{place.port}: {error.strerror or error}; choose another with --listen"
            ) from error

    @property
    def url(self) -> str:
        """Return what devices are told."""
        name = next(iter([*self._place.hosts, *self._place.addresses]))
        return f"https://{f'[{name}]' if ':' in name else name}:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong with one connection and serve the others."""
        _LOG.exception("enrolment_connection_failed", client=str(client_address), request=type(request).__name__)

    def service_actions(self) -> None:
        """End late connections; once an hour look after what ends by itself."""
        super().service_actions()
        if time.monotonic() >= self._t_upkeep_s:
            self._t_upkeep_s = time.monotonic() + UPKEEP_S
            try:
                self.context = self._new_context()
                refresh_list(self.authority)
            except (ConfigurationError, PkiError, OSError) as error:
                _LOG.error("enrolment_upkeep_failed", reason=str(error))

    def _new_context(self) -> ssl.SSLContext:
        certificate, key = own_certificate(self.authority, self._place)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(f"{key}: cannot be used ({error}); remove it, a new one is made") from error
        context.load_verify_locations(cadata=self.authority.pem)
        context.verify_mode = ssl.CERT_OPTIONAL  # a device that enrols has none yet
        return context


@contextmanager
def serving(authority: Authority, place: Place, days: int = CLIENT_DAYS) -> Iterator[EnrolmentServer]:
    """Serve in a thread until the block ends. Raises ConfigurationError."""
    server = EnrolmentServer(authority, place, days)
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), name="enrolment server")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def own_certificate(authority: Authority, place: Place) -> tuple[Path, Path]:
    """Return the server's certificate and key, which are made anew when they are due or for other names.

    Raises ConfigurationError and RefusedError.
    """
    folder = authority.directory / "server"
    make_folder(folder, 0o700)
    with locked(folder):
        return _own_certificate(authority, place, folder)


def _own_certificate(authority: Authority, place: Place, folder: Path) -> tuple[Path, Path]:
    name = hashlib.sha256(" ".join([*place.hosts, *place.addresses]).encode()).hexdigest()[:16]
    certificate_path, key_path = folder / f"{name}.crt", folder / f"{name}.key"
    if key_path.exists() and certificate_path.exists():
        present = certificates.read_certificate(read_text(certificate_path), str(certificate_path))
        fresh = certificates.due_at(present) > dt.datetime.now(dt.UTC)
        if fresh and certificates.is_signed_by(present, authority.certificate):
            return certificate_path, key_path
    key = keys.new_key()
    issued = authority.sign_server(key.public_key(), place.hosts, place.addresses, purpose="enrolment at ")
    write_whole(key_path, keys.key_pem(key), SECRET)
    write_whole(certificate_path, issued.certificate.encode(), PUBLIC)
    return certificate_path, key_path


def refresh_list(authority: Authority) -> None:
    """Write the list of revoked certificates anew when half of its life is over. Raises ConfigurationError."""
    path = authority.directory / LIST_NAME
    if not path.exists():
        authority.write_list()
        return
    made = certificates.read_list(read_text(path), LIST_NAME)
    end = made.next_update_utc
    if end is None or (end - dt.datetime.now(dt.UTC)) * 2 < end - made.last_update_utc:
        authority.write_list()
