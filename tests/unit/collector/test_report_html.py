"""The report page: whole in itself, says loudly what is simulated and what is unknown, shows the report's figures."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from collector import numbers
from collector.assess import Assessor
from collector.carbon.amortisation import POLICIES
from collector.fleet.report import fleet_report
from collector.fleet.values import FleetReport
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.values import MeterCheck, StoredWindow
from collector.web.report_html import render_report
from collector.web.report_words import embodied_words, operational_words
from tests.fakes.html_page import Page
from tests.fakes.windows import commit_rows, make_fleet_rows, make_stored

INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "DE"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "zero-01"
hardware = "raspberry-pi-zero-2-w"
[[device]]
id = "jetson-01"
hardware = "jetson-orin-nano-8gb"
"""
CHECK = MeterCheck(
    device_id="pi4-01",
    meter_driver="tc66c",
    windows=12,
    windows_excluded=1,
    measured_j=492.6,
    true_j=490.0,
    u_j=1.9,
    deviation_u=1.37,
    within_three_u=True,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.sqlite3")
    yield made
    made.close()


def report_on(journal: Journal, inventory: str = INVENTORY) -> FleetReport:
    return fleet_report(journal, None, Assessor(parse_inventory(inventory), load_yearly_table()))


def render(journal: Journal, rows: list[StoredWindow], inventory: str = INVENTORY) -> tuple[FleetReport, str]:
    commit_rows(journal, rows)
    report = report_on(journal, inventory)
    return report, render_report(report, journal.ledger(), [CHECK], "edgejoule <test>")


def test_the_page_loads_nothing_and_is_well_formed(journal: Journal) -> None:
    _, text = render(journal, make_fleet_rows(8))
    page = Page(text)
    assert page.open == []
    assert [load for load in page.loads if not load.startswith("#")] == []
    assert re.findall(r"url\((?!#)", text) == []
    assert "@import" not in text
    assert not page.tags & {"script", "link", "iframe", "img", "object", "embed"}
    assert "http" not in re.sub(r"<td.*?</td>", "", text, flags=re.DOTALL)
    assert text.count("<svg") == 4
    words = re.findall(r'<svg [^>]*aria-label="([^"]*\d[^"]*\.)"', text)
    assert [one.split(":")[0] for one in words] == [
        "Energy per inference", "CO2e per 1000 inferences", "Mean power over time", "Energy of each window",
    ]  # fmt: skip
    assert len(page.ids) == len(set(page.ids))
    assert {load.removeprefix("#") for load in page.loads} <= set(page.ids)
    assert "edgejoule &lt;test&gt;" in text


def test_it_shows_the_figures_the_ledger_and_every_factor_with_its_source(journal: Journal) -> None:
    report, text = render(journal, make_fleet_rows(8))
    words = html.unescape(re.sub(r"<[^>]+>", " ", text))
    for device in report.devices:
        assert numbers.si_u(device.j_per_inference, device.j_per_inference_u, "J") in words
    assert numbers.si_u(report.total.energy_j, report.total.energy_u_j, "J") in words
    assert report.total.total_gco2e_per_1000 is not None
    assert numbers.grams(report.total.total_gco2e_per_1000) in words
    assert "adds up" in words
    assert "+1.37" in words
    for factor in report.factors:
        assert {factor.name, factor.source, factor.licence, factor.vintage} <= {
            piece for piece in (factor.name, factor.source, factor.licence, factor.vintage) if piece in words
        }


def test_simulated_is_said_loudly_and_only_then(journal: Journal, tmp_path: Path) -> None:
    _, text = render(journal, make_fleet_rows(2))
    assert 'role="alert"' in text
    assert "SIMULATED" in text
    second = Journal(tmp_path / "real.sqlite3")
    _, real = render(second, [make_stored(1, simulated=False)])
    second.close()
    assert 'role="alert"' not in real


def test_unknown_grams_are_unknown_and_not_zero(journal: Journal) -> None:
    report, text = render(journal, make_fleet_rows(2), inventory="")
    assert report.total.total_gco2e is None
    words = re.sub(r"<[^>]+>", " ", text)
    assert "operational grams unknown for jetson-01, pi4-01, zero-01" in words
    assert text.count("unknown</span>") >= 4 * 4
    assert "Carbon per 1000 inferences" not in words


YEARLY = "Operational: joules x the yearly average of the grid."
OWN_TIME = "Operational: joules x the average intensity of the grid at their own time"


@pytest.mark.parametrize(
    ("ratios", "sentence"),
    [
        ({}, ""),
        ({"yearly": 1.0}, YEARLY),
        ({"yearly": 0.5}, YEARLY),
        ({"actual": 0.75, "yearly": 0.25}, f"{OWN_TIME}, 25 % of them x its yearly average."),
        ({"actual": 0.75, "forecast": 0.25}, f"{OWN_TIME}."),
    ],
)
def test_it_says_which_intensity_the_joules_met(journal: Journal, ratios: dict[str, float], sentence: str) -> None:
    commit_rows(journal, make_fleet_rows(1))
    report = report_on(journal)
    total = msgspec.structs.replace(report.total, intensity_ratio=ratios)
    assert operational_words(msgspec.structs.replace(report, total=total)).replace(numbers.NBSP, " ") == sentence


def test_both_sentences_stand_beside_the_plot(journal: Journal) -> None:
    _, text = render(journal, make_fleet_rows(1))
    assert f"{YEARLY} Embodied: charged evenly over the planned life. Whiskers: P5 to P95." in text


@pytest.mark.parametrize(
    ("device_id", "policy", "words"),
    [
        ("pi4-01", 'policy = "by_use"\nlifetime_uses = 1e9', "by inferences, of a planned number (1)"),
        ("zero-01", 'policy = "sunk"\nin_service_since = 2020-01-01', "whole on the first day of service (1)"),
    ],
)
def test_it_says_how_each_device_is_charged(journal: Journal, device_id: str, policy: str, words: str) -> None:
    commit_rows(journal, make_fleet_rows(1))
    said = embodied_words(
        report_on(journal, INVENTORY.replace(f'id = "{device_id}"', f'id = "{device_id}"\n{policy}'))
    )
    assert said.startswith("Embodied: charged by each device's policy (devices): ")
    assert "evenly over the planned life (2)" in said
    assert words in said


def test_what_is_not_charged_has_no_policy(journal: Journal) -> None:
    commit_rows(journal, make_fleet_rows(1))
    unknown = report_on(journal, "")
    assert embodied_words(unknown) == ""
    assert {device.embodied_policy for device in unknown.devices} == {None}


def test_every_policy_has_its_words(journal: Journal) -> None:
    commit_rows(journal, make_fleet_rows(1))
    report = report_on(journal)
    said = set()
    for policy in POLICIES:
        devices = tuple(msgspec.structs.replace(one, embodied_policy=policy) for one in report.devices)
        said.add(embodied_words(msgspec.structs.replace(report, devices=devices)))
    assert len(said) == len(POLICIES)


def test_a_ledger_with_a_hole_is_shown_as_one(journal: Journal) -> None:
    _, text = render(journal, [make_stored(1, seq=1), make_stored(2, seq=3)])
    assert "does not add up" in text
    assert '<span class="bad">NO</span>' in text


def test_an_empty_journal_gives_a_page_too(journal: Journal) -> None:
    _, text = render(journal, [])
    assert "No window has been stored yet" in text
    assert "<svg" not in text
    assert Page(text).open == []


def test_odd_names_are_text_and_never_markup(journal: Journal) -> None:
    _, text = render(journal, [make_stored(1, fleet="<b>lab</b>", meter_id='"><script>')])
    assert "<script" not in text
    assert "&lt;b&gt;lab" in text


def test_the_page_is_the_same_for_the_same_report(journal: Journal) -> None:
    report, text = render(journal, make_fleet_rows(4))
    again = msgspec.json.decode(msgspec.json.encode(report), type=FleetReport)
    assert render_report(again, journal.ledger(), [CHECK], "edgejoule <test>") == text


@pytest.mark.parametrize(
    ("value", "u", "expected"),
    [
        (0.0612, 0.0004, "61.20 ± 0.40 mJ"),
        (61.2, 3.9, "61.2 ± 3.9 J"),
        (5441.7, 22.4, "5.442 ± 0.022 kJ"),
        (0.0, 0.002, "0.0 ± 2.0 mJ"),
        (1.5, None, "1.50 J"),
        (None, None, "–"),
        (1.5, 0.0, "1.50 J"),
    ],
)
def test_digits_follow_the_uncertainty(value: float | None, u: float | None, expected: str) -> None:
    assert numbers.si_u(value, u, "J").replace(numbers.NBSP, " ") == expected


def test_almost_all_is_not_all() -> None:
    assert numbers.percent(0.99996, 1).startswith("99.99")
    assert numbers.percent(1.0, 1).startswith("100.0")


MODELS = """
[[model]]
id = "kws"
energy_kwh = { value = 2.0, low = 1.0, high = 4.0 }
zone = "DE"
source = "modelled from CPU time, not measured"
vintage = "2025"
[[model]]
id = "vww"
energy_kwh = { value = 0.5 }
zone = "Utopia"
source = "log"
vintage = "2025"
[[model]]
id = "bought"
kgco2e = { value = 0.25 }
source = "its card"
vintage = "2024"
"""


def test_what_making_the_models_took_has_a_row_for_each(journal: Journal) -> None:
    report, text = render(journal, make_fleet_rows(4), INVENTORY + MODELS)
    _, bare = render(journal, [])
    assert "Making of the models" not in bare
    rows = {
        name: html.unescape(re.sub(r"<[^>]+>", " ", row)).replace(numbers.NBSP, " ")
        for name, row in re.findall(r'<tr><td class="id">(kws|vww|bought)</td>(.*?)</tr>', text)
    }
    assert "7.20 MJ" in rows["kws"]
    assert "(3.6 to 14 MJ)" in rows["kws"]
    assert "modelled from CPU time, not measured" in rows["kws"]
    assert "1.80 MJ" in rows["vww"]
    assert "unknown" in rows["vww"], "no yearly intensity: joules are known, grams are not"
    assert "unknown" in rows["bought"]
    assert "250 g" in rows["bought"]
    assert "model-kws-training" in text, "its figures stand among the factors"
    without = report_on(journal)
    assert report.total == without.total, "and in no account of the devices"
    assert Page(text).open == []
