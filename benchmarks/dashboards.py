"""The fleet's dashboard over 1,000 devices: every query of every panel, on a real InfluxDB 1.x.

The floor reads the same points for nothing but their energy, once for each query.
"""

import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.harness import Comparison, benchmark
from collector.assess import Assessor
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.sinks.hourly import HOUR_NS, line_of, tags_of
from collector.sinks.hourly_sums import HourSums
from collector.sinks.hourly_table import Hour
from collector.sinks.influxdb_v1 import InfluxV1Writer
from collector.sinks.line_protocol import LineEncoder
from collector.values import StoredWindow
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.windows import PROFILES, WINDOW_S, make_stored
from tests.grafana_seed import grafana
from tests.grafana_seed.answers import dashboards

DEVICES: Final = 1000
WINDOWS: Final = 90
"""Of each device: a quarter of an hour, spread over the six hours with which the dashboard opens."""
HOURS: Final = 48
MODELS: Final = 20
BATCH: Final = 10_000
WINDOWS_DATABASE: Final = "edgejoule"
HOURS_DATABASE: Final = "edgejoule_hourly"
MOST: Final = 8.0


def assessor() -> Assessor:
    lines = ["[defaults]", "lifetime_years = 5.0", 'zone = "DE"', 'hardware = "raspberry-pi-4b-4gb"']
    for number in range(DEVICES):
        lines += ["[[device]]", f'id = "{name_of(number)}"', f'site = "site-{number % 10}"']
        lines += [f'device_class = "class-{number % 4}"', "in_service_since = 2024-01-01"]
    return Assessor(parse_inventory("\n".join(lines)), load_yearly_table())


def name_of(number: int) -> str:
    return f"device-{number:04}"


def row_of(number: int, seq: int, t_unix_ns: int) -> StoredWindow:
    """Return a window; every fiftieth has a gap, and some devices do nothing."""
    profile = PROFILES[number % len(PROFILES)]
    covered_s = WINDOW_S * (0.5 if (number + seq) % 50 == 0 else 1.0)
    energy_j = profile.power_w * covered_s * (1.0 + 0.1 * math.sin(number + seq))
    idle_w = profile.idle_power_w
    row = make_stored(
        seq,
        profile=profile,
        t_start_unix_ns=t_unix_ns,
        model_id=f"model-{number % MODELS:02}",
        energy_j=energy_j,
        gap_s=WINDOW_S - covered_s,
        net_energy_j=None if idle_w is None else energy_j - idle_w * covered_s,
        inference_count=round(profile.inferences_per_s * WINDOW_S) if number % 37 else 0,
    )
    return msgspec.structs.replace(row, device_id=name_of(number))


def window_lines(now_unix_ns: int) -> Iterator[str]:
    encoder = LineEncoder(assessor())
    apart_ns = 6 * HOUR_NS // WINDOWS
    for seq in range(1, WINDOWS + 1):
        t_unix_ns = now_unix_ns - (WINDOWS - seq) * apart_ns - 60 * 10**9
        for number in range(DEVICES):
            yield encoder.encode(row_of(number, seq, t_unix_ns))


def hour_lines(now_unix_ns: int) -> Iterator[str]:
    known = assessor()
    for number in range(DEVICES):
        row = row_of(number, 1, now_unix_ns)
        tags = tags_of(row.fleet, row.device_id, row.window, known.describe(row.device_id), "benchmark")
        sums = HourSums().add([(row.window, known.grams(row.device_id, row.window))])
        for ago in range(HOURS):
            yield line_of(Hour(0, now_unix_ns // HOUR_NS - ago, 0, tags, sums))


def report_lines(now_unix_ns: int) -> Iterator[str]:
    """Yield what a collector reports of each device, in the fields that the dashboard asks for."""
    for number in range(DEVICES):
        tags = f"device={name_of(number)},fleet=lab"
        state = "last_seen_age_s=3.0,online=1i,clock_synchronised=1i,meter_connected=1i,outbox_windows=0i"
        yield f"device_state,{tags} {state} {now_unix_ns - 10**9}"
        yield f"ledger,{tags} sent=100i,stored=99i,dropped=0i,refused=0i,pending=1i,missing=0i {now_unix_ns - 10**9}"


def fill(server: InfluxServer, database: str, lines: Iterator[str]) -> None:
    server.query(f'CREATE DATABASE "{database}"')
    writer = InfluxV1Writer(server.url, database)
    try:
        batch: list[str] = []
        for line in lines:
            batch.append(line)
            if len(batch) == BATCH:
                assert writer.post("\n".join(batch).encode()).verdict == "stored"
                batch.clear()
        assert not batch or writer.post("\n".join(batch).encode()).verdict == "stored"
    finally:
        writer.close()


def queries(board: Any, now_ms: int) -> list[tuple[str, str]]:
    """Return what a browser asks for the whole dashboard: query and database."""
    anything = {one.name: ".*" for one in board.variables if one.type == "query"}
    asked = []
    for panel in board.panels:
        span = grafana.panel_range(board.time_from, now_ms, panel.time_from, panel.time_shift)
        step_ms = grafana.interval_ms(span, panel.grid_pos.w, panel.interval)
        for target in panel.targets:
            hourly = target.datasource.uid == "${datasource_hourly}"
            query = grafana.expand(target.query, span, step_ms, anything)
            asked.append((query, HOURS_DATABASE if hourly else WINDOWS_DATABASE))
    return asked


@benchmark
def dashboards_fleet() -> Iterator[Comparison]:
    with tempfile.TemporaryDirectory() as directory, running_influxd(Path(directory)) as server:
        now_unix_ns = time.time_ns()
        for lines in (window_lines, report_lines):
            fill(server, WINDOWS_DATABASE, lines(now_unix_ns))
        fill(server, HOURS_DATABASE, hour_lines(now_unix_ns))
        board = next(one for one in dashboards() if one.uid == "edgejoule-fleet")
        asked = queries(board, now_unix_ns // 10**6)
        bare = 'SELECT SUM("energy_j") FROM "inference_window"'
        assert max(len(server.query(*one)) for one in asked) == DEVICES
        yield Comparison(
            name=f"a query of the fleet's dashboard, {DEVICES} devices and {DEVICES * WINDOWS} windows",
            ours=lambda: [server.query(*one) for one in asked],
            other=lambda: [server.query(bare, WINDOWS_DATABASE) for _ in asked],
            other_name="the bare sum of all joules",
            kind="floor",
            operations=len(asked),
            limit_ratio=MOST,
        )
