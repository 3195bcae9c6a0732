"""What must hold for every source of grid intensities: its passport, its kinds, and that it can be asked in words."""

import pytest

from collector.carbon.factor_checks import licence_fault
from collector.intensity.source import SourceKind, all_sources, source_kind, source_names
from edge_agent.wire.errors import ConfigurationError

SOURCES = [pytest.param(one, id=one.name) for one in all_sources()]


def test_the_sources_are_found_by_their_files() -> None:
    assert {"series", "uk_carbon_intensity", "energidataservice", "electricity_maps", "watttime", "entsoe"} <= set(
        source_names()
    )
    assert len({one.passport.id for one in all_sources()}) == len(source_names())


@pytest.mark.parametrize("source", SOURCES)
def test_a_passport_is_complete_and_claims_no_more_than_its_licence(source: SourceKind) -> None:
    passport = source.passport
    for text in (passport.id, passport.name, passport.scope, passport.licence, passport.method, source.zones_help):
        assert text.strip()
        assert "\n" not in text
    assert not passport.may_ship or licence_fault(passport.licence) is None


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_offers_kinds_and_says_what_key_it_needs(source: SourceKind) -> None:
    assert source.kinds
    assert set(source.kinds) <= {"average", "marginal"}
    assert source.name == source_kind(source.name, "test").name
    low, high = source.passport.range_ratio
    assert 0.0 < low < 1.0 < high


def test_a_source_that_is_none_is_one_line_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"^\[intensity\]: there is no source .* did you mean watttime"):
        source_kind("watt-time", "[intensity]")
