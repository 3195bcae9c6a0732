"""A change of a fleet's grams as effects: against plain reckonings, exact, the same on the way back, honest."""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from collector.analysis.decomposition.decompose import decompose
from collector.analysis.decomposition.selection import Selection, selection_of
from collector.analysis.decomposition.values import EFFECTS, Decomposition, Question
from collector.analysis.decomposition.words import verdict_of
from collector.assessment.assess import Gathered, Period, Stored, assess, gather
from collector.assessment.roll_up import roll_up
from collector.assessment.values import Options
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.two_months import FEBRUARY, INVENTORY, JANUARY, NEWER_SHA256, fleet_rows, hours, write_lake
from tests.fakes.windows import JETSON, PI4, PI_ZERO

A, B = "2026-01-01..2026-01-08", "2026-02-01..2026-02-08"
FEW: Final = Question(draws=2000)
TABLE: Final = load_yearly_table()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("months"), fleet_rows(7))


def decomposed(
    lake: Path, before: str = A, after: str = B, asked: Question = FEW, inventory: str = INVENTORY
) -> Decomposition:
    def gathered(side: Selection) -> Gathered:
        return read(lake, inventory, side.period, side.by_release, len(list(lake.glob("date=*/*"))))

    return decompose(selection_of(before), selection_of(after), gathered, parse_inventory(inventory), asked)


@lru_cache
def read(lake: Path, inventory: str, period: Period, by_release: bool, _files: int) -> Gathered:  # noqa: FBT001  a key
    return gather(Stored(lake=lake), parse_inventory(inventory), TABLE, period, Options(by_release=by_release))


def plain(found: Decomposition) -> dict[str, float]:
    return {one.name: one.gco2e_per_day.value for one in found.effects}


def grams_a_day(energy_j: float, zone: str) -> float:
    intensity = TABLE.yearly(zone)
    assert intensity is not None
    return energy_j / 3.6e6 * intensity.factor.estimate.value


def test_every_effect_by_plain_logarithms(lake: Path) -> None:
    found = plain(decomposed(lake))
    before, after = grams_a_day(4.1 * 86_400, "DE"), grams_a_day(2 * 3.6 * 86_400, "DE")
    mean = (after - before) / math.log(after / before)
    gone = grams_a_day(1.15 * 86_400, "SE")
    per_inference = (3.6 * 3600 / 2_000_000) / (4.1 / 410.0)
    assert found["fleet_size"] == pytest.approx(mean * math.log(2.0) - gone, rel=1e-9)
    assert found["inferences_per_device"] == pytest.approx(mean * math.log(2_000_000 / (410 * 3600)), rel=1e-9)
    assert found["energy_per_inference"] == pytest.approx(mean * math.log(per_inference), rel=1e-9)
    assert found["grid_intensity"] == pytest.approx(0.0, abs=1e-9)
    assert found["energy_per_device"] == 0.0


def test_it_sums_to_the_change_and_reverses(lake: Path) -> None:
    there, back = decomposed(lake), decomposed(lake, B, A)
    assert there.has_embodied
    assert math.fsum(plain(there).values()) == pytest.approx(there.change.value, rel=1e-9)
    assert there.after.total.value - there.before.total.value == pytest.approx(there.change.value, rel=1e-9)
    assert plain(back) == pytest.approx({name: -value for name, value in plain(there).items()}, rel=1e-9)
    ratios = [one.ratio for one in there.effects]
    assert there.ratio is not None
    assert math.prod(one for one in ratios if one is not None) == pytest.approx(there.ratio, rel=1e-9)
    for group in there.groups:
        assert math.fsum(group.effects.values()) == pytest.approx(group.change_gco2e_per_day, rel=1e-9)
    assert abs(there.residual_ratio) < 1e-12


def test_hardware_by_its_devices_and_their_years(lake: Path) -> None:
    """One board more of the same kind is fleet size alone; the retired one takes its charge with it."""
    found = decomposed(lake)
    assert found.before.embodied is not None
    assert found.after.embodied is not None
    (pi4, zero) = found.groups
    assert (pi4.name, zero.name) == ("raspberry-pi-4b-4gb", "raspberry-pi-zero-2-w")
    assert pi4.after.embodied_gco2e == pytest.approx(2.0 * pi4.before.embodied_gco2e, rel=1e-9)
    assert plain(found)["embodied_per_device"] == pytest.approx(0.0, abs=1e-9)
    change = pi4.before.embodied_gco2e - zero.before.embodied_gco2e
    assert plain(found)["embodied_fleet_size"] == pytest.approx(change, rel=1e-9)
    assert zero.after.charged_devices == 0.0


def test_what_both_sides_share_leaves_their_difference(lake: Path) -> None:
    """The grid's range is wide, but an unchanged grid changes nothing in any world; meters of one type err alike."""
    found = decomposed(lake)
    (grid,) = (one.gco2e_per_day for one in found.effects if one.name == "grid_intensity")
    assert max(abs(end) for end in grid.range) < 1e-9
    (efficiency,) = (one.gco2e_per_day for one in found.effects if one.name == "energy_per_inference")
    assert efficiency.low < efficiency.value < efficiency.high < 0.0
    for one in found.effects:
        assert one.gco2e_per_day.low <= one.gco2e_per_day.value <= one.gco2e_per_day.high


def test_rebound_is_volume_over_efficiency(lake: Path) -> None:
    found = decomposed(lake)
    effects = plain(found)
    volume = effects["fleet_size"] + effects["inferences_per_device"]
    rebound = found.rebound
    assert rebound.ratio == pytest.approx(volume / -effects["energy_per_inference"])
    assert rebound.ratio is not None
    assert rebound.ratio > 1.0
    assert rebound.reading.startswith("backfire: ")
    assert rebound.gain_probability == 1.0
    back = decomposed(lake, B, A).rebound
    assert back.ratio is None
    assert back.reading.startswith("no value: an inference took more energy than before")


def test_one_device_over_two_months_has_a_partial_rebound(lake: Path) -> None:
    rebound = decomposed(lake, f"device=pi4-01,period={A}", f"device=pi4-01,period={B}").rebound
    assert rebound.ratio is not None
    assert 0.0 < rebound.ratio < 1.0
    assert rebound.reading.startswith("partial rebound: of ")


def test_releases_are_told_apart(lake: Path) -> None:
    whole = "period=2026-01-01..2026-03-01"
    old, new = f"sha256=5d5d,{whole}", f"sha256={NEWER_SHA256[:6]},runtime=litert 2.*,{whole}"
    found = decomposed(lake, old, new)
    assert found.before.device_count == 2
    assert found.after.device_count == 2
    assert found.after.levels.inferences == pytest.approx(2 * 7 * 24 * 2_000_000 / 14)
    with pytest.raises(ConfigurationError, match=r"sha256=77,.*no windows there; sha256 is there: 5d5d"):
        decomposed(lake, f"sha256=77,{whole}", new)


def test_releases_need_windows(tmp_path: Path) -> None:
    rows = fleet_rows(1)
    lake = write_lake(tmp_path, rows)
    roll_up(lake, "2026-01-01", "2026-03-01")
    side = "sha256=5d,period=2026-01-01"
    assert decomposed(lake, side, "2026-02-01").before.windows == 48
    for file in (tmp_path / "date=2026-01-01").iterdir():
        file.unlink()
    with pytest.raises(ConfigurationError, match="2026-01-01 some windows are left as a roll-up alone"):
        decomposed(lake, side, "2026-02-01")
    by_model = decomposed(lake, "model=digits*,period=2026-01-01", "2026-02-01")
    assert by_model.before.levels.inferences == pytest.approx((410 + 120) * 86_400)


def test_silent_days_are_unknown_unless_they_were_off(lake: Path) -> None:
    unknown = decomposed(lake, A, "2026-02")
    assert unknown.after.days == 28.0
    assert unknown.after.days_with_data == 7.0
    assert unknown.after.levels.devices == pytest.approx(2.0)
    assert any("B has windows on 7 of 28 days; the others are unknown" in note for note in unknown.notes)
    assert any("the periods have 7 and 28 days: all figures are per day" in note for note in unknown.notes)
    off = decomposed(lake, A, "2026-02", msgspec.structs.replace(FEW, silent_days="off"))
    assert off.after.levels.devices == pytest.approx(0.5)
    assert off.after.levels.embodied_gco2e == pytest.approx(unknown.after.levels.embodied_gco2e)
    assert any("taken to have been off" in note for note in off.notes)


def test_gaps_do_not_look_like_efficiency(tmp_path: Path) -> None:
    half: dict[str, Any] = {"gap_s": 1800.0, "energy_j": 4.1 * 1800.0}
    lake = write_lake(tmp_path, [*hours(PI4, JANUARY, 24), *hours(PI4, FEBRUARY, 24, 100, **half)])
    found = decomposed(lake, "2026-01-01", "2026-02-01")
    assert plain(found)["energy_per_inference"] == pytest.approx(0.0, abs=1e-9)
    assert found.after.coverage_ratio == pytest.approx(0.5)
    assert any("B: 50.0\N{NO-BREAK SPACE}% of the windows' time has no sample" in note for note in found.notes)


def test_what_is_unknown_is_left_out_of_both_sides_and_told(tmp_path: Path) -> None:
    rows = [*hours(PI4, JANUARY, 24), *hours(JETSON, JANUARY, 24, 100), *hours(JETSON, FEBRUARY, 24, 400)]
    lake = write_lake(tmp_path, [*rows, *hours(PI4, FEBRUARY, 24, 200, gap_s=3600.0, energy_j=0.0)])
    found = decomposed(lake, "2026-01-01", "2026-02-01", inventory=INVENTORY + '[[device]]\nid = "jetson-01"\n')
    assert found.before.levels.devices == found.after.levels.devices == 1.0
    assert found.change.value == pytest.approx(0.0, abs=1e-9)
    assert found.after.left_out == {"no sample of their energy, or none above zero": ("pi4-01",)}
    assert found.before.left_out == {"nothing known of them on the other side": ("pi4-01",)}
    assert verdict_of(found).startswith("Of what is known, emissions did not change")


def test_energy_without_inferences_stands_in_a_line_of_its_own(tmp_path: Path) -> None:
    rows = [*hours(PI4, JANUARY, 24, inference_count=0), *hours(PI4, FEBRUARY, 24, 100, energy_j=5.0 * 3600.0)]
    found = decomposed(write_lake(tmp_path, rows), "2026-01-01", "2026-02-01")
    effects = plain(found)
    change = grams_a_day(0.9 * 86_400, "DE")
    assert effects["energy_per_device"] == pytest.approx(change, rel=1e-9)
    assert effects["inferences_per_device"] == effects["energy_per_inference"] == 0.0
    assert found.change.value == pytest.approx(change, rel=1e-6)
    assert any("without inferences on one side or both: raspberry-pi-4b-4gb" in note for note in found.notes)
    assert found.rebound.ratio is None
    assert found.rebound.reading.startswith("no value: no group made inferences on both sides")


def test_groups_of_every_kind_sum_to_the_same_change(lake: Path) -> None:
    whole = decomposed(lake)
    for by in (("all",), ("device",), ("site",), ("zone",), ("fleet",), ("model",), ("class", "zone")):
        asked = msgspec.convert({"by": by, "draws": 200}, Question)
        found = decomposed(lake, asked=asked)
        assert found.change.value == pytest.approx(whole.change.value, rel=1e-9), by
        assert set(plain(found)) == set(EFFECTS)
    one = decomposed(lake, asked=Question(by=("all",), draws=200))
    assert plain(one)["grid_intensity"] > 0.0
    assert any("only in A: raspberry-pi-zero-2-w: all of it is fleet size" in note for note in whole.notes)
    assert any("In all A and B have 2.00 and 2.00 devices" in note for note in whole.notes)
    assert not any("fleet size" in note for note in one.notes)


def test_a_renewal_is_efficiency_when_all_is_one_group(tmp_path: Path) -> None:
    rows = [*hours(PI4, JANUARY, 24), *hours(PI_ZERO, FEBRUARY, 24, 100)]
    lake = write_lake(tmp_path, rows)
    inventory = INVENTORY.replace('"SE"', '"DE"').replace(
        'retired_on = 2026-02-01\nresidue = "written_off_to_fleet"', ""
    )
    apart = decomposed(lake, "2026-01-01", "2026-02-01", inventory=inventory)
    assert plain(apart)["energy_per_inference"] == 0.0
    assert apart.rebound.reading.startswith("no value: no group made inferences on both sides")
    renewed = plain(decomposed(lake, "2026-01-01", "2026-02-01", Question(by=("all",), draws=200), inventory))
    assert renewed["energy_per_inference"] < 0.0
    assert renewed["fleet_size"] == pytest.approx(0.0, abs=1e-9)
    assert renewed["embodied_per_device"] < 0.0


def test_everything_that_was_multiplied_has_a_passport(lake: Path) -> None:
    found = decomposed(lake)
    assert {"DEU", "SWE", "logic-silicon", "dram"} <= {factor.id for factor in found.factors}
    assert found.simulated
    assert any("simulated meters" in note for note in found.notes)


def test_it_is_the_same_when_asked_again(lake: Path) -> None:
    assert decomposed(lake) == decomposed(lake)


def test_its_sides_are_what_the_assessment_says(lake: Path) -> None:
    found = decomposed(lake, A, "2026-02")
    for side in (found.before, found.after):
        period = selection_of(side.words).period
        total = assess(Stored(lake=lake), parse_inventory(INVENTORY), TABLE, period, Options(draws=2000)).total
        assert side.embodied is not None
        assert total.grams.operational is not None
        assert total.grams.embodied is not None
        for one, other, days in (
            (side.operational, total.grams.operational, side.days_with_data),
            (side.embodied, total.grams.embodied, side.days),
        ):
            assert one.value * days == pytest.approx(other.value, rel=1e-9)
            assert one.scaled(days).range == pytest.approx(other.range, rel=5e-3)  # errors of windows are drawn anew
        assert side.levels.energy_j * side.days_with_data == pytest.approx(total.energy_j, rel=1e-9)
