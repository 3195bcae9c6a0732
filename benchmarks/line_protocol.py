"""Windows as line protocol: ours against the client's Point with the same tags and fields."""

import random
import re
from collections.abc import Iterator
from typing import Any

from influxdb_client.client.write.point import Point

from benchmarks.harness import Comparison, benchmark
from collector.assess import Assessor
from collector.data.tables import IMPACTS, shipped_factors
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.sinks.line_protocol import LineEncoder
from collector.values import StoredWindow
from tests.fakes.intensities import GivenIntensity, half_hours
from tests.fakes.windows import T0_UNIX_NS, make_stored

ROWS = 500
INVENTORY = """
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
device_class = "raspberry-pi-4"
site = "hall"
zone = "DE"
lifetime_years = 5.0
in_service_since = 2024-01-01
sd_card_gb = 32
"""
SCATTERED = {
    "energy_j": 31.0,
    "energy_u_j": 0.3,
    "energy_u_systematic_j": 0.2,
    "gap_s": 0.01,
    "busy_s": 6.0,
    "sync_residual_s": 0.001,
    "latency_p50_s": 0.001,
    "latency_p95_s": 0.002,
    "latency_max_s": 0.004,
    "idle_power_w": 2.0,
    "idle_power_u_w": 0.02,
    "net_energy_j": 11.0,
    "net_energy_u_j": 0.1,
    "agent_cpu_ratio": 0.5,
    "overhead_cpu_ratio": 0.01,
    "other_cpu_ratio": 0.1,
}
Fields = dict[str, Any]


def rows() -> list[StoredWindow]:
    """Return windows as a Raspberry Pi's agent sends them: 33 numbers, most of them with all their digits."""
    source = random.Random(1)
    steady: Fields = {
        "governor": "ondemand",
        "systematic_id": "tc66c",
        "freq_min_mhz": 600.0,
        "freq_max_mhz": 1800.0,
        "soc_temp_max_c": 62.5,
    }
    return [
        make_stored(
            number, **(steady | {name: abs(source.gauss(mean, mean / 20)) for name, mean in SCATTERED.items()})
        )
        for number in range(1, ROWS + 1)
    ]


def taken_apart(line: str) -> tuple[dict[str, str], Fields, int]:
    """Return tags, fields and time; these rows have no escapes."""
    head, fields, stamp = line.split(" ")
    values: Fields = {}
    for name, text in re.findall(r'(\w+)=("[^"]*"|[^,]+)', fields):
        if text in {"true", "false"}:
            values[name] = text == "true"
        elif text.startswith('"'):
            values[name] = text.strip('"')
        else:
            values[name] = int(text[:-1]) if text.endswith("i") else float(text)
    return dict(tag.split("=") for tag in head.split(",")[1:]), values, int(stamp)


def point_line(tags: dict[str, str], fields: Fields, stamp: int) -> str:
    """Return the client's line."""
    point: Any = Point("inference_window")  # type: ignore[no-untyped-call]
    for name, tag in tags.items():
        point.tag(name, tag)
    for name, value in fields.items():
        point.field(name, value)
    return str(point.time(stamp).to_line_protocol())


@benchmark
def line_protocol_window() -> Iterator[Comparison]:
    stored = rows()
    plain = LineEncoder()
    parts = [taken_apart(plain.encode(row)) for row in stored]
    assert [taken_apart(point_line(*part)) for part in parts] == parts
    yield Comparison(
        name=f"a window of {len(parts[0][1])} fields",
        ours=lambda: [plain.encode(row) for row in stored],
        other=lambda: [point_line(*part) for part in parts],
        other_name="influxdb-client's Point, same tags and fields",
        kind="peer",
        operations=ROWS,
        limit_ratio=1 / 8,
    )


@benchmark
def line_protocol_assessed() -> Iterator[Comparison]:
    """With grams and water, which are worked out for each row here, and are given to the client's Point."""
    stored = rows()
    water = shipped_factors(IMPACTS)
    encoder = LineEncoder(Assessor(parse_inventory(INVENTORY), load_yearly_table(), impact_factors=water))
    parts = [taken_apart(encoder.encode(row)) for row in stored]
    assert [taken_apart(point_line(*part)) for part in parts] == parts
    assert {"embodied_gco2e_high", "operational_water_l"} <= set(parts[0][1])
    yield Comparison(
        name=f"a window of {len(parts[0][1])} fields, its grams assessed",
        ours=lambda: [encoder.encode(row) for row in stored],
        other=lambda: [point_line(*part) for part in parts],
        other_name="influxdb-client's Point, grams given",
        kind="peer",
        operations=ROWS,
        limit_ratio=1 / 6,
    )


@benchmark
def line_protocol_time_resolved() -> Iterator[Comparison]:
    """With intensities of half hours: one window in 180 lies over an edge between two. Then of both kinds."""
    stored = rows()
    half_hours_of = half_hours(T0_UNIX_NS - 1_000_000_000, [100.0 + step for step in range(ROWS // 180 + 2)])
    inventory, average = parse_inventory(INVENTORY), GivenIntensity("DE", half_hours_of, 300.0)
    marginal = GivenIntensity("DE", half_hours_of, kind="marginal")
    yearly = LineEncoder(Assessor(inventory, load_yearly_table()))
    encoder = LineEncoder(Assessor(inventory, average))
    of_both = LineEncoder(Assessor(inventory, average, marginal=marginal))
    for one, field in ((encoder, "operational_gco2e="), (of_both, "operational_marginal_gco2e=")):
        assert len({one.encode(row).partition(field)[2][:8] for row in stored}) > 2
    yield Comparison(
        name="a window's line with the intensity of its half hour",
        ours=lambda: [encoder.encode(row) for row in stored],
        other=lambda: [yearly.encode(row) for row in stored],
        other_name="the same with a yearly intensity",
        kind="peer",
        operations=ROWS,
        limit_ratio=1.25,
    )
    yield Comparison(
        name="the same with a marginal intensity beside it",
        ours=lambda: [of_both.encode(row) for row in stored],
        other=lambda: [encoder.encode(row) for row in stored],
        other_name="without",
        kind="peer",
        operations=ROWS,
        limit_ratio=1.3,
    )
