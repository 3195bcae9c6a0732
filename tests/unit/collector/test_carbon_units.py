import math

from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.units import GCO2E_PER_KWH_PER_LB_PER_MWH, j_from_kwh, kwh_from_j, s_from_years, years_from_s


def test_a_kilowatt_hour_is_exactly_three_point_six_megajoules() -> None:
    assert j_from_kwh(1.0) == 3.6e6
    assert kwh_from_j(3.6e6) == 1.0


@given(st.floats(min_value=-1e15, max_value=1e15))
def test_joules_to_kwh_and_back(energy_j: float) -> None:
    assert math.isclose(j_from_kwh(kwh_from_j(energy_j)), energy_j, rel_tol=1e-15, abs_tol=1e-300)


def test_a_year_has_8760_hours() -> None:
    assert s_from_years(1.0) == 8760 * 3600
    assert years_from_s(s_from_years(5.0)) == 5.0


def test_watttime_unit() -> None:
    assert math.isclose(1000 * GCO2E_PER_KWH_PER_LB_PER_MWH, 453.59237)
