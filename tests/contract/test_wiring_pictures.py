"""docs/images/wiring: each picture is what its description makes, and says only what driver and board allow."""

import re
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from docs.wiring_figures.description import FIGURES_FILE, IMAGES, Chain, Pins, load_figures
from docs.wiring_figures.drawing import draw
from docs.wiring_figures.limits import PAGE as METERS_PAGE
from docs.wiring_figures.limits import written_again
from docs.wiring_figures.palette import DARK, LIGHT, TEXT_ON
from docs.wiring_figures.svg import WIDTH, text_width, wrapped
from edge_agent.config import AlignSection
from firmware_bridge.driver_table import BOARDS, carries
from firmware_bridge.registry import all_drivers, get_driver

PAGE: Final = Path(__file__).parents[2] / "docs" / "wiring.md"
FIGURES: Final = {figure.id: figure for figure in load_figures()}
CHAINS: Final = [figure for figure in FIGURES.values() if isinstance(figure, Chain)]
MARKERS: Final = [figure for figure in FIGURES.values() if isinstance(figure, Pins)]
SVG: Final = "{http://www.w3.org/2000/svg}"
LEAST_CONTRAST: Final = 4.5
"""WCAG 2.2, 1.4.3, for text of this size."""


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_what_its_description_makes(name: str) -> None:
    assert (IMAGES / f"{name}.svg").read_text(encoding="utf-8") == draw(FIGURES[name]), "python -m docs.wiring_figures"


def test_there_is_no_other_picture() -> None:
    assert {path.stem for path in IMAGES.iterdir()} == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_says_in_words_what_it_shows(name: str) -> None:
    root = ET.fromstring((IMAGES / f"{name}.svg").read_text(encoding="utf-8"))
    labels = [root.find(f"{SVG}{tag}") for tag in ("title", "desc")]

    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "t d"
    assert [label.get("id") for label in labels if label is not None] == ["t", "d"]
    assert all(label is not None and (label.text or "").strip() for label in labels)
    assert root.get("viewBox", "").split()[2] == str(WIDTH), "on a phone a unit is nearly a pixel"
    assert not list(root.iter(f"{SVG}image"))
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", (IMAGES / f"{name}.svg").read_text(encoding="utf-8"))


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.id)
def test_the_meter_offers_the_boundary_and_carries_the_boards(chain: Chain) -> None:
    sheet = get_driver(chain.driver).data_sheet
    boards = {board.name: board for board in BOARDS}

    assert chain.boundary in sheet.boundaries
    for name in chain.boards:
        assert carries(sheet, boards[name]), f"{chain.driver} does not carry a {name}"


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.id)
def test_mains_are_never_shown_without_a_warning(chain: Chain) -> None:
    is_opened = chain.boundary == "ac_wall"

    assert bool(chain.warning) == is_opened
    assert chain.warning in draw(chain), "the words for those who cannot see it begin with it"


@pytest.mark.parametrize("pins", MARKERS, ids=lambda pins: pins.id)
def test_a_marker_line_ends_at_an_input_that_the_meter_has(pins: Pins) -> None:
    keys = dict(re.findall(r"(\w+) = (\"[^\"]*\"|\d+)", pins.note))
    section = msgspec.convert(
        tomllib.loads("\n".join(f"{key} = {value}" for key, value in keys.items())), AlignSection
    )

    assert section.gpio_chip
    assert section.gpio_line
    assert section.marker_input < get_driver(pins.driver).data_sheet.marker_inputs
    assert any(wire.what == "ground" for wire in pins.wires)


def test_the_page_shows_every_picture_with_words_beside_it() -> None:
    shown = dict(re.findall(r"!\[([^\]]+)\]\(images/wiring/([^)]+)\.svg\)", PAGE.read_text(encoding="utf-8")))

    assert sorted(shown.values()) == sorted(FIGURES)
    assert all(len(words) > 20 for words in shown)


def test_the_page_of_meters_has_the_limits_of_today_and_names_every_meter() -> None:
    page = METERS_PAGE.read_text(encoding="utf-8")

    assert page == written_again(page), "python -m docs.wiring_figures"
    assert {driver.name for driver in all_drivers()} <= set(re.findall(r"`(\w+)`", page))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(palette: dict[str, str]) -> None:
    for text, ground in TEXT_ON:
        dark, bright = sorted((luminance(palette[text]), luminance(palette[ground])))
        assert (bright + 0.05) / (dark + 0.05) >= LEAST_CONTRAST, f"{text} on {ground}"
    assert set(LIGHT) == set(DARK)


def broken_descriptions() -> Iterator[tuple[str, str]]:
    text = FIGURES_FILE.read_text(encoding="utf-8")
    yield text.replace('role = "meter"', 'role = "board"', 1), "one part is the meter"
    yield text.replace("boundary = ", "boundry = ", 1), "boundry"
    yield text.replace('title = "TC66C and a Raspberry Pi 4 or 5"', 'title = ""', 1), "length"


@pytest.mark.parametrize(("text", "named"), list(broken_descriptions()), ids=["no meter", "unknown key", "no title"])
def test_a_description_that_cannot_be_drawn_is_refused(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "figures.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(msgspec.ValidationError, match=named):
        load_figures(path)


def test_lines_fit_keep_numbers_with_their_units_and_lose_no_word() -> None:
    text = "a supply of 5 V for a board that may take as much as 1 A when it starts"
    for width in (80, 120, 200):
        lines = wrapped(text, width)
        assert all(text_width(line) <= width for line in lines)
        assert " ".join(lines).replace("\N{NO-BREAK SPACE}", " ") == text
        assert not any(re.match(r"[VA]\b", line) for line in lines)
    with pytest.raises(ValueError, match="does not fit"):
        wrapped(text, 20)
