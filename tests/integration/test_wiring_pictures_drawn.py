"""The wiring pictures in a real browser: no line of text leaves its picture or lies on another, light and dark."""

import pytest
from playwright.sync_api import Browser

from docs.wiring_figures.description import IMAGES
from tests.fakes.browser import Scheme, page_of

pytestmark = pytest.mark.browser

PHONE = (390, 844)
FAULTS = """() => {
  const picture = document.documentElement.getBoundingClientRect();
  const texts = [...document.querySelectorAll('text')].map(one => [one.textContent, one.getBoundingClientRect()]);
  const outside = texts.filter(([, box]) => box.left < picture.left + 2 || box.right > picture.right - 2
                                            || box.bottom > picture.bottom);
  const over = texts.flatMap(([words, box], place) => texts.slice(place + 1)
    .filter(([, other]) => box.left < other.right && other.left < box.right
                           && box.top + 3 < other.bottom && other.top + 3 < box.bottom)
    .map(([others]) => words + ' / ' + others));
  return [texts.length, outside.map(([words]) => words), over];
}"""
GROUNDS = """() => getComputedStyle(document.querySelector('.ground')).fill"""


@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(15, 20, 26)")])
def test_every_word_has_room(browser: Browser, scheme: Scheme, ground: str) -> None:
    with page_of(browser, PHONE, scheme) as seen:
        for path in sorted(IMAGES.glob("*.svg")):
            seen.page.goto(path.as_uri())
            count, outside, over = seen.page.evaluate(FAULTS)
            assert count > 5, path.name
            assert outside == [], path.name
            assert over == [], path.name
            assert seen.page.evaluate(GROUNDS) == ground
        assert seen.complaints == []


def test_on_paper_a_picture_is_light_whatever_the_screen_is(browser: Browser) -> None:
    with page_of(browser, PHONE, "dark") as seen:
        seen.page.goto((IMAGES / "tc66c-pi.svg").as_uri())
        seen.page.emulate_media(media="print")
        assert seen.page.evaluate(GROUNDS) == "rgb(255, 255, 255)"
