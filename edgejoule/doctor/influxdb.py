"""The live store that a collector's configuration names: reachable, and ready to take windows."""

import http.client
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edgejoule.doctor.finding import Finding, failure, ok, warning

if TYPE_CHECKING:
    from collector.store_config import InfluxConfig

TIMEOUT_S: Final = 5.0
REMEDY: Final = "correct [influxdb] in the configuration, or the server; until then the journal keeps the rows"


class InfluxFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the server said to an empty write. ``fault``: why there was no answer. ``version``: "" if unsaid."""

    where: str
    fault: str = ""
    status: int = 0
    message: str = ""
    version: str = ""


def gather_influx_facts(config: "InfluxConfig") -> InfluxFacts:
    """Write an empty body, which stores nothing but shows whether address, credentials and database are right."""
    where = f"{config.url} {'bucket' if config.api == 'v2' else 'database'} {config.store!r}"
    try:
        connection, path, headers = _connection(config, _path(config))
    except (ValueError, OSError, ConfigurationError) as error:
        return InfluxFacts(where=where, fault=str(error))
    try:
        connection.request("POST", path, b"", headers)
        response = connection.getresponse()
        message = response.read(2000).decode(errors="replace")
        version = response.headers.get("X-Influxdb-Version", "")
        return InfluxFacts(where=where, status=response.status, message=message, version=version)
    except (OSError, http.client.HTTPException) as error:
        return InfluxFacts(where=where, fault=getattr(error, "strerror", None) or str(error) or type(error).__name__)
    finally:
        connection.close()


def check_influx(facts: InfluxFacts) -> Finding:
    """Judge the answer."""
    from collector.sinks.influx_writing import judge  # noqa: PLC0415  only where there is an InfluxDB

    if facts.fault:
        return failure("influxdb", f"{facts.where}: not reachable: {facts.fault}", REMEDY)
    answer = judge(facts.where, facts.status, facts.message)
    if answer.verdict == "stored":
        return ok("influxdb", f"{facts.where} takes writes{f' (InfluxDB {facts.version})' if facts.version else ''}")
    if facts.status == http.client.BAD_REQUEST:
        text = f"{facts.where} is there; it does not answer an empty write, so its access was not seen"
        return warning("influxdb", text, "look at the collector's log for sink_keeps_rows")
    return failure("influxdb", answer.reason, REMEDY)


def check_stores(config: "InfluxConfig", config_file: str) -> Iterator[Finding]:
    """Judge every database or bucket: is it there, with the retention that is configured?"""
    from collector.store_setup import set_up_stores  # noqa: PLC0415  only where there is an InfluxDB

    init = f"edgejoule collector init --config {config_file}"
    try:
        stores = set_up_stores(config, dry_run=True)
    except ConfigurationError as error:
        yield failure("influxdb stores", str(error), REMEDY)
        return
    for store in stores:
        topic, text = f"influxdb {store.holds}", f"{store.kind} {store.name} {store.text}"
        if store.state == "there":
            yield ok(topic, text)
        elif store.state == "missing":
            yield failure(topic, text, init)
        elif store.state == "different":
            yield warning(topic, text, f"{init}, or correct retention_days")
        elif store.state == "unknown":
            yield warning(topic, text, "look at it with the server's own tools")
        else:
            yield warning(topic, f"{store.kind} {store.name}: {store.text}", "name a user or token that may look")


def check_hourly_sums(config: "InfluxConfig") -> Finding:
    """Judge whether the long-term store has sums: none at all means that no collector writes them."""
    topic = "influxdb hourly points"
    parameters = {"db": config.hourly_store, "q": "SELECT COUNT(windows) FROM inference_hourly", "epoch": "s"}
    path = "/query?" + urllib.parse.urlencode(parameters)
    try:
        connection, path, headers = _connection(config, path)
    except (ValueError, OSError, ConfigurationError) as error:
        return failure(topic, str(error), REMEDY)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        answer = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return failure(topic, f"{config.url}: not reachable: {error}", REMEDY)
    finally:
        connection.close()
    if response.status != http.client.OK or '"error"' in answer:
        text = f"{config.hourly_store} cannot be asked: HTTP {response.status}: {' '.join(answer.split())[:200]}"
        return warning(topic, text, "name a user or token that may read")
    if '"series"' not in answer:
        text = f"{config.hourly_store} has none yet; they come a minute after the first windows"
        return warning(topic, text, "run the collector with this configuration, and look at its log")
    return ok(topic, f"{config.hourly_store} has hourly sums")


def _connection(config: "InfluxConfig", path: str) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Return a connection, the whole path and our headers."""
    parts = urllib.parse.urlsplit(config.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    return connection, parts.path.rstrip("/") + path, _headers(config)


def _path(config: "InfluxConfig") -> str:
    if config.api == "v1":
        return "/write?" + urllib.parse.urlencode({"db": config.database})
    if config.api == "v3":
        return "/api/v3/write_lp?" + urllib.parse.urlencode({"db": config.database, "precision": "nanosecond"})
    return "/api/v2/write?" + urllib.parse.urlencode({"org": config.org, "bucket": config.bucket})


def _headers(config: "InfluxConfig") -> dict[str, str]:
    from collector.build import read_secret  # noqa: PLC0415  only where there is an InfluxDB
    from collector.sinks.influx_http import authorization  # noqa: PLC0415

    token = read_secret(config.token_file, "influxdb.token_file")
    if config.api in {"v2", "v3"}:
        return authorization("", "", token, scheme="Token" if config.api == "v2" else "Bearer")
    return authorization(config.username, read_secret(config.password_file, "influxdb.password_file"), token)
