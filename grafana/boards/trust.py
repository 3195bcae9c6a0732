"""The dashboard on trust."""

from .. import queries as q
from ..model import Dashboard, Panel
from ..panels import Ask, Look, placed, section, series
from ..variables import BETWEEN, TAG, variables


def board() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="edgejoule-trust",
        title="edgejoule trust",
        description="To be filled.",
        tags=(TAG,),
        panels=placed(section("Energy", *_energy())),
        variables=variables(),
        links=(BETWEEN,),
    )


def _energy() -> list[Panel]:
    return [
        series(
            "How much energy is drawn?",
            "Joules per step, of each device.",
            [Ask(q.over_time(q.ENERGY_J, by=("device",)), "$tag_device")],
            Look("joule"),
        ),
    ]
