"""The comparison's page in a real browser: it asks for nothing, fits a phone, and axe finds nothing serious."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
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
PAPER: Final = (718, 1040)
"""A4 at 96 dots an inch, within the margins of a browser."""
UNFOLD: Final = "open => document.querySelectorAll('details').forEach(one => one.open = open)"
CUT: Final = """() => [...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth + 1 ||
  one.scrollHeight > one.clientHeight + 1).map(one => one.ariaLabel)"""
WIDE: Final = """() => [...document.querySelectorAll('main *')].filter(one =>
  one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.scroll, pre, svg')).map(one => one.outerHTML)"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    axes = (AxisAnswer(name="edge.grid", values=("DE", "FR", "SE", "IN"), reference="DE"),)
    other = msgspec.structs.replace(make_pair(cloud="H100", views=VIEWS[:1]), curves=(), maps=(), tornados=())
    pairs = [make_pair(views=(VIEWS[0], VIEWS[3])), other, make_inadmissible()]
    comparison = make_comparison(pairs, axes=axes)
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(comparison, make_cases(axes), SCENARIO * 20, "Keyword spotting"), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def shown(browser: Browser, address: str) -> Iterator[Seen]:
    """Return the page with everything unfolded, on a phone; a test sets the width and the scheme that it wants."""
    with page_of(browser, PHONE) as seen:
        seen.page.goto(address)
        seen.page.evaluate(UNFOLD, arg=True)
        yield seen


def sized(seen: Seen, size: tuple[int, int], scheme: Scheme = "light") -> Seen:
    seen.page.set_viewport_size({"width": size[0], "height": size[1]})
    seen.page.emulate_media(color_scheme=scheme, media="screen")
    return seen


def faults(seen: Seen) -> list[str]:
    """Return what axe calls serious or critical, and what its best practices say of landmarks and headings."""
    found = Axe().run(seen.page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:3]}"
        for one in found
        if one["impact"] in {"serious", "critical"} or "cat.semantics" in one["tags"]
    ]


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_axe_finds_nothing_serious(shown: Seen, scheme: Scheme, size: tuple[int, int]) -> None:
    assert faults(sized(shown, size, scheme)) == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_it_asks_for_nothing_and_fits(shown: Seen, address: str, size: tuple[int, int]) -> None:
    sized(shown, size)
    assert shown.requests == [address]
    assert shown.complaints == []
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert shown.page.evaluate(WIDE) == []


def test_what_scrolls_is_reached_by_keyboard_and_no_table_is_cut(shown: Seen) -> None:
    scrolls = sized(shown, PHONE).page.evaluate(
        "[...document.querySelectorAll('main *')].filter(one => one.scrollWidth > one.clientWidth + 1 && "
        "['auto', 'scroll'].includes(getComputedStyle(one).overflowX)).map(one => [one.tagName, one.tabIndex])"
    )
    assert {place for _, place in scrolls} == {0}
    assert {tag for tag, _ in scrolls} == {"PRE"}


def test_on_paper_no_words_are_folded_and_nothing_is_cut(shown: Seen) -> None:
    folded = sized(shown, PAPER).page.locator("details.printed :not(summary)").first
    shown.page.evaluate(UNFOLD, arg=False)
    assert not folded.is_visible()
    shown.page.emulate_media(media="print")
    assert folded.is_visible()
    assert shown.page.evaluate(WIDE) == []
    assert shown.page.evaluate(CUT) == []
    shown.page.evaluate(UNFOLD, arg=True)
