"""The page of what InfluxDB holds names every measurement, tag and field that is written."""

import re
from pathlib import Path
from typing import Final

import pytest

from collector.live_grams import GRAM_FIELDS
from collector.sinks import bench_fields, bench_lines, hourly, ledger_points, line_protocol
from collector.sinks.hourly_sums import COUNTS, FLOATS, MAXIMA
from collector.sinks.points import POINTS
from collector.values import LedgerCounts

PAGE: Final = (Path(__file__).parents[2] / "docs" / "influxdb.md").read_text()
WORDS: Final = {
    "boot",
    "clock_state",
    "throttled",
    "governor",
    "systematic_id",
    "flags",
    "intensity_quality",
    "power_w",
}
BENCH: Final = (bench_fields.FLOATS, bench_fields.INTEGERS, bench_fields.STRINGS, bench_fields.BOOLEANS)
WRITTEN: Final[dict[str, set[str]]] = {
    line_protocol.MEASUREMENT: {
        *(*line_protocol.TAGS, *line_protocol._INTEGERS, *line_protocol._FLOATS, *GRAM_FIELDS, *WORDS)
    },
    hourly.MEASUREMENT: {*COUNTS, *FLOATS, *MAXIMA, "systematic_id", "journal", "energy_u_j", "power_w"},
    bench_lines.MEASUREMENT: {*bench_fields.TAGS, "site", "zone", *(name for fields in BENCH for name in fields)},
    ledger_points.MEASUREMENT: {"device", "fleet", *LedgerCounts.__struct_fields__},
    **{one.MEASUREMENT: set(one.__struct_fields__) - {"collector"} for one in POINTS},
}
"""By measurement. The tag ``collector`` is the page's own sentence."""


def section(measurement: str) -> str:
    """Return what stands below the heading that names the measurement."""
    for part in PAGE.split("\n## ")[1:]:
        heading, _, text = part.partition("\n")
        if measurement in heading.split(", "):
            return text
    pytest.fail(f"docs/influxdb.md: no heading names {measurement}; add it, with its tags and fields")


def named(measurement: str) -> set[str]:
    return set(re.findall(r"`([a-z0-9_]+)`", section(measurement)))


def is_named(name: str, words: set[str]) -> bool:
    """Return whether ``words`` has it, whole or as a name and an ending that stand for a family of names."""
    return name in words or any(
        name[:at] in words and name[at:] in words for at in range(1, len(name)) if name[at] == "_"
    )


@pytest.mark.parametrize("measurement", WRITTEN)
def test_every_tag_and_field_stands_on_the_page(measurement: str) -> None:
    words = named(measurement)
    missing = sorted(name for name in WRITTEN[measurement] if not is_named(name, words))
    assert not missing, f"docs/influxdb.md, {measurement}: add {missing}"


def test_the_page_names_no_field_of_a_point_that_nobody_writes() -> None:
    written = set().union(*WRITTEN.values())
    for point in POINTS:
        unknown = sorted(name for name in named(point.MEASUREMENT) if name not in written)
        assert not unknown, f"docs/influxdb.md, {point.MEASUREMENT}: {unknown} is written by nobody"


def test_the_table_at_the_top_has_every_measurement() -> None:
    table = PAGE.partition("\n## ")[0]
    others = {ledger_points.SINK_MEASUREMENT, ledger_points.COLLECTOR_MEASUREMENT}
    assert not [name for name in (*WRITTEN, *others) if f"`{name}`" not in table]
