"""One connection of the enrolment server: one question, one answer."""

import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from ssl import SSLSocket
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec
import structlog
from cryptography import x509

from edge_agent.wire.errors import ConfigurationError
from edgejoule.pki.authority import LIST_NAME, Issued
from edgejoule.pki.certificates import common_name, serial_text
from edgejoule.pki.errors import RefusedError
from edgejoule.pki.protocol import (
    AUTHORITY_PATH,
    ENROL_PATH,
    LIST_PATH,
    MAX_BODY_BYTES,
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
from edgejoule.pki.token import parse_token

if TYPE_CHECKING:
    from edgejoule.pki.server import EnrolmentServer

_LOG = structlog.get_logger()
_Body = TypeVar("_Body")
MOST_DISCARDED_BYTES: Final = 256 * 1024
_BUSY: Final = ConfigurationError("the authority cannot answer now; its log says why")


class _BadQuestionError(Exception):
    """Not worth an answer but its status."""

    def __init__(self, status: HTTPStatus, line: str) -> None:
        super().__init__(line)
        self.status = status


def _too_long() -> msgspec.Struct:
    line = f"the length of the body is not said, or above {MAX_BODY_BYTES} bytes"
    raise _BadQuestionError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, line)


def _nothing_here() -> msgspec.Struct:
    raise _BadQuestionError(HTTPStatus.NOT_FOUND, "there is nothing here")


class Handler(BaseHTTPRequestHandler):
    """``do_GET`` and ``do_POST`` are the names that the standard library calls."""

    server_version = "edgejoule-pki"
    sys_version = ""
    _kept = b""

    def do_GET(self) -> None:
        """Answer what anybody may know."""
        answers: dict[str, Callable[[], msgspec.Struct]] = {
            AUTHORITY_PATH: lambda: AuthorityBody(self._own.authority.pem),
            LIST_PATH: lambda: ListBody((self._own.authority.directory / LIST_NAME).read_text(encoding="ascii")),
            WHOAMI_PATH: self._whoami,
        }
        self._answer(answers.get(self.path, _nothing_here))

    def do_POST(self) -> None:
        """Sign, or say why not."""
        answers: dict[str, Callable[[], msgspec.Struct]] = {ENROL_PATH: self._enrol, RENEW_PATH: self._renew}
        answer = answers.get(self.path, _nothing_here)
        body = self._read()  # also for a refusal: a connection that is closed with bytes unread loses our answer
        self._answer(answer if body is not None else _too_long)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that the standard library gives it
        """Leave the log to what is worth a line: see ``_answer``."""

    @property
    def _own(self) -> "EnrolmentServer":
        return cast("EnrolmentServer", self.server)

    def _answer(self, answer: Callable[[], msgspec.Struct]) -> None:
        address, now_s = str(self.client_address[0]), time.monotonic()
        with self._own.limit_lock:
            wait_s = self._own.limit.wait_s(address, now_s)
        if wait_s > 0.0:
            self._send(HTTPStatus.TOO_MANY_REQUESTS, ErrorBody(f"too many refusals: wait {wait_s:.0f} s"), wait_s)
            return
        try:
            body = answer()
        except (RefusedError, _BadQuestionError) as error:
            with self._own.limit_lock:
                self._own.limit.note_refusal(address, now_s)
            status = error.status if isinstance(error, _BadQuestionError) else HTTPStatus.FORBIDDEN
            _LOG.warning("enrolment_refused", client=address, path=ascii(self.path[:80]), reason=str(error))
            self._send(status, ErrorBody(str(error)))
        except (ConfigurationError, OSError) as error:
            _LOG.error("enrolment_failed", client=address, reason=str(error))
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, ErrorBody(str(_BUSY)))
        else:
            self._send(HTTPStatus.OK, body)

    def _enrol(self) -> msgspec.Struct:
        body = self._body(EnrolBody)
        issued = self._own.authority.redeem(parse_token(body.token), body.request, self._own.days)
        return self._issued("enrolled", issued)

    def _renew(self) -> msgspec.Struct:
        present = self._peer()
        if present is None:
            raise RefusedError("a renewal is asked for with the present certificate: none was shown")
        body = self._body(RenewBody)
        return self._issued("renewed", self._own.authority.renew(present, body.request, self._own.days))

    def _whoami(self) -> msgspec.Struct:
        present = self._peer()
        return WhoamiBody("" if present is None else self._own.authority.name_of(present))

    def _issued(self, event: str, issued: Issued) -> msgspec.Struct:
        made = x509.load_pem_x509_certificate(issued.certificate.encode())
        _LOG.info(
            event,
            name=common_name(made),
            serial=serial_text(made.serial_number),
            until=f"{made.not_valid_after_utc:%Y-%m-%d}",
            client=str(self.client_address[0]),
        )
        return IssuedBody(issued.certificate, issued.authority)

    def _peer(self) -> x509.Certificate | None:
        """Return the certificate that the client showed and TLS has checked against our authority."""
        shown = cast("SSLSocket", self.connection).getpeercert(binary_form=True)
        return None if shown is None else x509.load_der_x509_certificate(shown)

    def _read(self) -> bytes | None:
        """Read the body and keep it; None for one that is too long, of which the beginning is thrown away."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 10):
            return None
        if int(length) > MAX_BODY_BYTES:
            self.rfile.read(min(int(length), MOST_DISCARDED_BYTES))
            return None
        self._kept = self.rfile.read(int(length))
        return self._kept

    def _body(self, kind: type[_Body]) -> _Body:
        try:
            return msgspec.json.decode(self._kept, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _BadQuestionError(HTTPStatus.BAD_REQUEST, f"the body is not what is expected: {error}") from error

    def _send(self, status: HTTPStatus, body: msgspec.Struct, retry_after_s: float = 0.0) -> None:
        payload = msgspec.json.encode(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if retry_after_s > 0.0:
            self.send_header("Retry-After", str(int(retry_after_s) + 1))
        self.end_headers()
        self.wfile.write(payload)
