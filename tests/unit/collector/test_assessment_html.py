"""The assessment's page: whole in itself, both results side by side, unknown said as unknown, names escaped."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from collector import numbers
from collector.assessment.assess import Period, Stored, assess
from collector.assessment.values import FleetAssessment, Options
from collector.carbon.development import Development
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.linear_model import GramModel
from collector.carbon.timeline import IntensityTimeline
from collector.intensity.yearly_table import YearlyTable, load_yearly_table
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.values import StoredWindow
from collector.web.assessment_html import MAX_ROWS, render_assessment
from tests.fakes.html_page import Page
from tests.fakes.windows import MODEL_ID, PI4, PROFILES, T0_UNIX_NS, commit_rows, make_fleet_rows, make_stored

HOUR_NS = 3600 * 10**9
START_UNIX_NS = T0_UNIX_NS // HOUR_NS * HOUR_NS
INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "DE"
site = "hall"
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


class HourlyGrid(YearlyTable):
    """Half the yearly average, by hours, some of them estimated; nothing is known after ``known_h``."""

    def __init__(self, known_h: int) -> None:
        super().__init__(load_yearly_table().factors)
        self.known_h = known_h

    def timeline(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> IntensityTimeline:
        last = min(end_unix_ns, START_UNIX_NS + self.known_h * HOUR_NS)
        starts = np.arange(start_unix_ns, last, HOUR_NS, dtype=np.int64)
        yearly = self.at(zone, 0)
        assert yearly is not None
        value = np.full(len(starts), yearly.factor.estimate.value / 2.0)
        quality = ["actual" if index % 2 else "estimated" for index in range(len(starts))]
        return IntensityTimeline(starts, starts + HOUR_NS, value, low=value, high=value, quality=quality)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.sqlite3")
    yield made
    made.close()


def hourly_rows(days: int) -> list[StoredWindow]:
    rows: list[StoredWindow] = []
    for hour in range(24 * days):
        for profile in PROFILES:
            start_unix_ns = START_UNIX_NS + hour * HOUR_NS
            rows.append(make_stored(len(rows) + 1, profile=profile, seq=hour + 1, t_start_unix_ns=start_unix_ns))
    return rows


def assessed(
    journal: Journal,
    rows: list[StoredWindow],
    *,
    days: int = 1,
    inventory: str = INVENTORY,
    grid: YearlyTable | None = None,
    options: Options | None = None,
) -> FleetAssessment:
    commit_rows(journal, rows)
    period = Period(start_unix_ns=START_UNIX_NS, end_unix_ns=START_UNIX_NS + days * 24 * HOUR_NS)
    chosen = options or Options(by=("device", "month"), draws=500)
    return assess(Stored(journal=journal), parse_inventory(inventory), grid or load_yearly_table(), period, chosen)


def plots_of(text: str) -> set[str]:
    labelled = re.findall(r'<svg [^>]*aria-label="[^"]*\d[^"]*\." class="plot ([\w-]+)">', text)
    assert len(labelled) == text.count("<svg"), "a figure without words"
    return set(labelled)


def test_the_page_is_whole_in_itself(journal: Journal) -> None:
    assessment = assessed(journal, make_fleet_rows(20))
    text = render_assessment(assessment, "Fleet")
    page = Page(text)
    assert page.open == []
    assert all(load.startswith("#") for load in page.loads)
    assert "script" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    assert "SIMULATED" in text
    total = assessment.total.grams.total
    assert total is not None
    assert numbers.grams(total) in text
    for device in ("pi4-01", "zero-01", "jetson-01"):
        assert device in text
    assert all(factor.id in text for factor in assessment.factors)
    assert "ISO/IEC 21031:2024" in text
    assert plots_of(text) == {"sides-device", "sides-month", "quality-device", "causes"}


def test_time_resolved_stands_beside_yearly(journal: Journal) -> None:
    assessment = assessed(journal, hourly_rows(2), days=2, grid=HourlyGrid(48))
    text = render_assessment(assessment, "Fleet")
    assert "(-50.0 %)" in text
    assert {"days", "yearly-device", "yearly-month"} <= plots_of(text)
    assert "50 % actual" in text.replace(numbers.NBSP, " ")
    assert "50 % estimated" in text.replace(numbers.NBSP, " ")


def test_what_is_unknown_is_said_and_not_drawn_as_nothing(journal: Journal) -> None:
    assessment = assessed(journal, hourly_rows(1), grid=HourlyGrid(12))
    text = render_assessment(assessment, "Fleet")
    assert assessment.total.grams.total is None
    assert "unknown" in text
    assert "of what is known" in text
    assert "50 % unknown" in text.replace(numbers.NBSP, " ")
    assert " ?</text>" in text
    assert "Software Carbon Intensity" not in text, "no score without both terms"


def test_nothing_stored_is_a_page_without_plots(journal: Journal) -> None:
    text = render_assessment(assessed(journal, []), "Empty")
    assert Page(text).open == []
    assert plots_of(text) == set()


def test_names_are_escaped(journal: Journal) -> None:
    row = make_stored(1, profile=PI4, model_id="<script>alert(1)</script>")
    text = render_assessment(assessed(journal, [row], options=Options(by=("model",), draws=200)), "<b>title</b>")
    assert "<script" not in text
    assert "<b>title" not in text
    assert Page(text).open == []


def test_a_thousand_groups_stay_a_page(journal: Journal) -> None:
    assessment = assessed(journal, make_fleet_rows(3))
    many = assessment.groups["device"] * (MAX_ROWS // 3 + 5)
    text = render_assessment(msgspec.structs.replace(assessment, groups={"device": many}), "Large")
    assert "15 more are in the JSON and CSV output" in text
    assert "The 24 largest of" in text
    assert len(text) < 2_000_000


def test_impacts_and_development_stand_beside_the_grams(journal: Journal) -> None:
    def factor(name: str, value: float, unit: str) -> Factor:
        return Factor(
            id=name, name=name, estimate=Estimate(value, value, value, unit, "card"), scope="s", source="card",
            licence="user's own", vintage="2025", method="m",
        )  # fmt: skip

    made = Development(model_id=MODEL_ID, factors=(factor("training", 2.0, "kgCO2e"),), lifetime_inferences=1e9)
    options = Options(
        by=("model",), draws=500, impact_factors=(factor("water-site/hall", 0.5, "L/kWh"),), developments=(made,)
    )
    assessment = assessed(journal, make_fleet_rows(20), options=options)
    total = assessment.total
    water, development = total.impacts["water_site_l"], total.development_gco2e
    assert water is not None
    assert development is not None
    assert water.value == pytest.approx(total.energy_j / 3.6e6 * 0.5)
    assert development.value == pytest.approx(2000.0 * total.inference_count / 1e9)
    assert total.impacts["e_waste_kg"] is None, "two of the boards have no mass in the table"
    assert {"training", "water-site/hall", "water-grid-DEU"} <= {one.id for one in assessment.factors}
    text = render_assessment(assessment, "Fleet")
    assert numbers.si(development.value, "g") in text
    assert "Water, at the site" in text
    assert "e-waste/raspberry-pi-zero-2-w" in text, "what is missing is named"


def test_a_model_whose_making_is_unknown_has_no_development_figure(journal: Journal) -> None:
    assert assessed(journal, make_fleet_rows(2)).total.development_gco2e is None


def test_the_source_of_an_estimate_stays_short() -> None:
    grams = GramModel()
    for number in range(1000):
        grams.add_energy("a", (1.0, 1.0, 1.0), cause=f"product footprint {number}")
    estimate = grams.estimate("a")
    assert estimate is not None
    assert estimate.source.endswith("and 988 more")
    assert len(grams.causes("a")) == 1000
