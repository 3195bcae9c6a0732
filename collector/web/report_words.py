"""How a fleet report's grams came to be, in one sentence for each side: as they did, not as they might have. Pure."""

from typing import Final

from collector.carbon.amortisation import Policy
from collector.fleet.values import FleetReport
from collector.numbers import percent

_POLICIES: Final[dict[Policy, str]] = {
    "linear_in_time": "evenly over the planned life",
    "by_use": "by inferences, of a planned number",
    "front_loaded": "more in the first years of the planned life than later",
    "sunk": "whole on the first day of service",
}


def operational_words(report: FleetReport) -> str:
    """Return what joules were multiplied with; "" where no operational gram is known."""
    ratios = report.total.intensity_ratio
    yearly = ratios.get("yearly", 0.0)
    if not ratios:
        return ""
    if ratios.keys() == {"yearly"}:
        return "Operational: joules x the yearly average of the grid."
    timed = "Operational: joules x the average intensity of the grid at their own time"
    return f"{timed}, {percent(yearly)} of them x its yearly average." if yearly > 0.0 else f"{timed}."


def embodied_words(report: FleetReport) -> str:
    """Return how hardware is charged to time or to use; "" where no embodied gram is known."""
    known = sorted({one.embodied_policy for one in report.devices if one.embodied_policy is not None})
    if not known:
        return ""
    if len(known) == 1:
        return f"Embodied: charged {_POLICIES[known[0]]}."
    words = ", ".join(
        f"{_POLICIES[policy]} ({sum(one.embodied_policy == policy for one in report.devices)})" for policy in known
    )
    return f"Embodied: charged by each device's policy (devices): {words}."
