"""A decomposition's page in a real browser: it asks for nothing, fits a phone, and axe finds nothing serious."""

from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from collector.analysis.decomposition.decompose import decompose
from collector.analysis.decomposition.selection import selection_of
from collector.analysis.decomposition.values import Question
from collector.assessment.assess import Stored, gather
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.web.decomposition_html import render_decomposition
from tests.fakes.browser import DESKTOP, Scheme, page_of
from tests.fakes.two_months import INVENTORY, fleet_rows, write_lake

pytestmark = pytest.mark.browser

PHONE: Final = (390, 844)
LOOKS: Final[tuple[tuple[Scheme, tuple[int, int]], ...]] = (("light", DESKTOP), ("dark", PHONE))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("decomposition")
    stored, known = Stored(lake=write_lake(folder / "lake", fleet_rows(2))), parse_inventory(INVENTORY)
    table = load_yearly_table()
    sides = selection_of("2026-01-01..2026-01-03"), selection_of("2026-02-01..2026-02-03")
    found = decompose(
        *sides, lambda side: gather(stored, known, table, side.period), known, Question(by=("device",), draws=500)
    )
    path = folder / "page.html"
    path.write_text(render_decomposition(found, "What changed", "edgejoule decompose A B"), encoding="utf-8")
    return path.as_uri()


def test_it_asks_for_nothing_fits_a_phone_and_axe_finds_nothing_serious(browser: Browser, address: str) -> None:
    for scheme, size in LOOKS:
        with page_of(browser, size, scheme) as seen:
            seen.page.goto(address)
            assert seen.requests == [address]
            assert seen.complaints == []
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= size[0]
            found = Axe().run(seen.page).response["violations"]
            serious = [one["id"] for one in found if one["impact"] in {"serious", "critical"}]
            assert serious == [], f"{scheme}, {size}: {[one['nodes'][0]['html'][:200] for one in found]}"
            figure = seen.page.get_by_role("img")
            assert figure.get_attribute("aria-label")
            box, value = figure.bounding_box(), figure.locator("text", has_text=" g").last.bounding_box()
            assert box is not None
            assert value is not None
            assert box["x"] >= 0.0
            assert box["x"] + box["width"] <= size[0], "a figure that has to be scrolled shows half of its answer"
            assert value["height"] >= 9.0, "too small to be read"
