"""GET of JSON from a public server: patient, bounded and polite, with errors of one line that never show a key."""

import contextlib
import http.client
import random
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from collector.intensity.errors import SourceError
from collector.intensity.http_answers import error_of, max_age_s
from collector.intensity.http_cache import AnswerCache, CachedAnswer
from edge_agent.wire.errors import ConfigurationError

T = TypeVar("T")
Params = Mapping[str, str | int | float]

MAX_ANSWER_BYTES: Final = 64 * 2**20
MAX_FRESH_S: Final = 3_600.0
"""However long a server calls an answer fresh, it is asked for again after an hour: intensities are revised."""

USER_AGENT: Final = "edgejoule (energy and carbon of edge devices)"
_CHUNK_BYTES: Final = 64 * 1024
_PATH_SIGNS: Final = "/:,;=@%"
_PLAIN_HEADERS: Final = frozenset({"accept", "user-agent"})


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait between tries, and by which clocks.

    ``first_s`` doubles up to ``longest_s``, times a random 0.5 to 1 so that many clients do not come back together.
    ``patience_s``: a server that asks for more than this is not waited for; the error says how long it asked for.
    ``too_many_s``: what a 429 asks for that names no time, for servers that then shut a client out.
    """

    first_s: float = 1.0
    longest_s: float = 30.0
    patience_s: float = 60.0
    too_many_s: float | None = None
    sleep: Callable[[float], None] = time.sleep
    unix_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random

    def before_try(self, number: int, asked_s: float | None) -> float:
        """Return the wait before try ``number`` (1: the first one that repeats), at least what the server asked."""
        backoff_s = min(self.longest_s, self.first_s * 2.0 ** (number - 1)) * (0.5 + 0.5 * self.random())
        return backoff_s if asked_s is None else max(backoff_s, asked_s)


class JsonClient:
    """Asks one server. Opens a connection for each question, so there is nothing to close. Not for several threads.

    ``url``: http(s)://host[:port][/path]. ``timeout_s``: for one try as a whole, its answer included. ``retries``:
    tries after the first, on lost connections and on 408, 425, 429 and 5xx. ``headers``: sent each time; their values
    count as secret. ``secret_params``: added to each query, never shown and never part of a cache's key.
    ``cache_dir``: where answers outlive the process; None: memory. Proxies are taken from the environment
    (``https_proxy``, ``no_proxy``), but not for this machine itself. Redirects are refused: a key stays where it
    was meant to go. Raises ConfigurationError for what is no server's address.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        retries: int = 3,
        headers: Mapping[str, str] | None = None,
        secret_params: Mapping[str, str] | None = None,
        cache_dir: Path | None = None,
        waits: Waits | None = None,
    ) -> None:
        self.url = checked_url(url)
        self.max_answer_bytes = MAX_ANSWER_BYTES
        self._timeout_s = timeout_s
        self._retries = retries
        self._headers = {"Accept": "application/json", "User-Agent": USER_AGENT} | dict(headers or {})
        self._secret_params = dict(secret_params or {})
        self._cache = AnswerCache(cache_dir)
        self._waits = waits or Waits()
        self._opener = _opener(self.url)

    def get_json(self, path: str, params: Params, type: type[T], *, headers: Mapping[str, str] | None = None) -> T:  # noqa: A002  as msgspec calls it
        """Return the answer, decoded and validated. ``headers``: for this question alone. Raises SourceError."""
        where = self._where(path, params)
        return self._get(path, params, headers, lambda body: decoded(body, type, where))

    def get_bytes(self, path: str, params: Params, *, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the answer as it came. Raises SourceError."""
        return self._get(path, params, headers, lambda body: body)

    def post_json(self, path: str, params: Params, body: object, type: type[T]) -> T:  # noqa: A002  as msgspec calls it
        """Send ``body`` as JSON, for a question that changes nothing, and return the answer. Raises SourceError."""
        where = self._where(path, params)
        request = self._request(path, params, {"Content-Type": "application/json"}, msgspec.json.encode(body))
        return self._patiently(lambda: decoded(self._once(request, where)[0], type, where))

    def _get(self, path: str, params: Params, headers: Mapping[str, str] | None, decode: Callable[[bytes], T]) -> T:
        where = self._where(path, params)
        kept = None if headers else self._cache.get(where)
        now_unix_s = self._waits.unix_s()
        if kept is not None and 0.0 <= now_unix_s - kept.asked_unix_s < kept.max_age_s:
            return decode(kept.body)
        asking = dict(headers or {}) | ({"If-None-Match": kept.etag} if kept is not None and kept.etag else {})
        request = self._request(path, params, asking, None)

        def ask() -> T:
            body, said = self._once(request, where, kept)
            value = decode(body)
            if not headers:
                self._keep(where, said, body, "" if kept is None or body is not kept.body else kept.etag)
            return value

        return self._patiently(ask)

    def _keep(self, where: str, said: Mapping[str, str], body: bytes, etag: str) -> None:
        etag, fresh_s = said.get("etag", etag), max_age_s(said.get("cache-control", ""), MAX_FRESH_S)
        if (etag or fresh_s) and "no-store" not in said.get("cache-control", "").lower():
            self._cache.put(CachedAnswer(where, etag, self._waits.unix_s(), fresh_s, body))

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask until there is an answer, the error says that another try is useless, or the tries are used up."""
        for number in range(1, self._retries + 1):
            try:
                return ask()
            except SourceError as error:
                wait_s = self._waits.before_try(number, error.retry_after_s)
                if not error.retry or wait_s > self._waits.patience_s:
                    raise
            self._waits.sleep(wait_s)
        try:
            return ask()
        except SourceError as error:
            if not error.retry or not self._retries:
                raise
            text = f"{error}; given up after {self._retries + 1} tries"
            raise SourceError(
                text, retry=True, retry_after_s=error.retry_after_s, status=error.status, said=error.said
            ) from None

    def _once(
        self, request: urllib.request.Request, where: str, kept: CachedAnswer | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of one answer; ``kept`` for one that says that nothing changed."""
        end_s = self._waits.monotonic_s() + self._timeout_s
        try:
            try:
                answer = self._opener.open(request, timeout=self._timeout_s)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 304 and kept is not None:
                        return kept.body, _by_small_name(error.headers)
                    body = self.without_keys(self._words(error, end_s).decode("utf-8", "replace")).encode()
                    headers = _by_small_name(error.headers)
                    if error.code == 429 and self._waits.too_many_s is not None:
                        headers.setdefault("retry-after", f"{self._waits.too_many_s:.0f}")
                    raise error_of(error.code, where, headers, body, self._waits.unix_s()) from None
            with answer:
                return self._read(answer, end_s, where), _by_small_name(answer.headers)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error, where) from None

    def _read(self, answer: http.client.HTTPResponse, end_s: float, where: str) -> bytes:
        body = bytearray()
        while chunk := answer.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > self.max_answer_bytes:
                raise SourceError(f"{where}: the answer is longer than {self.max_answer_bytes} bytes", retry=False)
            if self._waits.monotonic_s() > end_s:
                raise TimeoutError
        if answer.length:
            raise http.client.IncompleteRead(bytes(body), answer.length)
        return bytes(body)

    def _words(self, error: urllib.error.HTTPError, end_s: float) -> bytes:
        """Return the beginning of what a server says beside a refusal, as far as it comes in time."""
        body = bytearray()
        with contextlib.suppress(OSError, http.client.HTTPException):
            while (
                len(body) < _CHUNK_BYTES and self._waits.monotonic_s() < end_s and (chunk := error.read1(_CHUNK_BYTES))
            ):
                body += chunk
        return bytes(body)

    def _lost(self, error: Exception, where: str) -> SourceError:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            return SourceError(f"{where}: no answer within {self._timeout_s:g} s", retry=True)
        if isinstance(reason, ssl.SSLCertVerificationError):
            why = f"its certificate is not accepted: {reason.verify_message}; check the url and this machine's clock"
            return SourceError(f"{where}: {why}", retry=False)
        why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return SourceError(f"{where}: not reachable: {self.without_keys(why)}", retry=True)

    def _request(
        self, path: str, params: Params, headers: Mapping[str, str], body: bytes | None
    ) -> urllib.request.Request:
        query = urllib.parse.urlencode(dict(params) | self._secret_params, quote_via=urllib.parse.quote)
        url = f"{self.url}{urllib.parse.quote(path, safe=_PATH_SIGNS)}" + (f"?{query}" if query else "")
        return urllib.request.Request(url, body, self._headers | dict(headers))  # noqa: S310  the scheme was checked

    def _where(self, path: str, params: Params) -> str:
        """Return the URL as it may be shown, and as the cache's key."""
        query = urllib.parse.urlencode(params, quote_via=urllib.parse.quote, safe=":,/")
        return f"{self.url}{path}" + (f"?{query}" if query else "")

    def without_keys(self, text: str) -> str:
        """Return ``text`` without any key, should the server repeat one."""
        secrets = [v for k, v in self._headers.items() if k.lower() not in _PLAIN_HEADERS]
        secrets += [secret.rpartition(" ")[2] for secret in secrets]
        secrets += self._secret_params.values()
        for secret in filter(None, secrets):
            for form in (secret, urllib.parse.quote(secret), urllib.parse.quote(secret, safe="")):
                text = text.replace(form, "***")
        return text


def decoded(body: bytes, type: type[T], where: str) -> T:  # noqa: A002  as msgspec calls it
    """Return JSON as ``type``. Raises SourceError, with retry for half an answer, without it for another schema."""
    try:
        return msgspec.json.decode(body, type=type)
    except msgspec.ValidationError as error:
        text = f"{where}: the answer is not as its documentation says: {error}; a newer edgejoule may know it"
        raise SourceError(text, retry=False) from None
    except RecursionError:
        raise SourceError(f"{where}: the answer is nested deeper than any documented one", retry=False) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{where}: the answer is no JSON: {error}", retry=True) from None


def checked_url(url: str) -> str:
    """Return a server's address without a slash at its end. Raises ConfigurationError for what is none."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        usable = False
    if not usable or url.split() != [url]:
        shown = "(not shown: it may hold a key)" if set(url) & set("@?#") else repr(url)
        raise ConfigurationError(f"intensity url {shown}: not a server's address; write it as https://host/path")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(
            f"intensity url of {parts.hostname}: holds more than https://host/path; a key belongs into key_file"
        )
    return url.rstrip("/")


def _by_small_name(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object, **_options: object) -> None:
        """Follow nowhere: what comes is an error with the status of the redirect."""


def _opener(url: str) -> urllib.request.OpenerDirector:
    host = urllib.parse.urlsplit(url).hostname or ""
    here = host in {"localhost", "::1"} or host.startswith("127.")
    return urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({} if here else None))
