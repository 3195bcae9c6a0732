"""The live store that a collector's configuration names: reachable, and ready to take windows."""

import http.client
import urllib.parse
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
    store = f"database {config.database!r}" if config.api == "v1" else f"bucket {config.bucket!r}"
    where = f"{config.url} {store}"
    try:
        parts = urllib.parse.urlsplit(config.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        path, headers = parts.path.rstrip("/") + _path(config), _headers(config)
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


def _path(config: "InfluxConfig") -> str:
    if config.api == "v1":
        return "/write?" + urllib.parse.urlencode({"db": config.database})
    return "/api/v2/write?" + urllib.parse.urlencode({"org": config.org, "bucket": config.bucket})


def _headers(config: "InfluxConfig") -> dict[str, str]:
    from collector.build import read_secret  # noqa: PLC0415  only where there is an InfluxDB
    from collector.sinks.influx_http import authorization  # noqa: PLC0415

    token = read_secret(config.token_file, "influxdb.token_file")
    if config.api == "v2":
        return authorization("", "", token)
    return authorization(config.username, read_secret(config.password_file, "influxdb.password_file"), token)
