"""The provider over the store: what holds, what stands in, and the passports of both."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from collector.assess import Assessor
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.intensity.store import IntensityStore
from collector.intensity.stored import DAY_NS, StoredIntensity
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from edge_agent.wire.errors import ConfigurationError

HOUR_NS = 3_600_000_000_000
MIDNIGHT = 20_000 * DAY_NS
ZONES = {"GB": (("uk", "national"), ("backup", "GB")), "DK1": (("eds", "DK1"),)}
GB_YEARLY = 216.0


def said(
    hour: int, value: float, fetched_at: int = 1, source: str = "uk", zone: str = "national"
) -> IntensityRevision:
    return IntensityRevision(
        source=source,
        zone=zone,
        kind="average",
        valid_from_unix_ns=MIDNIGHT + hour * HOUR_NS,
        valid_to_unix_ns=MIDNIGHT + (hour + 1) * HOUR_NS,
        gco2e_per_kwh=value,
        fetched_at_unix_ns=fetched_at,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[IntensityStore]:
    with closing(IntensityStore(tmp_path / "intensity.sqlite3")) as opened:
        opened.add_passport(
            SourcePassport(
                id="uk", name="UK", url="https://uk.example", scope="imports too", licence="CC-BY-4.0", method="model"
            )
        )
        yield opened


def provider(store: IntensityStore, known_at_unix_ns: int | None = None) -> StoredIntensity:
    return StoredIntensity(
        store,
        load_yearly_table(),
        "average",
        ZONES,
        yearly_zones={"DK1": "DK"},
        known_at_unix_ns=known_at_unix_ns,
    )


def hours(intensity: StoredIntensity, zone: str, count: int) -> list[tuple[float, str]]:
    starts = MIDNIGHT + np.arange(count, dtype=np.int64) * HOUR_NS
    mean = intensity.timeline(zone, int(starts[0]), int(starts[-1]) + HOUR_NS).mean_over(starts, starts + HOUR_NS)
    found: list[tuple[float, str]] = []
    for number, value in enumerate(mean.gco2e_per_kwh):
        quality = next(name for name, share in mean.quality_ratio.items() if share[number] == 1.0)
        found.append((round(float(value)), quality))
    return found


def test_sources_by_preference_and_the_yearly_average_under_them(store: IntensityStore) -> None:
    store.add([said(0, 100.0), said(2, 120.0), said(1, 300.0, source="backup", zone="GB"), said(0, 7.0, zone="DK1")])
    intensity = provider(store)
    assert hours(intensity, "GB", 4) == [
        (100, "actual"), (300, "actual"), (120, "actual"), (GB_YEARLY, "yearly"),
    ]  # fmt: skip
    assert hours(intensity, "gb", 1) == [(100, "actual")], "letter case does not matter"
    found = intensity.at("GB", MIDNIGHT + HOUR_NS - 1)
    assert found is not None
    assert (found.factor.id, found.factor.estimate.value) == ("uk:national:average", 100.0)
    assert found.factor.vintage == "2024-10-04T00:00Z to 2024-10-04T01:00Z, fetched 1970-01-01T00:00Z"
    assert intensity.at("GB", MIDNIGHT) is found, "the same step is the same object"
    beyond = intensity.at("GB", MIDNIGHT + 9 * HOUR_NS)
    assert beyond is not None
    assert beyond.factor.id == "GBR"


def test_a_zone_of_a_source_takes_its_countrys_yearly_average(store: IntensityStore) -> None:
    intensity = provider(store)
    found, yearly = intensity.at("DK1", MIDNIGHT), intensity.yearly("DK1")
    assert found is not None
    assert found == yearly
    assert found.factor.id == "DNK"
    assert hours(intensity, "DK1", 1) == [(round(found.factor.estimate.value), "yearly")]
    intensity.check_zone("DK1", "here")
    intensity.check_zone("FR", "here")
    with pytest.raises(ConfigurationError, match="here: no intensity for zone 'GX'"):
        intensity.check_zone("GX", "here")


def test_as_known_at_a_moment(store: IntensityStore) -> None:
    store.add([said(0, 100.0, fetched_at=10)])
    store.add([said(0, 104.0, fetched_at=20)])
    assert hours(provider(store, 5), "GB", 1) == [(GB_YEARLY, "yearly")]
    assert hours(provider(store, 15), "GB", 1) == [(100, "actual")]
    assert hours(provider(store), "GB", 1) == [(104, "actual")]


def test_what_comes_to_be_known_shows_at_once(store: IntensityStore) -> None:
    intensity = provider(store)
    assert hours(intensity, "GB", 1) == [(GB_YEARLY, "yearly")]
    store.add([said(0, 100.0)])
    found = intensity.at("GB", MIDNIGHT)
    assert found is not None
    assert found.factor.estimate.value == 100.0
    assert hours(intensity, "GB", 1) == [(100, "actual")]


def test_passports_of_what_was_used(store: IntensityStore) -> None:
    store.add([said(0, 100.0), said(1, 140.0), said(2, 300.0, source="backup", zone="GB")])
    intensity = provider(store)
    used = {one.id: one for one in intensity.passports("GB", MIDNIGHT + HOUR_NS // 2, MIDNIGHT + 4 * HOUR_NS)}
    assert list(used) == ["uk:national:average", "backup:GB:average", "GBR"]
    uk = used["uk:national:average"]
    assert uk.estimate.value == pytest.approx((0.5 * 100.0 + 140.0) / 1.5)
    assert uk.estimate.low < uk.estimate.value < uk.estimate.high
    assert (uk.licence, uk.scope, uk.source) == ("CC-BY-4.0", "imports too", "UK, https://uk.example")
    assert used["backup:GB:average"].licence == "not stated"
    assert [one.id for one in intensity.passports("GB", MIDNIGHT, MIDNIGHT + HOUR_NS)] == ["uk:national:average"]
    assert [one.id for one in intensity.passports("GB")] == ["uk:national:average", "backup:GB:average"]
    assert [one.id for one in intensity.passports("FR")] == ["FRA"]


def test_a_marginal_provider_leaves_holes_and_has_no_yearly_average(store: IntensityStore) -> None:
    store.add([said(0, 100.0)])
    marginal = StoredIntensity(store, None, "marginal", {"GB": (("uk", "national"),)})
    assert marginal.at("GB", MIDNIGHT) is None, "average values are no marginal ones"
    assert marginal.yearly("GB") is None
    assert marginal.passports("GB") == ()
    assert len(marginal.timeline("GB", MIDNIGHT, MIDNIGHT + HOUR_NS)) == 0
    with pytest.raises(ConfigurationError, match="no marginal intensity for zone 'DE'; known: GB"):
        marginal.check_zone("DE", "here")
    with pytest.raises(ConfigurationError, match="average intensities cannot stand in for marginal ones"):
        StoredIntensity(store, load_yearly_table(), "marginal", {})


def test_what_is_kept_in_memory_is_bounded(store: IntensityStore) -> None:
    store.add([said(hour, float(hour)) for hour in range(24 * 30)])
    intensity = StoredIntensity(store, load_yearly_table(), "average", ZONES, kept_steps=100)
    for day in range(30):
        found = intensity.at("GB", MIDNIGHT + day * DAY_NS)
        assert found is not None
        assert found.factor.estimate.value == day * 24
    assert 24 <= sum(map(len, intensity._kept.values())) <= 100
    month = intensity.timeline("GB", MIDNIGHT, MIDNIGHT + 30 * DAY_NS)
    assert len(month) == 720
    assert list(map(len, intensity._kept.values())) == [720], "the newest stays however long it is"


def test_an_assessor_takes_it(store: IntensityStore) -> None:
    store.add([said(0, 100.0)])
    inventory = parse_inventory('[[device]]\nid = "pi"\nzone = "GB"\n')
    carbon = Assessor(inventory, provider(store)).assess(
        "pi", energy_j=3.6e6, energy_u_j=0.0, start_unix_ns=MIDNIGHT, duration_s=60.0
    )
    assert carbon.operational is not None
    assert carbon.operational.value == pytest.approx(100.0)


def test_two_spellings_of_a_zone_are_one_zone(store: IntensityStore) -> None:
    store.add([said(0, 10.0, zone="dk1"), said(1, 20.0, zone="DK1")])
    zones = {"dk1": [("uk", "dk1")], "DK1": [("uk", "DK1")]}
    found = StoredIntensity(store, None, "average", zones).timeline("Dk1", MIDNIGHT, MIDNIGHT + DAY_NS)
    assert found.gco2e_per_kwh.tolist() == [10.0, 20.0]
