"""Every panel drawn by Grafana's own components in headless Chromium: of the seeded fleet, and of fixed answers."""

import json
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.fakes import pictures
from tests.fakes.drawn_dashboards import Drawing, Mode, Shown, bundle, drawing
from tests.fakes.sample_dashboard import ANSWERS, SAMPLES, sample_dashboard
from tests.grafana_seed.answers import Answer, as_json

pytestmark = [pytest.mark.browser, pytest.mark.grafana_ui, pytest.mark.xdist_group("grafana_seed")]
panels: Any = import_module("grafana.panels")
MOST = 0.01
"""The share of a panel that may differ from its reference: another Chromium smooths letters otherwise."""
HOW_TO_RENEW = "look at both pictures; if the new one is right: python -m tests.grafana_seed.draw --samples"


@pytest.fixture(scope="module")
def drawn(chromium_program: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Drawing, None, None]:
    folder = bundle(tmp_path_factory.mktemp("grafana_ui"))
    with drawing(folder, chromium_program) as one:
        yield one


@pytest.fixture(autouse=True)
def _nothing_strange(drawn: Drawing) -> Generator[None, None, None]:
    """Fail a test whose page asked for something else, or told of an error."""
    yield
    strange, errors = list(drawn.strange), list(drawn.errors)
    drawn.strange.clear()
    drawn.errors.clear()
    assert (strange, errors) == ([], [])


@pytest.mark.influxdb
def test_every_panel_of_every_dashboard_shows_the_seeded_fleet(drawn: Drawing, seeded: Any) -> None:
    content = as_json(seeded)
    wrong = [
        (board["title"], panel.title, fault)
        for board in content["dashboards"]
        for panel in drawn.draw(board, [one for one in content["answers"] if one["dashboard"] == board["uid"]])
        if (fault := fault_of(panel)) is not None
    ]
    assert wrong == []


def fault_of(panel: Shown) -> str | None:
    if panel.cut:
        return "its title is cut"
    return panel.text if not panel.text.strip() or "No data" in panel.text or "failed:" in panel.text else None


@pytest.mark.influxdb
def test_what_a_number_says_is_what_the_store_answers(
    drawn: Drawing, seeded: Any, asked: dict[tuple[str, int, str], Answer]
) -> None:
    del seeded
    ledger = [one for one in asked.values() if one.title == "Windows stored" and one.dashboard == "edgejoule-trust"]
    (answer,) = ledger
    board = next(one for one in as_boards() if one["uid"] == answer.dashboard)
    shown = drawn.draw(
        board, [{name: getattr(answer, name) for name in ("panel", "ref_id", "raw", "from_ms", "to_ms")}]
    )
    (panel,) = [one for one in shown if one.id == answer.panel]
    total = sum(row[1] for one in answer.raw["results"][0]["series"] for row in one["values"])
    assert f"{total:,.0f}" in panel.text


@pytest.mark.influxdb
def test_the_answers_are_of_the_times_that_grafana_would_ask_for(
    drawn: Drawing, seeded: Any, asked: dict[tuple[str, int, str], Answer]
) -> None:
    now_ms = seeded.now_unix_ns // 10**6
    strange = [
        (board["uid"], panel["title"])
        for board in as_boards()
        for panel in board["panels"]
        for target in panel.get("targets", ())
        if drawn.time_range(board["time"]["from"], panel.get("timeFrom"), panel.get("timeShift"), now_ms)
        != ((one := asked[board["uid"], panel["id"], target["refId"]]).from_ms, one.to_ms)
    ]
    assert strange == []


def as_boards() -> list[dict[str, Any]]:
    boards = import_module("edgejoule.commands.dashboards.builder").load_builder().dashboards()
    return [json.loads(board.to_json()) for board in boards.values()]


@pytest.mark.parametrize("mode", ["dark", "light"])
def test_the_samples_look_as_they_did(drawn: Drawing, mode: Mode, tmp_path: Path) -> None:
    drawn.draw(sample_dashboard(), ANSWERS, mode=mode)
    picture = drawn.picture(tmp_path / "now.png")
    found = pictures.differing(picture, SAMPLES / f"{mode}.png", named(drawn))
    assert {name: share for name, share in found.items() if share > MOST} == {}, HOW_TO_RENEW


def named(drawn: Drawing) -> dict[str, pictures.Box]:
    titles = {panel["id"]: panel["title"] for panel in sample_dashboard()["panels"]}
    return {titles[number]: box for number, box in drawn.boxes().items()}


def in_red(panel: Any) -> Any:
    defaults = {
        **panel.field_config["defaults"],
        "thresholds": {"mode": "absolute", "steps": [{"color": "red", "value": None}]},
    }
    return replace(panel, field_config={**panel.field_config, "defaults": defaults})


def in_other_units(panel: Any) -> Any:
    return replace(
        panel,
        field_config={**panel.field_config, "defaults": {**panel.field_config["defaults"], "unit": "dateTimeAsIso"}},
    )


def without_legend(panel: Any) -> Any:
    return replace(panel, options={**panel.options, "legend": {**panel.options["legend"], "showLegend": False}})


def as_lines(panel: Any) -> Any:
    custom = {**panel.field_config["defaults"]["custom"], "drawStyle": "line", "fillOpacity": 0}
    defaults = {**panel.field_config["defaults"], "custom": custom}
    return replace(panel, field_config={**panel.field_config, "defaults": defaults})


def upright(panel: Any) -> Any:
    return replace(panel, options={**panel.options, "orientation": "vertical"})


def without_headings(panel: Any) -> Any:
    return replace(panel, options={**panel.options, "showHeader": False})


CHANGES: dict[str, Callable[[Any], Any]] = {
    "One number": in_red,
    "Two numbers": in_other_units,
    "Lines": without_legend,
    "Stacked bars": as_lines,
    "Bars": upright,
    "Table": without_headings,
}


def test_a_panel_that_looks_otherwise_is_seen(drawn: Drawing, tmp_path: Path) -> None:
    drawn.draw(sample_dashboard(CHANGES), ANSWERS)
    found = pictures.differing(drawn.picture(tmp_path / "now.png"), SAMPLES / "dark.png", named(drawn))
    assert {name for name, share in found.items() if share > MOST} == set(CHANGES)


def test_a_component_or_a_query_that_fails_says_so_in_its_panel(drawn: Drawing) -> None:
    wrong = [{**one, "raw": {"error": "database not found: x"}} if one["panel"] == 2 else one for one in ANSWERS]
    board = sample_dashboard(
        {"Table": lambda panel: replace(panel, transformations=({"id": "shake", "options": {}},))}
    )
    shown = {panel.title: panel.text for panel in drawn.draw(board, wrong)}
    assert "failed: Error: database not found: x" in shown["One number"]
    assert "failed: Error: no transformation of @grafana/data: shake" in shown["Table"]
    assert "No data" not in shown["Nothing"]
    assert "nothing yet" in shown["Nothing"]


def test_every_unit_of_the_checker_is_one_of_grafanas(drawn: Drawing) -> None:
    rules: Any = import_module("grafana.rules")
    assert set(rules.UNITS) <= drawn.units()


def test_a_quotient_of_something_unknown_is_unknown(drawn: Drawing) -> None:
    """To Grafana, nothing / x is 0, and x / nothing has no end."""
    board = next(one for one in as_boards() if one["uid"] == "edgejoule-models")
    shown = next(one for one in board["panels"] if one["title"].startswith("After how many inferences"))
    development = [0, 7e6, 900.0, 1e9, 7e-3]
    of_info = [
        series({"model": "stated"}, ["time", *MADE], development),
        series({"model": "unused"}, ["time", *MADE], development),
    ]
    of_use = [series({"model": name}, ["time", "inference energy"], [0, 0.02]) for name in ("stated", "strange")]
    answers = [
        {"panel": shown["id"], "ref_id": ref_id, "raw": {"results": [{"series": found}]}, "from_ms": 0, "to_ms": 1}
        for ref_id, found in zip("AC", (of_info, of_use), strict=True)
    ]
    (panel,) = [one for one in drawn.draw(board | {"panels": [shown]}, answers) if one.id == shown["id"]]
    assert "350,000,000" in panel.text
    assert panel.text.count("unknown") == 2


MADE = ("development", "development carbon", "made for", "development per inference")


def series(tags: dict[str, str], columns: list[str], row: list[float]) -> dict[str, Any]:
    return {"name": "any", "tags": tags, "columns": columns, "values": [row]}
