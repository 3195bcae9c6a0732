"""This month against the last, from the hourly sums, which stay long after the windows are gone."""

from typing import Final, NamedTuple

from .. import queries as q
from .. import rates
from ..model import Panel
from ..panels import Ask, Look, stat
from .parts import GRAMS


class Span(NamedTuple):
    """Words for a title and a description, the panel's own time range and its shift."""

    words: str
    description: str
    time_from: str
    time_shift: str | None = None


TODAY: Final = Span("today", "since midnight in your browser's time zone", "now/d")
THIS_MONTH: Final = Span("this month", "since the first of the month in your browser's time zone", "now/M")
SAME_PART: Final = Span("last month up to this day", "over the same part of last month", "now/M", "1M")
LAST_MONTH: Final = Span("all of last month", "over the whole of last month", "now/M", "1M/M")
SPANS: Final = (TODAY, THIS_MONTH, SAME_PART, LAST_MONTH)


def energy(span: Span) -> Panel:
    """Return the panel on metered energy."""
    return _stat(
        f"Energy {span.words}",
        f"Metered energy of the hourly sums {span.description}. What a meter's gaps hide is not in it.",
        [Ask(q.over_range(f"{q.ENERGY_J} / 3600", of=q.HOURS), "energy")],
        Look("watth", no_value="no windows"),
        span,
    )


def carbon(span: Span) -> Panel:
    """Return the panel on grams of both kinds."""
    return _stat(
        f"Carbon {span.words}",
        f"Hourly sums {span.description}: metered joules times the grid's average intensity of their time, and the "
        "part of the hardware's making that this time is charged. Windows whose grams are unknown are not in it.",
        [
            Ask(q.over_range(q.OPERATIONAL, of=q.HOURS), "operational"),
            Ask(q.over_range(q.EMBODIED, of=q.HOURS), "embodied"),
        ],
        Look(GRAMS, no_value="unknown"),
        span,
    )


def per_inference(span: Span) -> Panel:
    """Return the panel on energy per inference."""
    return _stat(
        f"J/inference {span.words}",
        f"Mean power over mean rate of the hourly sums {span.description}, idle power included, over all models: it "
        "also changes when other models run.",
        [Ask(rates.j_per_inference(of=q.HOURS), "energy per inference")],
        Look("joule", no_value="unknown"),
        span,
    )


def _stat(title: str, description: str, asks: list[Ask], look: Look, span: Span) -> Panel:
    return stat(title, description, asks, look, w=6, time_from=span.time_from, time_shift=span.time_shift)
