"""ENTSO-E's documents of generation: what they say, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.intensity.entsoe_areas import AREAS, is_eic
from collector.intensity.entsoe_document import Block, parse_generation, resolution_s
from collector.intensity.errors import SourceError
from tests.fakes.entsoe_platform import Series, acknowledgement, document, series_xml

START = 1_709_596_800
AREA = AREAS["DE"]


def parse(*series: Series) -> list[Block]:
    return parse_generation(document([series_xml(one, AREA) for one in series]), "here")


def seen(blocks: list[Block]) -> list[tuple[int, int, float]]:
    """Return start and end in quarters of an hour after ``START``, and MW."""
    quarter_ns = 900 * 10**9
    origin = START * 10**9
    return [
        ((b.start_unix_ns - origin) // quarter_ns, (b.end_unix_ns - origin) // quarter_ns, b.power_w / 1e6)
        for b in blocks
    ]


def test_each_point_is_power_over_its_own_step() -> None:
    blocks = parse(Series("B05", [100.0, 250.5, 90.0], START))
    assert seen(blocks) == [(0, 1, 100.0), (1, 2, 250.5), (2, 3, 90.0)]
    assert {(b.psr_type, b.consumed, b.step_ns) for b in blocks} == {("B05", False, 900 * 10**9)}


def test_points_left_out_by_curve_a03_last_until_the_next_one_or_the_end() -> None:
    series = Series("B14", [100.0, 100.0, 100.0, 70.0, 70.0], START, curve="A03")
    assert "<position>2<" not in series_xml(series, AREA)
    assert seen(parse(series)) == [(0, 3, 100.0), (3, 5, 70.0)]


def test_points_left_out_by_curve_a01_are_gaps() -> None:
    assert seen(parse(Series("B14", [100.0, None, 70.0], START))) == [(0, 1, 100.0), (2, 3, 70.0)]


def test_what_comes_before_the_first_point_of_a03_is_a_gap() -> None:
    assert seen(parse(Series("B14", [None, 70.0, 70.0], START, curve="A03"))) == [(1, 3, 70.0)]


def test_consumption_is_told_from_generation() -> None:
    blocks = parse(Series("B10", [5.0], START), Series("B10", [80.0], START, consumed=True))
    assert [(b.consumed, b.power_w) for b in blocks] == [(False, 5e6), (True, 80e6)]


def test_kilowatts_are_read_as_such() -> None:
    assert parse(Series("B16", [5.0], START, unit="KWT"))[0].power_w == 5e3


def test_an_acknowledgement_without_data_is_no_block() -> None:
    assert parse_generation(acknowledgement("No matching data found for Data item X").body, "here") == []


def test_an_acknowledgement_that_refuses_is_told_in_its_own_words() -> None:
    with pytest.raises(SourceError, match=r"^here: refused: the area is unknown$") as caught:
        parse_generation(acknowledgement("the area is unknown").body, "here")
    assert not caught.value.retry


GOOD = document([series_xml(Series("B05", [100.0, 250.5], START), AREA)])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"MAW", b"MWH", "quantities of 'B05' in 'MWH'"),
        (b"A01</curveType", b"A05</curveType", "curve type 'A05'"),
        (b"PT15M", b"P1Y", "resolution 'P1Y'"),
        (b"PT15M", b"PT20M", "a period of 1800 s with steps of 1200 s"),
        (b"<position>2<", b"<position>3<", "position '3' in a period of 2"),
        (b"<position>2<", b"<position>1<", "position 1 stands twice"),
        (b"<position>2<", b"<position>0<", "position '0'"),
        (b">250.5<", b">nan<", "quantity 'nan'"),
        (b">250.5<", b">much<", "could not convert"),
        (b"<psrType>B05</psrType>", b"", "0 times psrType"),
        (b"2024-03-05T00:00Z", b"2024-03-05T00:00", "without a zone"),
        (b"2024-03-05T00:00Z", b"yesterday", "yesterday"),
        (b"GL_MarketDocument", b"Publication_MarketDocument", "Publication_MarketDocument instead of"),
    ],
)
def test_what_is_not_as_documented_is_one_line_and_final(old: bytes, new: bytes, says: str) -> None:
    assert old in GOOD
    with pytest.raises(SourceError) as caught:
        parse_generation(GOOD.replace(old, new), "here")
    assert str(caught.value).startswith("here: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not caught.value.retry


@pytest.mark.parametrize("body", [GOOD[:-30], b"", b"busy", "\u00e9".encode("latin-1")])
def test_half_a_document_is_worth_another_try(body: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        parse_generation(body, "here")
    assert caught.value.retry


def test_archives_and_declared_entities_are_refused() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "cc">]><GL_MarketDocument>&b;</GL_MarketDocument>'
    with pytest.raises(SourceError, match="declares types or entities"):
        parse_generation(bomb, "here")
    with pytest.raises(SourceError, match="ZIP archive"):
        parse_generation(b"PK\x03\x04", "here")


@given(st.binary() | st.binary().map(lambda part: GOOD[:300] + part + GOOD[300:]))
def test_any_bytes_are_blocks_or_one_line(body: bytes) -> None:
    try:
        parse_generation(body, "here")
    except SourceError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017  not raising is as good


def each_step(blocks: list[Block]) -> list[tuple[int, float]]:
    return [(at, b.power_w) for b in blocks for at in range(b.start_unix_ns, b.end_unix_ns, b.step_ns)]


MW = st.one_of(st.none(), st.sampled_from([0.0, 5.0, 7.5, 1e5]))


@given(st.lists(MW, min_size=1, max_size=40), st.sampled_from([900, 1800, 3600]))
def test_both_curves_say_the_same(values: list[float | None], step_s: int) -> None:
    known = [value for value in values if value is not None] or [1.0]
    plain = parse(Series("B04", list(known), START, step_s))
    short = parse(Series("B04", list(known), START, step_s, curve="A03"))
    assert each_step(short) == each_step(plain)
    assert len(short) <= len(plain) == len(known)


@pytest.mark.parametrize(("text", "seconds"), [("PT15M", 900), ("PT1H", 3600), ("PT60M", 3600), ("P1D", 86_400)])
def test_resolutions_are_read(text: str, seconds: int) -> None:
    assert resolution_s(text) == seconds


@pytest.mark.parametrize("text", ["P", "PT", "PT0M", "P1M", "15M", "", "PT-1H"])
def test_other_durations_are_no_resolution(text: str) -> None:
    with pytest.raises(ValueError, match="resolution"):
        resolution_s(text)


@pytest.mark.parametrize("name", AREAS)
def test_every_area_has_a_code_with_a_right_check_character(name: str) -> None:
    assert is_eic(AREAS[name])


@pytest.mark.parametrize("code", ["10YFR-RTE------D", "10YFR-RTE-----C", "10XFR-RTE------C", "DE", "10yFR-RTE------C"])
def test_other_codes_are_no_area(code: str) -> None:
    assert not is_eic(code)
