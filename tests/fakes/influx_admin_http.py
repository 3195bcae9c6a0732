"""A loopback server with the documented ways of InfluxDB 2 and 3 to keep buckets and databases; no real one is run."""

import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fakes.http_server import serving

TOKEN = "admin-token"


class AdminServer:
    """``buckets`` (version 2) and ``databases`` (version 3): seconds of retention by name, 0 for ever."""

    def __init__(self) -> None:
        self.buckets: dict[str, int] = {}
        self.databases: dict[str, int] = {}
        self.can_update = True
        self.tells_retention = True
        self.changes: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        place, _, query = path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        if headers.get("Authorization") not in {f"Token {TOKEN}", f"Bearer {TOKEN}"}:
            return 401, {"code": "unauthorized", "message": "unauthorized access"}
        if method != "GET":
            self.changes.append(f"{method} {place}")
        if place.startswith("/api/v2/"):
            return self._version_2(method, place, asked, body)
        return self._version_3(method, place, asked, body)

    def _version_2(self, method: str, place: str, asked: dict[str, str], body: Any) -> tuple[int, Any]:
        if place == "/api/v2/orgs":
            return 200, {"orgs": [{"id": "0a", "name": "green"}] if asked["org"] == "green" else []}
        if method == "GET":
            found = [_bucket(name, kept) for name, kept in self.buckets.items() if name == asked["name"]]
            return 200, {"buckets": found}
        kept = body["retentionRules"][0]["everySeconds"] if body["retentionRules"] else 0
        if method == "POST":
            assert body["orgID"] == "0a"
            self.buckets[body["name"]] = kept
            return 201, _bucket(body["name"], kept)
        name = place.rpartition("/")[2].removeprefix("id-")
        self.buckets[name] = kept
        return 200, _bucket(name, kept)

    def _version_3(self, method: str, place: str, asked: dict[str, str], body: Any) -> tuple[int, Any]:
        if place == "/api/v3/query_sql":
            if not self.tells_retention:
                return 403, {"error": "no"}
            assert asked["db"] == "_internal"
            return 200, [
                {"database_name": name} | ({"retention_period_ns": kept * 10**9} if kept else {})
                for name, kept in self.databases.items()
            ]
        if method == "GET":
            return 200, [{"iox::database": name} for name in ("_internal", *self.databases)]
        if method == "PUT" and not self.can_update:
            return 405, None
        period = body.get("retention_period", "none")
        self.databases[body["db"]] = 0 if period == "none" else int(period.removesuffix("h")) * 3600
        return 200, None


def _bucket(name: str, kept_s: int) -> dict[str, Any]:
    rules = [{"type": "expire", "everySeconds": kept_s}] if kept_s else []
    return {"id": f"id-{name}", "name": name, "orgID": "0a", "retentionRules": rules}


@contextmanager
def running_admin_server() -> Iterator[AdminServer]:
    """Serve on a free loopback port; all threads are joined at the end."""
    state = AdminServer()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content) if content else None
            status, answer = state.answer(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"" if answer is None else json.dumps(answer).encode())

        def do_GET(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def do_PUT(self) -> None:
            self._do()

        def do_PATCH(self) -> None:
            self._do()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it so
            """Keep quiet."""

    with serving(Handler) as state.port:
        yield state
