"""The plots of an assessment's page as inline SVG; see ``svg``."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib import dates as mpl_dates
from matplotlib.axes import Axes

from collector.assessment.values import DayFigures, GroupFigures
from collector.carbon.variance import CauseShare
from collector.numbers import percent, prefix_of, si, significant, some_of
from collector.web.svg import INK, STYLE, new_figure, to_svg

OPERATIONAL: Final = "#2f7ed8"
EMBODIED: Final = "#e08a00"
MAX_GROUPS: Final = 24
MAX_CAUSES: Final = 10
_LEAST_SHARE: Final = 0.005
_UNKNOWN_COLOUR: Final = "#c02626"
QUALITY_COLOURS: Final = {
    "actual": "#0f9d76",
    "estimated": "#3aa7c9",
    "forecast": "#8a6fe8",
    "yearly": "#9aa3ad",
    "unknown": _UNKNOWN_COLOUR,
}
_LEGEND: Final[dict[str, Any]] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0)}
_DATES: Final[Any] = mpl_dates  # has no annotations


def largest(groups: Sequence[GroupFigures]) -> list[GroupFigures]:
    """Return the groups with the most known grams, at most ``MAX_GROUPS``, in the order in which they came."""
    ranked = sorted(groups, key=_known_g, reverse=True)[:MAX_GROUPS]
    return [group for group in groups if any(group is one for one in ranked)]


def both_sides(groups: Sequence[GroupFigures], name: str) -> str:
    """Return stacked bars of operational and embodied grams, with P5 to P95 of their sum where it is known.

    Grams of what is known are shown for a group that is known in part, with a question mark. Empty without any.
    """
    shown = [group for group in largest(groups) if _known_g(group) > 0.0]
    if not shown:
        return ""
    operational = np.array([_value(group, "operational") for group in shown])
    embodied = np.array([_value(group, "embodied") for group in shown])
    scale, letter = prefix_of(float((operational + embodied).max()))
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(1.15 + 0.4 * len(shown))
        where = np.arange(len(shown))
        axes.barh(where, operational / scale, height=0.56, color=OPERATIONAL, label="operational")
        axes.barh(where, embodied / scale, left=operational / scale, height=0.56, color=EMBODIED, label="embodied")
        reach = 0.0
        for y, group in enumerate(shown):
            middle = float(operational[y] + embodied[y]) / scale
            total = group.grams.total
            end = middle if total is None else max(total.high / scale, middle)
            if total is not None:
                ends = [[middle - min(total.low / scale, middle)], [end - middle]]
                axes.errorbar([middle], [y], xerr=ends, fmt="none", ecolor=INK, elinewidth=1.4, capsize=4)
            text = significant(middle) + ("" if total is not None else " ?")
            axes.annotate(text, (end, y), xytext=(7, 0), textcoords="offset points", va="center", color=INK)
            reach = max(reach, end)
        _name_bars(axes, shown)
        axes.set_xlim(0.0, reach * 1.2)
        axes.set_xlabel(f"{letter}g CO2e")
        axes.legend(ncols=2, **_LEGEND)
        words = [
            f"{group.name} {si(_value(group, 'operational'), 'g')} and {si(_value(group, 'embodied'), 'g')}"
            for group in shown
        ]
        return to_svg(figure, f"sides-{name}", f"CO2e, operational and embodied: {some_of(words)}.")


def over_time(days: Sequence[DayFigures]) -> str:
    """Return grams a day, stacked, and the operational grams that yearly averages would give; empty for one day."""
    if len(days) < 2:
        return ""
    operational = np.array([day.operational_gco2e for day in days])
    embodied = np.array([day.embodied_gco2e for day in days])
    yearly = np.array([day.yearly_operational_gco2e for day in days])
    scale, letter = prefix_of(float(max((operational + embodied).max(), yearly.max())))
    times = np.array([day.start_unix_ns for day in days], dtype="datetime64[ns]").astype("datetime64[ms]")
    width = np.timedelta64(24, "h")
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(2.9)
        bars: Any = axes
        bars.bar(times, operational / scale, width=width, align="edge", color=OPERATIONAL, label="operational")
        bars.bar(
            times, embodied / scale, width=width, align="edge", bottom=operational / scale, color=EMBODIED,
            label="embodied",
        )  # fmt: skip
        middle: Any = times + width // 2
        axes.plot(middle, yearly / scale, ls="--", lw=1.5, color=INK, label="operational by yearly averages")
        locator = _DATES.AutoDateLocator(minticks=3, maxticks=7, tz=dt.UTC)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(_DATES.ConciseDateFormatter(locator, tz=dt.UTC))
        axes.set_ylim(bottom=0.0)
        axes.set_ylabel(f"{letter}g CO2e a day")
        axes.set_xlabel("UTC")
        axes.grid(visible=False, axis="x")
        axes.legend(ncols=3, **_LEGEND)
        words = [
            f"{what} {si(float(grams.min()), 'g')} to {si(float(grams.max()), 'g')}"
            for what, grams in (
                ("operational", operational), ("embodied", embodied), ("operational by yearly averages", yearly),
            )
        ]  # fmt: skip
        return to_svg(figure, "days", f"CO2e a day over {len(days)} days: {', '.join(words)}.")


def qualities(groups: Sequence[GroupFigures], name: str) -> str:
    """Return which part of each group's energy rests on which quality of intensity; empty where there is no energy."""
    shown = [group for group in largest(groups) if group.energy_j > 0.0]
    if not shown:
        return ""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(1.15 + 0.34 * len(shown))
        where, left = np.arange(len(shown)), np.zeros(len(shown))
        for quality, colour in QUALITY_COLOURS.items():
            part = np.array([100.0 * group.intensity_ratio.get(quality, 0.0) for group in shown])
            if np.any(part > 0.0):
                axes.barh(where, part, left=left, height=0.56, color=colour, label=quality)
            left = left + part
        _name_bars(axes, shown)
        axes.set_xlim(0.0, 100.0)
        axes.set_xlabel("% of the energy")
        axes.legend(ncols=5, **_LEGEND)
        words = [f"{group.name} {_qualities_words(group)}" for group in shown]
        return to_svg(figure, f"quality-{name}", f"Quality of the intensities of the energy: {some_of(words)}.")


def against_yearly(groups: Sequence[GroupFigures], name: str) -> str:
    """Return how far operational grams lie from those by yearly averages, per cent; empty where both are the same."""
    pairs = [
        (group, 100.0 * (group.grams.operational.value / group.yearly_operational_gco2e.value - 1.0))
        for group in largest(groups)
        if group.grams.operational and group.yearly_operational_gco2e and group.yearly_operational_gco2e.value > 0.0
    ]
    if all(abs(difference) < 0.05 for _, difference in pairs):
        return ""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(0.9 + 0.34 * len(pairs))
        values = np.array([difference for _, difference in pairs])
        axes.barh(np.arange(len(pairs)), values, height=0.5, color=OPERATIONAL)
        for y, difference in enumerate(values):
            side = 1 if difference >= 0.0 else -1
            axes.annotate(
                f"{difference:+.1f} %", (difference, y), xytext=(6 * side, 0), textcoords="offset points",
                va="center", ha="left" if side > 0 else "right", color=INK,
            )  # fmt: skip
        axes.axvline(0.0, color=INK, lw=1.0)
        _name_bars(axes, [group for group, _ in pairs])
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
        room = 0.25 * max(high - low, 1.0)
        axes.set_xlim(low - room, high + room)
        axes.set_xlabel("time-resolved against yearly average, %")
        words = some_of([f"{group.name} {difference:+.1f} %" for group, difference in pairs])
        return to_svg(figure, f"yearly-{name}", f"Operational grams against those by yearly averages: {words}.")


def causes(shares: Sequence[CauseShare], names: Mapping[str, str]) -> str:
    """Return the largest shares of the variance of the total as bars; empty without any. ``names``: of factor ids."""
    shown = [share for share in shares[:MAX_CAUSES] if share.share_ratio >= _LEAST_SHARE]
    if not shown:
        return ""
    values = np.array([100.0 * share.share_ratio for share in shown])
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(0.9 + 0.34 * len(shown))
        axes.barh(np.arange(len(shown)), values, height=0.5, color="#8a6fe8")
        for y, share in enumerate(shown):
            place = (float(values[y]), y)
            text = percent(share.share_ratio)
            axes.annotate(text, place, xytext=(6, 0), textcoords="offset points", va="center", color=INK)
        axes.set_yticks(range(len(shown)), [names.get(share.cause, share.cause) for share in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0.0, float(values.max()) * 1.15)
        axes.set_xlabel("% of the variance of the total")
        words = some_of([f"{names.get(share.cause, share.cause)} {percent(share.share_ratio)}" for share in shown])
        return to_svg(figure, "causes", f"Largest shares of the variance of the total: {words}.")


def _name_bars(axes: Axes, groups: Sequence[GroupFigures]) -> None:
    axes.set_yticks(range(len(groups)), [group.name for group in groups])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _qualities_words(group: GroupFigures) -> str:
    parts = [f"{name} {percent(ratio)}" for name in QUALITY_COLOURS if (ratio := group.intensity_ratio.get(name, 0.0))]
    return " and ".join(parts)


def _value(group: GroupFigures, side: str) -> float:
    estimate = getattr(group.grams_of_known, side)
    return 0.0 if estimate is None else max(float(estimate.value), 0.0)


def _known_g(group: GroupFigures) -> float:
    return _value(group, "operational") + _value(group, "embodied")
