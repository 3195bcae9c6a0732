"""Every query of every dashboard on an empty store, and on devices whose names a filter could misread."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest

from collector.sinks.line_protocol import LineEncoder
from tests.fakes.influxd import InfluxServer, Series, running_influxd
from tests.fakes.windows import T0_UNIX_NS, make_stored
from tests.grafana_seed import grafana
from tests.grafana_seed.answers import dashboards

pytestmark = pytest.mark.influxdb
EMPTY: Final = "empty"
ODD: Final = "odd"
NAMES: Final = ("a.b-c", "a.bxc", "axb-c", "node-1", "node-12")
NOW_MS: Final = T0_UNIX_NS // 10**6 + 60_000
SPECIAL: Final = frozenset("\\^$*+?.()|[]{}/-")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """Yield an empty database, and one with a window of each device: no inventory, no hours, no reports."""
    with running_influxd(tmp_path_factory.mktemp("influxd")) as running:
        for name in (EMPTY, ODD):
            running.query(f'CREATE DATABASE "{name}"')
        for name in NAMES:
            running.write(ODD, LineEncoder().encode(msgspec.structs.replace(make_stored(1), device_id=name)))
        yield running


def chosen(*values: str) -> str:
    """Return what Grafana's format ``regex`` makes of a choice: one value as it is, several in brackets."""
    plain = ["".join(f"\\{one}" if one in SPECIAL else one for one in value) for value in values]
    return plain[0] if len(plain) == 1 else f"({'|'.join(plain)})"


def answers(server: InfluxServer, database: str, **choice: str) -> Iterator[tuple[str, Any, list[Series]]]:
    """Yield each target's answer; a query that fails fails the test."""
    for board in dashboards():
        variables = {one.name: ".*" for one in board.variables if one.type == "query"} | choice
        for panel in board.panels:
            asked = grafana.panel_range(board.time_from, NOW_MS, panel.time_from, panel.time_shift)
            step_ms = grafana.interval_ms(asked, panel.grid_pos.w, panel.interval)
            for target in panel.targets:
                query = grafana.expand(target.query, asked, step_ms, variables)
                yield panel.title, target, server.query(query, database)
        for one in (one for one in board.variables if one.type == "query"):
            server.query(grafana.expand(one.query, grafana.TimeRange(0, NOW_MS), 1, variables), database)


def test_an_empty_store_answers_every_query_with_nothing(server: InfluxServer) -> None:
    found = list(answers(server, EMPTY))
    assert found
    assert [title for title, _, frames in found if frames] == []


@pytest.mark.parametrize("names", [("a.b-c",), ("node-1",), ("a.b-c", "node-12")])
def test_a_filter_chooses_exactly_the_devices_that_are_named(server: InfluxServer, names: tuple[str, ...]) -> None:
    shown = {
        frame.tags["device"]
        for _, _, frames in answers(server, ODD, device=chosen(*names))
        for frame in frames
        if "device" in frame.tags
    }
    assert shown == set(names)


def test_several_filters_of_several_values_are_answered(server: InfluxServer) -> None:
    choice = {"site": chosen("berlin", "St. Gallen / West"), "device_class": chosen("raspberry-pi-4", "jetson")}
    assert [title for title, _, frames in answers(server, ODD, **choice) if frames] == []


def test_grams_that_nobody_knows_are_in_no_panel(server: InfluxServer) -> None:
    with_grams = [
        title
        for title, target, frames in answers(server, ODD, device=chosen("node-1"))
        if frames and "gco2e" in target.query
    ]
    assert with_grams == []
