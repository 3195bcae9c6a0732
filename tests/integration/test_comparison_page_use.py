"""The comparison's page in a real browser: it asks for nothing, fits a phone, and axe finds nothing serious."""

from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from collector.analysis.comparison.answers import AxisAnswer
from collector.web.comparison_html import render
from tests.fakes.browser import DESKTOP, Scheme, Seen, page_of
from tests.fakes.comparisons import SCENARIO, VIEWS, make_cases, make_comparison, make_inadmissible, make_pair

pytestmark = pytest.mark.browser

PHONE: Final = (390, 844)
LOOKS: Final[tuple[tuple[Scheme, tuple[int, int]], ...]] = (("light", DESKTOP), ("dark", PHONE))
WIDE: Final = """() => [...document.querySelectorAll('main *')].filter(one =>
  one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.scroll, pre, svg')).map(one => one.outerHTML)"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    axes = (AxisAnswer(name="edge.grid", values=("DE", "FR", "SE", "IN"), reference="DE"),)
    views = (VIEWS[0], VIEWS[3])
    pairs = [make_pair(views=views), make_pair(cloud="H100", views=VIEWS[:1]), make_inadmissible()]
    comparison = make_comparison(pairs, axes=axes)
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(comparison, make_cases(axes), SCENARIO * 20, "Keyword spotting"), encoding="utf-8")
    return path.as_uri()


def opened(seen: Seen, address: str) -> None:
    seen.page.goto(address)
    seen.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


def faults(seen: Seen) -> list[str]:
    """Return what axe calls serious or critical, and what its best practices say of landmarks and headings."""
    found = Axe().run(seen.page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:3]}"
        for one in found
        if one["impact"] in {"serious", "critical"} or "cat.semantics" in one["tags"]
    ]


def test_axe_finds_nothing_serious(browser: Browser, address: str) -> None:
    found = {}
    for scheme, size in LOOKS:
        with page_of(browser, size, scheme) as seen:
            opened(seen, address)
            found[f"{scheme}, {size[0]} px"] = faults(seen)
    assert {where: what for where, what in found.items() if what} == {}


def test_it_asks_for_nothing_and_fits_a_phone(browser: Browser, address: str) -> None:
    for size in (DESKTOP, PHONE):
        with page_of(browser, size) as seen:
            opened(seen, address)
            assert seen.requests == [address]
            assert seen.complaints == []
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= size[0]
            assert seen.page.evaluate(WIDE) == []


def test_what_scrolls_is_reached_by_keyboard(browser: Browser, address: str) -> None:
    with page_of(browser, PHONE) as seen:
        opened(seen, address)
        scrolls = seen.page.evaluate(
            "[...document.querySelectorAll('main *')].filter(one => one.scrollWidth > one.clientWidth + 1 && "
            "['auto', 'scroll'].includes(getComputedStyle(one).overflowX)).map(one => one.tabIndex)"
        )
        assert scrolls
        assert set(scrolls) == {0}
