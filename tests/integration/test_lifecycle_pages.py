"""Pages of refresh, lifecycle and frontier in a real browser: they ask for nothing, fit a phone, axe finds nothing."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from edgejoule.cli import main
from tests.fakes.browser import DESKTOP, Scheme, page_of

pytestmark = pytest.mark.browser

PHONE = (390, 844)
REFRESH = ["--old-w", "15", "--new-w", "7", "--new-kg", "27.7", "--age", "2", "--life", "5", "--zones", "DE"]


@pytest.mark.parametrize(
    ("words", "scheme", "size"),
    [
        (["refresh", *REFRESH], "dark", PHONE),
        (["lifecycle", "--task", "clothes"], "light", PHONE),
        (["frontier", "--task", "clothes"], "dark", DESKTOP),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_page_is_whole_fits_and_can_be_read(
    browser: Browser, tmp_path: Path, words: list[str], scheme: Scheme, size: tuple[int, int]
) -> None:
    path = tmp_path / "page.html"
    assert main([*words, "--draws", "100", "--html", str(path)]) == 0
    with page_of(browser, size, scheme) as seen:
        seen.page.goto(path.as_uri())
        assert seen.requests == [path.as_uri()]
        assert seen.complaints == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        found = Axe().run(seen.page).response["violations"]
        serious = [one["id"] for one in found if one["impact"] in {"serious", "critical"}]
        assert serious == [], [one["nodes"][0]["html"][:200] for one in found]
        paper, ink = (
            seen.page.evaluate(f"getComputedStyle(document.querySelector({what})).{style}")
            for what, style in (("'section'", "backgroundColor"), ("'figure svg text'", "fill"))
        )
        dark = scheme == "dark"
        assert (_light(paper) < 0.5) is dark
        assert (_light(ink) > 0.5) is dark


def _light(colour: str) -> float:
    """Return how light a colour of the form ``rgb(1, 2, 3)`` is, 0 to 1."""
    parts = colour.partition("(")[2].rstrip(")").split(",")
    return sum(float(part) for part in parts[:3]) / (3 * 255)
