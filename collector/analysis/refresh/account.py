"""Where the policies book the old devices' mass when these leave early. It was emitted once, and decides nothing."""

from collector.analysis.refresh.problem import Refresh
from collector.carbon.amortisation import LifePlan, residue_ratio
from collector.carbon.units import HOURS_PER_YEAR, s_from_years

_DAYS_PER_YEAR = HOURS_PER_YEAR / 24.0


def residue_share(problem: Refresh, wait_years: float) -> float:
    """Return which part of the old mass no policy has charged yet when the devices leave after ``wait_years`` more."""
    old = problem.scenario.old
    served_years = old.age_years + wait_years
    if old.policy == "by_use":
        rate, uses = problem.scenario.work.inferences_per_day, old.lifetime_inferences
        assert rate is not None, "the resolver has seen to it"
        assert uses is not None, "the resolver has seen to it"
        made = served_years * _DAYS_PER_YEAR * rate / problem.old.devices
        return max(1.0 - made / uses, 0.0)
    return residue_ratio(
        LifePlan(
            lifetime_s=s_from_years(old.lifetime_years),
            policy=old.policy,
            in_service_since_unix_s=0.0,
            retired_unix_s=s_from_years(served_years),
            decline_ratio=old.decline_ratio,
        )
    )


def account_g(problem: Refresh, mass_g: float, wait_years: int) -> float:
    """Return what of the old devices' ``mass_g`` is booked between now and the horizon, in grams.

    Charged at the retirement all that is left falls due; written off to the fleet the residue is in nobody's account
    here; carried to the successor it is charged over that one's life, of which the horizon may see a part.
    """
    scenario = problem.scenario
    left = residue_share(problem, wait_years)
    charged = residue_share(problem, 0.0) - left
    if wait_years >= scenario.horizon_years or scenario.old.residue == "written_off_to_fleet":
        return mass_g * charged
    if scenario.old.residue == "carried_to_successor":
        left *= min((scenario.horizon_years - wait_years) / scenario.new.lifetime_years, 1.0)
    return mass_g * (charged + left)
