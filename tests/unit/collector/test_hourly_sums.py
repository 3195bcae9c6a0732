"""Hourly sums: exact whatever the order and the portions, unknown where nothing is known."""

import itertools
import math
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from collector.assess import Assessor
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.live_grams import NO_GRAMS, Grams
from collector.sinks.hourly_sums import COUNTS, FLOATS, GramSums, HourSums, exact, kept, sums_kept
from collector.sinks.line_protocol import LineEncoder
from tests.fakes.windows import make_stored, make_window

finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e280, max_value=1e280)
INVENTORY = """
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
zone = "DE"
lifetime_years = 5.0
in_service_since = 2021-10-09
"""
GRAMS = Grams((1.0, 0.5, 2.0, 3.0, 2.5, 4.0, 1.5, 6.0, 0.25), "forecast", (("actual", 0.25), ("forecast", 0.75)))


@given(values=st.lists(finite, max_size=30))
def test_the_parts_of_a_sum_are_exactly_the_sum(values: list[float]) -> None:
    assert sum(map(Fraction, exact(values)), Fraction(0)) == sum(map(Fraction, values), Fraction(0))


@given(joules=st.lists(finite, min_size=1, max_size=20), cuts=st.lists(st.integers(0, 20), max_size=4))
def test_portions_and_order_change_no_digit(joules: list[float], cuts: list[int]) -> None:
    windows = [(make_window(1, energy_j=joule), NO_GRAMS) for joule in joules]
    whole = HourSums().add(windows).fields()
    portions = HourSums()
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(windows)), len(windows)]
    shuffled = windows[::-1]
    for start, end in itertools.pairwise(edges):
        if shuffled[start:end]:
            portions = portions.add(shuffled[start:end])
    assert portions.fields() == whole
    assert whole[1]["energy_j"] == math.fsum(joules)


def test_counts_sums_and_both_parts_of_the_uncertainty() -> None:
    first = make_window(1, energy_j=40.0, energy_u_j=0.5, energy_u_systematic_j=0.3, gap_s=2.0, soc_temp_c=50.0)
    second = make_window(2, energy_j=41.0, energy_u_j=0.5, energy_u_systematic_j=0.4, soc_temp_max_c=61.5)
    counts, numbers = HourSums().add([(first, GRAMS)]).add([(second, GRAMS)]).fields()
    assert (counts["windows"], counts["inference_count"]) == (2, first.inference_count + second.inference_count)
    assert (counts["operational_windows"], counts["embodied_windows"]) == (2, 2)
    assert numbers["energy_u_systematic_j"] == 0.7
    independent_j2 = math.fsum((0.5**2 - 0.3**2, 0.5**2 - 0.4**2))
    assert numbers["energy_u_independent_j2"] == independent_j2
    assert numbers["energy_u_j"] == math.hypot(0.7, math.sqrt(independent_j2))
    assert numbers["power_w"] == 81.0 / 18.0
    assert (numbers["operational_gco2e"], numbers["embodied_gco2e_high"]) == (2.0, 8.0)
    assert numbers["soc_temp_max_c"] == 61.5
    assert (counts["yearly_windows"], numbers["operational_yearly_gco2e"]) == (2, 3.0)
    by_quality = [numbers[f"energy_{quality}_j"] for quality in ("actual", "estimated", "forecast", "yearly")]
    assert by_quality == [20.25, 0.0, 60.75, 0.0]
    assert (counts["marginal_windows"], numbers["operational_marginal_gco2e"]) == (2, 12.0)
    assert (counts["water_windows"], numbers["operational_water_l"]) == (2, 0.5)


def test_what_no_window_knows_has_no_number() -> None:
    bare: dict[str, Any] = {"net_energy_j": None, "latency_max_s": None, "soc_temp_c": None, "gap_s": 10.0}
    counts, numbers = HourSums().add([(make_window(1, **bare), NO_GRAMS)]).fields()
    assert (counts["net_windows"], counts["operational_windows"]) == (0, 0)
    unknown = {"net_energy_j", "latency_max_s", "soc_temp_max_c", "power_w"}
    unknown |= {name for name in FLOATS if "gco2e" in name or "water" in name}
    assert not unknown & set(numbers)
    some = HourSums().add([(make_window(1, **bare), NO_GRAMS), (make_window(2, net_energy_j=-1.5), GRAMS)])
    counts, numbers = some.fields()
    assert (counts["net_windows"], numbers["net_energy_j"], counts["embodied_windows"]) == (1, -1.5, 1)
    assert numbers["embodied_gco2e"] == 3.0


def test_sums_of_an_earlier_version_know_fewer_figures() -> None:
    old = HourSums(counts=[3, 30], floats=[(30.0,)], maxima=[])
    counts, numbers = old.add([(make_window(1), NO_GRAMS)]).fields()
    assert (counts["windows"], numbers["duration_s"]) == (4, 40.0)
    assert set(counts) == set(COUNTS)


def test_sums_that_a_journal_kept_before_there_was_water_go_on_where_they_were() -> None:
    """The lists as they were then: what was added stands behind them, so each number keeps its meaning."""
    counts = [2, 20, 1, 2, 20, 2, 2, 1]
    floats: list[tuple[float, ...]] = [(20.0,), (0.5,), (10.0,), (2e4,), (3.0,), (80.0,), (0.4,), (0.02,), (30.0,)]
    floats += [(2.0,), (1.0,), (4.0,), (6.0,), (5.0,), (8.0,), (3.0,), (60.0,), (0.0,), (20.0,), ()]
    old = sums_kept(msgspec.msgpack.encode([counts, floats, [0.3, 50.0]]))
    told, numbers = old.fields()
    assert (told["windows"], told["yearly_windows"], numbers["embodied_gco2e_high"]) == (2, 1, 8.0)
    assert (numbers["operational_yearly_gco2e"], numbers["energy_actual_j"]) == (3.0, 60.0)
    assert not {"operational_marginal_gco2e", "operational_water_l"} & set(numbers), "unknown, not zero"
    told, numbers = old.add([(make_window(1, energy_j=40.0), GRAMS)]).fields()
    assert (told["windows"], told["yearly_windows"], told["marginal_windows"], told["water_windows"]) == (3, 2, 1, 1)
    assert (numbers["energy_j"], numbers["embodied_gco2e_high"], numbers["energy_actual_j"]) == (120.0, 12.0, 70.0)
    assert (numbers["operational_marginal_gco2e"], numbers["operational_water_l"]) == (6.0, 0.25)
    again = GramSums()
    again.add([(make_window(number, energy_j=40.0), GRAMS) for number in (1, 2)])
    told, numbers = old.with_grams(again).fields()
    assert (told["water_windows"], numbers["operational_water_l"], numbers["energy_j"]) == (2, 0.5, 80.0)


def test_a_version_that_knows_less_finds_lists_as_long_as_it_knows_them() -> None:
    """It refuses to add to longer ones; what it writes again, without the rest, is read again too."""
    sums = HourSums().add([(make_window(1, energy_j=40.0), GRAMS)])
    assert sums_kept(kept(sums)) == sums
    of_first_version = msgspec.msgpack.decode(kept(sums))[:3]
    assert [len(one) for one in of_first_version] == [8, 20, 2]
    told, numbers = sums_kept(msgspec.msgpack.encode(of_first_version)).fields()
    assert (told["windows"], numbers["energy_j"]) == (1, 40.0)
    assert "water_windows" not in told
    assert "operational_water_l" not in numbers


def test_what_is_not_finite_is_not_added() -> None:
    windows = [(make_window(1, energy_j=math.nan), NO_GRAMS), (make_window(2, energy_j=5.0), NO_GRAMS)]
    assert HourSums().add(windows).fields()[1]["energy_j"] == 5.0


@given(data=st.data())
def test_no_number_that_a_device_can_send_stops_the_sums_or_the_lines(data: st.DataObject) -> None:
    """Whatever passes the wire's checks."""
    assessor = Assessor(parse_inventory(INVENTORY), load_yearly_table())
    encoder, sums = LineEncoder(assessor), HourSums()
    large = st.floats(min_value=0.0, allow_infinity=False) | st.sampled_from([1e308, 5e-324, 1e200])
    for row_id in range(1, 4):
        plain = {name: data.draw(large) for name in ("energy_u_j", "energy_u_systematic_j", "gap_s", "busy_s")}
        changes: dict[str, Any] = plain | {
            "energy_j": data.draw(large) * data.draw(st.sampled_from([1.0, -1.0])),
            "duration_s": data.draw(large) or 1.0,
            "net_energy_j": data.draw(st.none() | large),
        }
        plain_row = make_stored(row_id)
        row = msgspec.structs.replace(plain_row, window=msgspec.structs.replace(plain_row.window, **changes))
        assert encoder.encode(row)
        sums = sums.add([(row.window, assessor.grams(row.device_id, row.window))])
    assert all(math.isfinite(value) for value in sums.fields()[1].values())
