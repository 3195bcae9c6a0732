"""Who may read the live page: by name of the host, by token, and only by GET or HEAD.

A page on another site can make a browser ask this server (DNS rebinding): a host name that this server is not known
by is refused. With a token, a request needs it as ``Authorization: Bearer``, or the cookie that ``?token=`` sets once.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "edgejoule_live"
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ASK: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>edgejoule: token needed</title>
<h1>This page needs a token</h1>
<p>Open it as <code>/?token=TOKEN</code>, with the token of the file that <code>[web] token_file</code> names.
If you came by a link that had it, <a href="/">open the page</a>.</p></html>
"""


class Access:
    """``token``: "" for none. ``hosts``: names under which the server is reached, beside addresses and localhost."""

    def __init__(self, token: str = "", hosts: Iterable[str] = ()) -> None:
        self._token = token.encode()
        self._hosts = {"localhost", *(host.casefold() for host in hosts)}
        self.cookie = hmac.new(self._token, b"edgejoule live page", hashlib.sha256).hexdigest() if token else ""

    def knows_host(self, host: str) -> bool:
        """Return whether a Host header names this server. An address is not a name that somebody could redirect."""
        name = host_of(host)
        if name is None:
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def admits(self, headers: Headers) -> bool:
        """Return whether the request brings the token, or the cookie that stands for it."""
        if not self._token:
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.casefold() == "bearer" and self.is_token(given.strip()):
            return True
        return hmac.compare_digest(_cookie(headers).encode(), self.cookie.encode())

    def is_token(self, given: str) -> bool:
        """Return whether this is the token."""
        return hmac.compare_digest(given.encode(), self._token)


def host_of(header: str) -> str | None:
    """Return the name or address of a Host header without its port, in lower case; None for what is none."""
    if header.startswith("["):
        address, bracket, rest = header[1:].partition("]")
        return address.casefold() if bracket and (not rest or _is_port(rest)) else None
    name, colon, port = header.partition(":")
    return name.casefold().removesuffix(".") if name and (not colon or _is_port(colon + port)) else None


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit()


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


class Gate:
    """Stands before the application; see the module's text."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let through; either way with the headers of a page that asks nobody else for anything."""
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in {"GET", "HEAD"}:
            return _plain("this page is only read: GET and HEAD", 405, {"Allow": "GET, HEAD"})
        if not self._access.knows_host(headers.get("host", "")):
            return _plain("this server is not known by that host name; add it to [web] hosts", 421)
        if self._access.cookie:
            return self._asked_with_token(scope) or self._without_token(scope, headers)
        return None

    def _asked_with_token(self, scope: Scope) -> Response | None:
        """Answer ``?token=``: the right one becomes a cookie, and goes out of the address."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), None)
        if given is None:
            return None
        if not self._access.is_token(given):
            return _plain("this is not the token", 401, {"WWW-Authenticate": "Bearer"})
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        there = "/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else "")
        answer = RedirectResponse(there, 303, {"Cache-Control": "no-store"})
        answer.set_cookie(COOKIE, self._access.cookie, httponly=True, samesite="strict", path="/")
        return answer

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        if self._access.admits(headers):
            return None
        told = {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}
        if scope["path"] == "/":
            return HTMLResponse(_ASK, 401, told)
        return _plain("a token is needed: Authorization: Bearer TOKEN", 401, told)


def _plain(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(text + "\n", status, dict(headers or {}))
