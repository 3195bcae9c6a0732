"""A device's side of the enrolment server: trust by the token's fingerprint first, by the authority's name then."""

import http.client
import ssl
import time
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edgejoule.pki import certificates
from edgejoule.pki.errors import RefusedError, UnreachableError
from edgejoule.pki.protocol import (
    AUTHORITY_PATH,
    DEFAULT_PORT,
    ENROL_PATH,
    LIST_PATH,
    MAX_ANSWER_BYTES,
    RENEW_PATH,
    WHOAMI_PATH,
    AuthorityBody,
    EnrolBody,
    ErrorBody,
    IssuedBody,
    ListBody,
    RenewBody,
    WhoamiBody,
)
from edgejoule.pki.token import Token

TIMEOUT_S: Final = 20.0
_Answer = TypeVar("_Answer")

_NO_ANSWER: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ssl.SSLError, "{server} does not speak TLS, or not as we do ({error}): is it the right port?"),
    (
        ConnectionResetError,  # also http.client's RemoteDisconnected
        "{server} ended the connection: try again; if it goes on, does the certificate shown still hold?",
    ),
    (BrokenPipeError, "{server} ended the connection: try again"),
    (ConnectionRefusedError, "nothing listens at {server}: start it, edgejoule pki serve, or correct the url"),
    (TimeoutError, "{server} does not answer: check the network and the firewall"),
)


class Address(NamedTuple):
    """Where an enrolment server is."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"https://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class Pair(NamedTuple):
    """A certificate to show, and its key."""

    certificate: Path
    key: Path


def parse_server(url: str) -> Address:
    """Return the address in ``https://host[:port]``. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"enrolment server {url!r}: {error}; write https://host:port") from error
    if parts.scheme != "https" or not host or parts.path not in ("", "/") or parts.query or parts.username:
        raise ConfigurationError(f"enrolment server {url!r} is no https://host:port, as `edgejoule pki serve` says it")
    return Address(host, DEFAULT_PORT if port is None else port)


def fetch_authority(server: Address, fingerprint: str) -> str:
    """Return the authority's certificate, if it is the one of this fingerprint.

    Nothing is believed of the connection itself. Raises UnreachableError, and RefusedError for another certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    pem = _ask(server, context, "GET", AUTHORITY_PATH, None, AuthorityBody).authority
    try:
        found = certificates.fingerprint(certificates.read_certificate(pem, str(server)))
    except ConfigurationError as error:
        raise RefusedError(str(error)) from error
    if found != fingerprint:
        raise RefusedError(
            f"{server} is another authority than the token is of (fingerprint {found[:16]}..., the token says "
            f"{fingerprint[:16]}...): is it the right server, and the right token? Nothing was sent to it"
        )
    return pem


def enrol(server: Address, authority_pem: str, token: Token, request_pem: str) -> IssuedBody:
    """Show a token, and return the certificate. Raises UnreachableError and RefusedError."""
    body = EnrolBody(str(token), request_pem)
    return _ask(server, _trusting(authority_pem), "POST", ENROL_PATH, body, IssuedBody)


def renew(server: Address, authority_pem: str, present: Pair, request_pem: str) -> IssuedBody:
    """Show the present certificate, and return the next one. Raises UnreachableError and RefusedError."""
    context = _trusting(authority_pem, present)
    return _ask(server, context, "POST", RENEW_PATH, RenewBody(request_pem), IssuedBody)


def ask_name(server: Address, authority_pem: str, pair: Pair) -> str:
    """Return as whom the server knows a certificate. Raises UnreachableError and RefusedError."""
    return _ask(server, _trusting(authority_pem, pair), "GET", WHOAMI_PATH, None, WhoamiBody).name


def fetch_list(server: Address, authority_pem: str) -> str:
    """Return the list of revoked certificates. Raises UnreachableError and RefusedError."""
    return _ask(server, _trusting(authority_pem), "GET", LIST_PATH, None, ListBody).list


def _trusting(authority_pem: str, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=authority_pem)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(f"{pair or 'the authority'}: cannot be used ({error}); enrol again") from error
    return context


def _ask(
    server: Address,
    context: ssl.SSLContext,
    method: str,
    path: str,
    body: msgspec.Struct | None,
    kind: type[_Answer],
) -> _Answer:
    connection = http.client.HTTPSConnection(server.host, server.port, timeout=TIMEOUT_S, context=context)
    payload = None if body is None else msgspec.json.encode(body)
    try:
        connection.request(method, path, payload)
        answer = connection.getresponse()
        text = answer.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _explain(server, error) from error
    finally:
        connection.close()
    try:
        if answer.status == http.HTTPStatus.OK:
            return msgspec.json.decode(text, type=kind)
        line = msgspec.json.decode(text, type=ErrorBody).error
    except msgspec.MsgspecError as error:
        raise UnreachableError(f"{server} answers, but not as an enrolment server: is it the right port?") from error
    if answer.status in (http.HTTPStatus.SERVICE_UNAVAILABLE, http.HTTPStatus.TOO_MANY_REQUESTS):
        raise UnreachableError(f"{server} says: {line}")
    raise RefusedError(f"{server} refuses: {line}")


def _explain(server: Address, error: Exception) -> UnreachableError | RefusedError:
    """Return one line for a question that got no answer."""
    words = str(error).lower().replace("_", " ")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_their_certificate(server, error.verify_message)
    if "revoked" in words or "certificate expired" in words or "alert" in words:
        return RefusedError(
            f"{server} does not accept the certificate shown ({error}): if it has expired or is revoked, only a token "
            "helps: edgejoule pki token"
        )
    for kind, text in _NO_ANSWER:
        if isinstance(error, kind):
            return UnreachableError(text.format(server=server, error=error))
    return UnreachableError(f"cannot ask {server} ({error or type(error).__name__}): check the url and the network")


def _explain_their_certificate(server: Address, message: str) -> RefusedError:
    lowered = message.lower()
    if "mismatch" in lowered or "not valid for" in lowered:
        remedy = "start it with --name or --ip as in the url: its certificate is not for this name"
    elif "expired" in lowered or "not yet valid" in lowered:
        remedy = f"this machine's clock says {time.strftime('%Y-%m-%d')}: set it, or renew the server's certificate"
    else:
        remedy = "it is not of this device's authority: is it the right server?"
    return RefusedError(f"{server} is not trusted ({message}): {remedy}")
