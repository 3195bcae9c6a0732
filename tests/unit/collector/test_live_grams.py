"""Grams of windows at the intensity of their own time: split exactly, from a cache that forgets when told to."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.assess import Assessor
from collector.carbon.amortisation import LifePlan, charge, even_piece
from collector.carbon.units import S_PER_YEAR
from collector.data.tables import IMPACTS, shipped_factors
from collector.intensity.store import IntensityStore
from collector.intensity.stored import StoredIntensity
from collector.intensity.yearly_table import load_yearly_table
from collector.intensity.zone_steps import DAY_NS, ZoneSteps
from collector.inventory import parse_inventory
from collector.live_grams import GRAM_FIELDS
from collector.sinks.line_protocol import LineEncoder
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.intensities import HALF_HOUR_NS, RANGE_RATIO, GivenIntensity, GivenStep, half_hours
from tests.fakes.windows import make_stored, make_window

DAY = 20_370
T = DAY * DAY_NS + 9 * 3_600_000_000_000
J_PER_KWH = 3.6e6
INVENTORY = '[[device]]\nid = "pi4-01"\nzone = "GB"\n'


def assessor(intensity: GivenIntensity, marginal: GivenIntensity | None = None) -> Assessor:
    return Assessor(parse_inventory(INVENTORY), intensity, marginal=marginal)


def figures(
    of: Assessor, start_unix_ns: int, duration_s: float = 10.0, energy_j: float = J_PER_KWH
) -> dict[str, float]:
    window = make_window(1, t_start_unix_ns=start_unix_ns, duration_s=duration_s, energy_j=energy_j, energy_u_j=0.0)
    found = of.grams("pi4-01", window).figures
    return {name: value for name, value in zip(GRAM_FIELDS, found, strict=True) if value is not None}


def test_a_window_takes_the_step_that_it_lies_in_and_the_yearly_average_beside_it() -> None:
    of = assessor(GivenIntensity("GB", half_hours(T, [100.0, 300.0]), 200.0))
    assert figures(of, T) == pytest.approx(
        {
            "operational_gco2e": 100.0,
            "operational_gco2e_low": 100.0 / RANGE_RATIO,
            "operational_gco2e_high": 100.0 * RANGE_RATIO,
            "operational_yearly_gco2e": 200.0,
        }
    )
    assert figures(of, T + HALF_HOUR_NS)["operational_gco2e"] == pytest.approx(300.0)


def test_a_window_over_an_edge_is_split_by_time() -> None:
    of = assessor(GivenIntensity("GB", half_hours(T, [100.0, 300.0]), 200.0))
    split = figures(of, T + HALF_HOUR_NS - 4_000_000_000)
    assert split["operational_gco2e"] == pytest.approx(0.4 * 100.0 + 0.6 * 300.0)
    assert split["operational_gco2e_low"] == pytest.approx(220.0 / RANGE_RATIO)


def test_over_midnight_too() -> None:
    midnight = (DAY + 1) * DAY_NS
    steps = [GivenStep(T, midnight, 100.0), GivenStep(midnight, midnight + DAY_NS, 300.0, "forecast")]
    of = assessor(GivenIntensity("GB", steps))
    window = make_window(1, t_start_unix_ns=midnight - 5_000_000_000, energy_j=J_PER_KWH, energy_u_j=0.0)
    grams = of.grams("pi4-01", window)
    assert grams.figures[0] == pytest.approx(200.0)
    assert grams.quality == "forecast", "the weaker one is what it rests on"
    assert dict(grams.shares) == pytest.approx({"actual": 0.5, "forecast": 0.5})


def test_where_a_part_is_unknown_the_grams_are_unknown_not_less() -> None:
    of = assessor(GivenIntensity("GB", half_hours(T, [100.0]), 200.0))
    for start in (T - HALF_HOUR_NS, T - 1_000_000_000, T + HALF_HOUR_NS - 1_000_000_000, T + HALF_HOUR_NS, T + DAY_NS):
        grams = of.grams("pi4-01", make_window(1, t_start_unix_ns=start, energy_j=J_PER_KWH))
        assert grams.figures[:3] == (None, None, None)
        assert (grams.quality, grams.shares) == (None, ())
        assert grams.figures[6] == pytest.approx(200.0)
    assert figures(of, T)["operational_gco2e"] == pytest.approx(100.0)


def test_marginal_grams_stand_beside_and_change_nothing_else() -> None:
    average = GivenIntensity("GB", half_hours(T, [100.0, 300.0]), 200.0)
    marginal = GivenIntensity("GB", half_hours(T + HALF_HOUR_NS, [700.0, 900.0]), kind="marginal")
    of, alone = assessor(average, marginal), assessor(average)
    start = T + HALF_HOUR_NS
    with_it = figures(of, start)
    assert with_it.pop("operational_marginal_gco2e") == pytest.approx(700.0)
    assert with_it == figures(alone, start)
    assert "operational_marginal_gco2e" not in figures(of, T), "the source is silent of that time"
    edge = figures(of, start + HALF_HOUR_NS - 4_000_000_000)
    assert edge["operational_marginal_gco2e"] == pytest.approx(0.4 * 700.0 + 0.6 * 900.0)
    assert "operational_gco2e" not in edge, "what is unknown of the one kind is not filled from the other"
    marginal.steps = half_hours(start, [750.0])
    assert figures(of, start)["operational_marginal_gco2e"] == pytest.approx(700.0)
    of.forget()
    assert figures(of, start)["operational_marginal_gco2e"] == pytest.approx(750.0)


def test_an_average_source_is_no_marginal_one() -> None:
    with pytest.raises(ConfigurationError, match="marginal intensities, not average ones"):
        assessor(GivenIntensity("GB", []), GivenIntensity("GB", []))


def test_water_is_the_joules_times_the_factor_of_the_zone() -> None:
    inventory = parse_inventory(
        '[[device]]\nid = "berlin"\nzone = "DE"\n[[device]]\nid = "nowhere"\n'
        '[[device]]\nid = "atlantis"\nzone = "XX"\n'
    )
    known = next(factor for factor in shipped_factors(IMPACTS) if factor.id == "water-grid-DEU")
    of = Assessor(inventory, GivenIntensity("XX", []), impact_factors=shipped_factors(IMPACTS))
    assert of.water("DE") == of.water("DEU") == known
    assert (of.water("XX"), of.water("")) == (None, None)
    window = make_window(1, t_start_unix_ns=T, energy_j=J_PER_KWH / 2.0)
    found = dict(zip(GRAM_FIELDS, of.grams("berlin", window).figures, strict=True))
    assert found.pop("operational_water_l") == pytest.approx(known.estimate.value / 2.0)
    assert set(found.values()) == {None}, "water does not wait for an intensity"
    for device_id in ("nowhere", "atlantis", "unlisted"):
        assert of.grams(device_id, window).figures[-1] is None


def test_a_zone_has_the_water_of_its_row_in_the_yearly_table(tmp_path: Path) -> None:
    store = IntensityStore(tmp_path / "none.sqlite3", read_only=True)
    by_row = StoredIntensity(store, load_yearly_table(), "average", {}, yearly_zones={"DK1": "DK"})
    inventory = parse_inventory('[[device]]\nid = "x"\nzone = "DK1"')
    of = Assessor(inventory, by_row, impact_factors=shipped_factors(IMPACTS))
    water = of.water("DK1")
    assert water is not None
    assert water.id == "water-grid-DNK"


def test_a_stretch_is_the_sum_of_its_windows() -> None:
    intensity = GivenIntensity("GB", half_hours(T, [100.0, 300.0, 50.0]), 200.0)
    whole = assessor(intensity).assess(
        "pi4-01", energy_j=J_PER_KWH, energy_u_j=0.0, start_unix_ns=T, duration_s=3 * 1800.0
    )
    assert whole.operational is not None
    assert whole.operational_yearly is not None
    assert whole.operational.value == pytest.approx(150.0)
    assert whole.operational_yearly.value == pytest.approx(200.0)
    assert whole.quality_ratio == {"actual": 1.0}


@given(
    values=st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=8),
    cuts=st.lists(st.floats(0.0, 1.0), max_size=12),
    power_w=st.floats(0.1, 100.0),
)
def test_however_a_stretch_is_cut_its_grams_are_the_same(
    values: list[float], cuts: list[float], power_w: float
) -> None:
    of = assessor(GivenIntensity("GB", half_hours(T, values), 200.0))
    span_ns = len(values) * HALF_HOUR_NS
    edges = sorted({0, span_ns, *(round(cut * span_ns) for cut in cuts)})
    parts = [
        figures(of, T + start, (end - start) / 1e9, power_w * (end - start) / 1e9)["operational_gco2e"]
        for start, end in pairwise(edges)
    ]
    expected = math.fsum(value * power_w * 1800.0 / J_PER_KWH for value in values)
    assert math.fsum(parts) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_sums_of_a_report_are_those_of_the_windows() -> None:
    of = assessor(GivenIntensity("GB", half_hours(T, [100.0, 300.0, 50.0]), 200.0))
    starts = np.arange(T, T + 5 * HALF_HOUR_NS // 2, 7_000_000_000)
    energy_j = np.linspace(1.0, 50.0, len(starts))
    slots = of.slots("pi4-01", starts, starts + 10_000_000_000, energy_j)
    assert slots is not None
    one_by_one = [
        figures(of, int(start), energy_j=float(joules))["operational_gco2e"]
        for start, joules in zip(starts, energy_j, strict=True)
    ]
    assert slots.gco2e == pytest.approx(one_by_one, rel=1e-9)
    assert of.slots("unlisted", starts, starts + 1, energy_j) is None


def test_steps_are_asked_for_once_a_day_until_they_are_forgotten() -> None:
    intensity = GivenIntensity("GB", half_hours(T, [100.0, 300.0]), 200.0)
    of = assessor(intensity)
    for second in range(0, 3000, 7):
        figures(of, T + second * 1_000_000_000)
    assert intensity.asked == 1
    intensity.steps = half_hours(T, [110.0, 300.0])
    assert figures(of, T)["operational_gco2e"] == pytest.approx(100.0)
    of.forget()
    assert figures(of, T)["operational_gco2e"] == pytest.approx(110.0)


def test_steps_of_a_day_leave_no_moment_out() -> None:
    steps = ZoneSteps(GivenIntensity("GB", [GivenStep(T, T + 10, 100.0), GivenStep(T + 20, T + 30, 50.0)]))
    edges = [DAY * DAY_NS, T, T + 10, T + 20, T + 30, (DAY + 1) * DAY_NS]
    for (start, end), known in zip(pairwise(edges), (False, True, False, True, False), strict=True):
        step = steps.over("GB", start, start + 1)
        assert (step.start_unix_ns, step.end_unix_ns, step.rate is not None) == (start, end, known)
        assert steps.over("GB", end - 1, end) == step


def test_a_line_says_what_its_grams_rest_on() -> None:
    of = assessor(GivenIntensity("GB", half_hours(T, [100.0], "forecast"), 200.0))
    encoder = LineEncoder(of)
    line = encoder.encode(make_stored(1, t_start_unix_ns=T))
    assert ',intensity_quality="forecast",' in line
    assert ",operational_yearly_gco2e=" in line
    unknown = encoder.encode(make_stored(2, t_start_unix_ns=T + DAY_NS))
    assert "intensity_quality" not in unknown
    assert "operational_gco2e" not in unknown
    assert encoder.encode(make_stored(1, t_start_unix_ns=T)) == line


def test_a_window_beyond_the_calendar_has_no_intensity() -> None:
    of = assessor(GivenIntensity("GB", half_hours(T, [100.0]), 200.0))
    assert figures(of, 2**63 - 5) == {}
    carbon = of.assess("pi4-01", energy_j=1.0, energy_u_j=0.0, start_unix_ns=2**63 - 5, duration_s=10.0)
    assert carbon.operational is None


@given(
    plan=st.builds(
        LifePlan,
        lifetime_s=st.floats(1e6, 1e9),
        policy=st.sampled_from(["linear_in_time", "front_loaded", "sunk"]),
        in_service_since_unix_s=st.floats(1.6e9, 1.7e9),
        decline_ratio=st.floats(0.05, 1.0),
        charged_before_ratio=st.sampled_from([0.0, 0.25]),
    ),
    start_years=st.floats(-1.0, 12.0),
    duration_s=st.floats(0.1, 1e5),
)
def test_an_even_piece_charges_what_its_policy_does(plan: LifePlan, start_years: float, duration_s: float) -> None:
    start_s = 1.65e9 + start_years * S_PER_YEAR
    piece = even_piece(plan, start_s)
    assert piece is not None
    assert piece.since_s <= start_s
    if piece.since_s < start_s and start_s + duration_s < piece.until_s:
        expected = charge(plan, start_s, start_s + duration_s).share_ratio
        assert duration_s * piece.share_per_s == pytest.approx(expected, rel=1e-3, abs=1e-12)


def test_uses_have_no_even_piece() -> None:
    assert even_piece(LifePlan(lifetime_s=1e8, policy="by_use", lifetime_uses=1e6), 1.7e9) is None


def test_days_are_kept_as_long_as_their_steps_are_few() -> None:
    """A year by five minutes, as a new source brings it to a running collector, must not stay in memory."""
    given_steps = half_hours(DAY * DAY_NS, [float(number) for number in range(4 * 48)])
    intensity = GivenIntensity("GB", given_steps)
    of = ZoneSteps(intensity, kept_steps=3 * 48)

    def rates(days: range) -> list[float | None]:
        found = [of.over("GB", (DAY + day) * DAY_NS, (DAY + day) * DAY_NS + 1).rate for day in days]
        return [None if rate is None else rate.per_kwh[0] for rate in found]

    for asked, days in ((3, range(3)), (3, range(3)), (4, range(3, 4)), (7, range(3))):
        assert rates(days) == [48.0 * day for day in days]
        assert intensity.asked == asked
