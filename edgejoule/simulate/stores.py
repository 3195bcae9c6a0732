"""What the collector's journal and its InfluxDB hold of a simulated fleet."""

import http.client
import json
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from collector import journal_file
from collector.build import read_secret
from collector.config import CollectorConfig
from collector.journal import Journal
from collector.store_config import InfluxConfig
from collector.values import LedgerLine
from edge_agent.wire.errors import ConfigurationError
from edgejoule.simulate.check import (
    DeviceVerdict,
    StoredSums,
    StoredWindowFigures,
    expected_in_store,
    ledger_problems,
    own_sums,
    sum_problems,
    verdicts,
)
from edgejoule.simulate.counters import FleetCounters

_MEASUREMENT: Final = "inference_window"
_ROWS_AT_ONCE: Final = 5000
_POLL_S: Final = 0.5
_HTTP_TIMEOUT_S: Final = 60.0


def compare(fleet: FleetCounters, config: CollectorConfig, patience_s: float) -> list[DeviceVerdict]:
    """Return one verdict per device, after the ledger and the store have had ``patience_s`` to catch up.

    Raises ConfigurationError when the journal or InfluxDB cannot be read.
    """
    deadline_s = time.monotonic() + patience_s
    with closing(Journal(config.journal_path, read_only=True)) as journal:
        ledger = _until(deadline_s, lambda: _ledger(journal, fleet), lambda found: _all_in(fleet, found))
        further = _journal_problems(journal, _removed_counts(config.journal_path), fleet, ledger)
    if config.influxdb is not None:
        influx = InfluxReader(config.influxdb)
        stored = {name: line.stored for name, line in ledger.items()}
        sums = _until(
            deadline_s,
            lambda: influx.sums(fleet),
            lambda found: (
                all(one.device_id in found or not stored.get(one.device_id) for one in fleet.devices)
                and all(one.windows >= stored.get(name, 0) for name, one in found.items())
            ),
        )
        _add_influx_problems(influx, fleet, ledger, sums, further)
    return verdicts(fleet, ledger, further)


def _until(deadline_s: float, read: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    while not good(found := read()) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    return found


def _ledger(journal: Journal, fleet: FleetCounters) -> dict[str, LedgerLine]:
    return {line.device_id: line for line in journal.ledger() if line.fleet == fleet.fleet}


def _all_in(fleet: FleetCounters, ledger: dict[str, LedgerLine]) -> bool:
    bad = ledger.get(fleet.bad_citizen)
    return all(not list(ledger_problems(own, ledger.get(own.device_id))) for own in fleet.devices) and (
        not fleet.bad_citizen or (bad is not None and bad.dead_letters >= fleet.played["garbage"])
    )


def _removed_counts(path: Path) -> dict[str, int]:
    """Return for each device how many stored windows the journal has let go because every store has them."""
    with closing(journal_file.open_reader(path)) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'removed'").fetchone() is None:
            return {}
        return dict(db.execute("SELECT device_id, sum(last_seq - first_seq + 1) FROM removed GROUP BY device_id"))


def _journal_problems(
    journal: Journal, removed_counts: dict[str, int], fleet: FleetCounters, ledger: dict[str, LedgerLine]
) -> defaultdict[str, list[str]]:
    """Compare the journal's windows one by one; where retention has removed some, only InfluxDB can tell their sum."""
    mine = {own.device_id for own in fleet.devices}
    rows: defaultdict[str, list[StoredWindowFigures]] = defaultdict(list)
    row_id = 0
    while page := journal.rows_after(row_id, _ROWS_AT_ONCE):
        for row in page:
            if row.fleet == fleet.fleet and row.device_id in mine:
                window = row.window
                rows[row.device_id].append(
                    StoredWindowFigures(boot_id=row.boot_id, seq=window.seq, energy_j=window.energy_j)
                )
        row_id = page[-1].row_id
    problems: defaultdict[str, list[str]] = defaultdict(list)
    for own in fleet.devices:
        expected = expected_in_store(own, fleet.seed, fleet.window_s, rows[own.device_id])
        problems[own.device_id] += [f"journal: {problem}" for problem in expected.problems]
        line, whole = ledger.get(own.device_id), own_sums(own)
        stored, removed = line.stored if line is not None else 0, removed_counts.get(own.device_id, 0)
        if expected.sums.windows + removed != stored:
            problems[own.device_id].append(
                f"journal: {expected.sums.windows} windows, {removed} removed as old; the ledger has {stored} stored"
            )
        if whole is not None and not removed:
            problems[own.device_id] += sum_problems("journal", whole, expected.sums)
    return problems


def _add_influx_problems(
    influx: "InfluxReader",
    fleet: FleetCounters,
    ledger: dict[str, LedgerLine],
    sums: dict[str, StoredSums],
    problems: defaultdict[str, list[str]],
) -> None:
    """Compare sums; where windows were dropped, first ask the store which ones it has."""
    for own in fleet.devices:
        whole = own_sums(own)
        if whole is None:
            rows = influx.rows(fleet, own.device_id)
            expected = expected_in_store(own, fleet.seed, fleet.window_s, rows)
            problems[own.device_id] += [f"InfluxDB: {problem}" for problem in expected.problems]
            line = ledger.get(own.device_id)
            stored = line.stored if line is not None else 0
            if expected.sums.windows != stored:
                problems[own.device_id].append(f"InfluxDB: {expected.sums.windows} windows, the ledger has {stored}")
            whole = expected.sums
        problems[own.device_id] += sum_problems("InfluxDB", whole, sums.get(own.device_id))


class InfluxReader:
    """Reads windows back by InfluxQL at ``/query``, which versions 1, 2 and 3 all answer."""

    def __init__(self, config: InfluxConfig) -> None:
        self._url = urllib.parse.urlsplit(config.url)
        self._database = config.store
        token = read_secret(config.token_file, "influxdb.token_file")
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        password = read_secret(config.password_file, "influxdb.password_file")
        self._login = {"u": config.username, "p": password} if config.username else {}

    def sums(self, fleet: FleetCounters) -> dict[str, StoredSums]:
        """Return the sums of every device of the run."""
        answer = self._query(
            f"SELECT count(energy_j) AS w, sum(energy_j) AS e, sum(inference_count) AS i FROM {_MEASUREMENT} "  # noqa: S608
            f"WHERE fleet = '{fleet.fleet}' AND device =~ /^sim-{fleet.run_id}-/ GROUP BY device"
        )
        return {
            tags["device"]: StoredSums(windows=row["w"], energy_j=float(row["e"]), inferences=row["i"])
            for tags, row in answer
        }

    def rows(self, fleet: FleetCounters, device_id: str) -> list[StoredWindowFigures]:
        """Return every window of one device."""
        answer = self._query(
            f"SELECT seq, boot, energy_j FROM {_MEASUREMENT} "  # noqa: S608  names of our own making
            f"WHERE fleet = '{fleet.fleet}' AND device = '{device_id}'"
        )
        return [
            StoredWindowFigures(boot_id=row["boot"], seq=row["seq"], energy_j=float(row["energy_j"]))
            for _, row in answer
        ]

    def _query(self, influxql: str) -> Iterable[tuple[dict[str, str], dict[str, Any]]]:
        arguments = {"q": influxql, "db": self._database, "epoch": "ns"} | self._login
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._url.hostname or "127.0.0.1", self._url.port, timeout=_HTTP_TIMEOUT_S)
        try:
            connection.request(
                "GET", f"{self._url.path}/query?{urllib.parse.urlencode(arguments)}", None, self._headers
            )
            answer = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ConfigurationError(f"--check: InfluxDB at {self._url.geturl()} does not answer: {error}") from error
        finally:
            connection.close()
        results = answer.get("results", [])
        errors = [answer["error"]] if "error" in answer else [one["error"] for one in results if "error" in one]
        if errors:
            raise ConfigurationError(f"--check: InfluxDB at {self._url.geturl()} refuses the query: {errors[0]}")
        return [
            (series.get("tags", {}), dict(zip(series["columns"], values, strict=True)))
            for result in results
            for series in result.get("series", ())
            for values in series["values"]
        ]
