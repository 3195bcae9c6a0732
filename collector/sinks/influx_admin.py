"""Databases and buckets of an InfluxDB: is one there, how long does it keep its points, make it so.

One class for each version's way: InfluxQL at ``/query`` (1.x, tried on 1.6.7), ``/api/v2/buckets`` (2.x) and
``/api/v3/configure/database`` (3), the last two by their documents and sources, not run.
"""

import http.client
import json
import re
import urllib.parse
from typing import Any, Final, NamedTuple, Protocol

from collector.sinks.influx_http import CONNECTION_ERRORS, authorization, connection_to, path_below, why
from collector.sinks.influx_writing import words_of

TIMEOUT_S: Final = 15.0
S_PER_DAY: Final = 86_400
_DURATION: Final = re.compile(r"(\d+)(w|d|h|m|s)")
_UNIT_S: Final = {"w": 7 * S_PER_DAY, "d": S_PER_DAY, "h": 3600, "m": 60, "s": 1}


class SetupError(Exception):
    """The server did not do or tell it: one line with its words."""


class Found(NamedTuple):
    """A database or bucket. ``retention_s``: 0 for ever, None if it could not be read. ``handle``: the server's."""

    retention_s: int | None
    handle: str = ""


class Admin(Protocol):
    """What each version can do. Raises SetupError."""

    def find(self, store: str) -> Found | None:
        """Return what is there under this name, None if nothing is."""
        ...

    def create(self, store: str, retention_s: int) -> None:
        """Create it."""
        ...

    def change(self, store: str, found: Found, retention_s: int) -> None:
        """Change how long it keeps its points."""
        ...


class _Server:
    """One question and one answer at a time."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url = url
        self._headers = headers | {"Accept": "application/json"}

    def ask(self, method: str, path: str, parameters: dict[str, str], body: Any = None) -> Any:
        """Return the JSON of the answer, None for an empty one. Raises SetupError, ``status`` in its words."""
        target = path_below(self._url, path + "?" + urllib.parse.urlencode(parameters) if parameters else path)
        content = None if body is None else json.dumps(body).encode()
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        connection = connection_to(self._url, TIMEOUT_S)
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except CONNECTION_ERRORS as error:
            raise SetupError(f"InfluxDB {self._url}: not reachable: {why(error)}") from error
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            words = " ".join(words_of(text).split())[:300] or http.client.responses.get(response.status, "")
            raise SetupError(f"InfluxDB {self._url}: HTTP {response.status}: {words}")
        try:
            return json.loads(text) if text.strip() else None
        except ValueError as error:
            raise SetupError(f"InfluxDB {self._url}: {path} answers with something else than JSON") from error


class V1Admin:
    """InfluxQL at ``/query``. A database's retention is that of its default policy."""

    def __init__(self, url: str, *, username: str = "", password: str = "", token: str = "") -> None:
        self._server = _Server(url, authorization(username, password, token))

    def find(self, store: str) -> Found | None:
        """Return the default policy's name and duration."""
        if [store] not in self._query("SHOW DATABASES"):
            return None
        for name, duration, *_, is_default in self._query(f"SHOW RETENTION POLICIES ON {_quoted(store)}"):
            if is_default:
                return Found(seconds(duration), name)
        return Found(None)

    def create(self, store: str, retention_s: int) -> None:
        """Create the database with its default policy."""
        self._query(f"CREATE DATABASE {_quoted(store)} WITH {_lasting(retention_s)} NAME autogen")

    def change(self, store: str, found: Found, retention_s: int) -> None:
        """Alter the default policy."""
        policy = _quoted(found.handle or "autogen")
        self._query(f"ALTER RETENTION POLICY {policy} ON {_quoted(store)} {_lasting(retention_s)} DEFAULT")

    def _query(self, influxql: str) -> list[Any]:
        answer = self._server.ask("POST", "/query", {"q": influxql})
        results = answer.get("results", []) if isinstance(answer, dict) else []
        for result in results:
            if "error" in result:
                raise SetupError(f"{influxql}: {result['error']}")
        return [row for result in results for series in result.get("series", ()) for row in series.get("values", ())]


class V2Admin:
    """Buckets of an organisation; the token has to be allowed to see and to change them."""

    def __init__(self, url: str, org: str, *, token: str = "") -> None:
        self._server = _Server(url, authorization("", "", token))
        self._org = org

    def find(self, store: str) -> Found | None:
        """Return the bucket's id and retention."""
        answer = self._server.ask("GET", "/api/v2/buckets", {"org": self._org, "name": store})
        for bucket in (answer or {}).get("buckets", ()):
            if bucket.get("name") == store:
                rules = bucket.get("retentionRules") or ()
                return Found(max((int(rule.get("everySeconds", 0)) for rule in rules), default=0), bucket["id"])
        return None

    def create(self, store: str, retention_s: int) -> None:
        """Create the bucket in the organisation."""
        orgs = (self._server.ask("GET", "/api/v2/orgs", {"org": self._org}) or {}).get("orgs", ())
        if not orgs:
            raise SetupError(f"there is no organisation {self._org!r}, or this token does not see it")
        body = {"orgID": orgs[0]["id"], "name": store, "retentionRules": _rules(retention_s)}
        self._server.ask("POST", "/api/v2/buckets", {}, body)

    def change(self, store: str, found: Found, retention_s: int) -> None:  # noqa: ARG002  it is known by its id
        """Change the bucket's rules."""
        self._server.ask("PATCH", f"/api/v2/buckets/{found.handle}", {}, {"retentionRules": _rules(retention_s)})


class V3Admin:
    """Databases of InfluxDB 3; the token has to be an administrator's. Core cannot change a retention afterwards."""

    def __init__(self, url: str, *, token: str = "") -> None:
        self._server = _Server(url, authorization("", "", token, scheme="Bearer"))

    def find(self, store: str) -> Found | None:
        """Return the retention that the server's table of databases tells."""
        names = self._server.ask("GET", "/api/v3/configure/database", {"format": "json"})
        if store not in [row.get("iox::database") for row in names or ()]:
            return None
        sql = "SELECT database_name, retention_period_ns FROM system.databases"
        try:
            rows = self._server.ask("GET", "/api/v3/query_sql", {"db": "_internal", "q": sql, "format": "json"})
        except SetupError:
            return Found(None)
        kept_ns = [row.get("retention_period_ns") for row in rows or () if row.get("database_name") == store]
        return Found(int(kept_ns[0] or 0) // 1_000_000_000 if kept_ns else None)

    def create(self, store: str, retention_s: int) -> None:
        """Create the database."""
        body = {"db": store} | ({"retention_period": f"{retention_s // 3600}h"} if retention_s else {})
        self._server.ask("POST", "/api/v3/configure/database", {}, body)

    def change(self, store: str, found: Found, retention_s: int) -> None:  # noqa: ARG002  it is known by its name
        """Update the database, which Enterprise can do."""
        period = f"{retention_s // 3600}h" if retention_s else "none"
        try:
            self._server.ask("PUT", "/api/v3/configure/database", {}, {"db": store, "retention_period": period})
        except SetupError as error:
            raise SetupError(
                f"{error}; InfluxDB 3 Core fixes the retention when a database is made: name another database, or "
                "correct retention_days"
            ) from error


def seconds(duration: str) -> int:
    """Return the seconds of a duration as InfluxQL shows it (``168h0m0s``), 0 for ever."""
    return sum(int(count) * _UNIT_S[unit] for count, unit in _DURATION.findall(duration))


def _lasting(retention_s: int) -> str:
    """Return the clause; shards as long as the server itself would choose for a new policy."""
    if retention_s == 0:
        return "DURATION INF REPLICATION 1 SHARD DURATION 7d"
    shard = "1h" if retention_s < 2 * S_PER_DAY else "1d" if retention_s <= 180 * S_PER_DAY else "7d"
    return f"DURATION {retention_s // S_PER_DAY}d REPLICATION 1 SHARD DURATION {shard}"


def _rules(retention_s: int) -> list[dict[str, Any]]:
    return [{"type": "expire", "everySeconds": retention_s}] if retention_s else []


def _quoted(name: str) -> str:
    """Return an identifier of InfluxQL."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
