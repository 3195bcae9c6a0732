"""The fleet: what it draws, does and emits now, this month against the last, and which devices stand out."""

from .. import queries as q
from ..model import Dashboard, Panel
from ..panels import Ask, Look, bars, placed, section, series, stat
from ..variables import BETWEEN, TAG, TO_DEVICE, variables

BY_DEVICE = ("device",)
BY_DEVICE_AND_MODEL = ("device", "model")


def board() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="edgejoule-fleet",
        title="edgejoule fleet",
        description="Joules per inference, metered at the plug, and the fleet's operational and embodied carbon.",
        tags=(TAG, "energy", "carbon"),
        panels=placed(
            section("What does the fleet draw and do now?", *_now()), section("Where does it go?", *_energy())
        ),
        variables=variables(),
        links=(BETWEEN,),
    )


def _now() -> list[Panel]:
    return [
        stat(
            "Power now",
            "Sum over devices of the mean power of the latest window within five minutes.",
            [Ask(q.sum_of_latest("power_w", BY_DEVICE), "power")],
            Look("watt"),
            time_from="5m",
        ),
    ]


def _energy() -> list[Panel]:
    return [
        series(
            "Which device draws how much?",
            "Mean power over covered time. A line breaks where no window is.",
            [Ask(q.over_time(q.POWER_W, by=BY_DEVICE), "$tag_device")],
            Look("watt", links=(TO_DEVICE,)),
        ),
        bars(
            "Energy per inference by device and model",
            "Joules over inferences, idle power included. Compare only meters at the same boundary.",
            [Ask(q.over_range(q.J_PER_INFERENCE, by=BY_DEVICE_AND_MODEL), "$tag_device $tag_model")],
            Look("joule"),
            w=12,
        ),
    ]
