"""A figure as an element of a page: short, with ids of its own, and labels as they are."""

import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from collector.web.svg import INK, STYLE, new_figure, to_svg

LABELS = (
    "costs $5 or $\\frac{",
    'id="x" href="#y" <b>&',
    "漢字 🦔",
    "#010203 url(#z)",
    "a  b",
    "rotate(-0 1.23456 2)",
)


def drawn(name: str, label: str) -> str:
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(2.0)
        axes.barh([0, 1], [1.0, 1.0 / 3.0], hatch="//", facecolor="#2f7ed8", edgecolor=INK)
        axes.errorbar([0.5], [0], xerr=[[0.1], [0.2]], fmt="o", capsize=3)
        axes.set_yticks([0, 1], [label, "other"])
        axes.set_ylabel("upright")
        return to_svg(figure, name, label)


@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_drawn_as_it_is(label: str) -> None:
    root = ET.fromstring(drawn("one", label))
    texts = ["".join(one.itertext()) for one in root.iter("text")]
    assert label in texts
    assert root.attrib["aria-label"] == label
    assert {"other", "upright"} < set(texts)


def test_ids_are_its_own_and_lead_somewhere() -> None:
    root = ET.fromstring(drawn("one", "bar"))
    ids = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
    values = [value for one in root.iter() for value in one.attrib.values()]
    used = {found for value in values for found in re.findall(r"url\(#([^)]+)\)|^#(one-\d+)$", value)}
    assert len(ids) == len(set(ids)) > 2
    assert {first or second for first, second in used} == set(ids)
    assert all(one.startswith("one-") for one in ids)


def test_it_takes_the_pages_colours_and_says_nothing_twice() -> None:
    svg = drawn("one", "bar")
    root = ET.fromstring(svg)
    assert "var(--ink)" in svg
    assert "var(--line)" in svg
    assert INK not in svg
    assert "font-family" not in svg
    assert not re.search(r"\d\.\d{3}", svg)
    assert [one for one in root.iter("g") if not one.attrib] == []
    upright = next(one for one in root.iter("text") if one.text == "upright")
    assert upright.attrib["transform"].startswith("rotate(-90 ")
    assert len(list(root.iter("pattern"))) == 1
