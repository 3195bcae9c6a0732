"""The plots of a comparison's page as inline SVG, each with what it shows in words; see ``svg``.

Told apart by hatches, dashes and labels as well as by colour.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from collector.analysis.comparison.answers import (
    CAUSES,
    BreakEven,
    Cause,
    Curve,
    CurvePoint,
    Question,
    SideGrams,
    Tornado,
    ViewAnswer,
)
from collector.carbon.estimate import F64
from collector.numbers import prefix_of
from collector.web.comparison_words import (
    CAUSE_WORDS,
    bare_value,
    break_even_words,
    field_words,
    plain,
    share_words,
    signed,
    spread,
    value_words,
    view_name,
)
from collector.web.svg import INK, STYLE, new_figure, to_svg

WIDTH_IN: Final = 4.6
PLOT_STYLE: Final[dict[Any, Any]] = STYLE | {"font.size": 9.0, "hatch.linewidth": 0.6}
EDGE: Final = "#2f7ed8"
CLOUD: Final = "#d5532b"
OUTLINE: Final = "#14181f"
"""Of hatches and edges, which lie on colours that are the same in light and dark."""
MAX_SWINGS: Final = 10
LOOKS: Final[dict[Cause, tuple[str, str]]] = {
    "work": ("#2f7ed8", ""),
    "idle": ("#8fbfee", "////"),
    "overhead": ("#9aa3ad", "++++"),
    "network": ("#d5532b", "xxxx"),
    "hardware": ("#e08a00", ""),
    "client_energy": ("#0f9d76", "\\\\\\\\"),
    "client_hardware": ("#c4569d", "----"),
}
"""Colour and hatch of each cause."""
_AXIS_WORDS: Final[dict[Question, str]] = {
    "inferences_per_day": "inferences a day",
    "edge_grid": "intensity of the edge's grid, gCO2e/kWh",
    "edge_lifetime": "life of the edge's hardware, years",
    "cloud_utilisation": "utilisation of the server",
}
_LEAST_TICK: Final = 1e-4
_WIDE: Final = 20.0
"""Values that span more than this are drawn on a logarithmic axis."""


def bars(answer: ViewAnswer, name: str, unit: str) -> str:
    """Return both sides of one view as bars stacked by cause, with median and P5 to P95 of the sum."""
    sides = (("edge", answer.edge), ("cloud", answer.cloud))
    stacked = max(sum(max(one.p50, 0.0) for one in side.causes.values()) for _, side in sides)
    scale, letter = prefix_of(max(stacked, *(side.total.p50 for _, side in sides)))
    with mpl.rc_context(PLOT_STYLE):
        figure, axes = new_figure(1.55, WIDTH_IN)
        reach = stacked / scale
        for y, (_, side) in enumerate(sides):
            left = 0.0
            for cause in CAUSES:
                grams = side.causes[cause].p50 / scale if cause in side.causes else 0.0
                if grams <= 0.0:
                    continue
                colour, hatch = LOOKS[cause]
                axes.barh(
                    y, grams, left=left, height=0.6, facecolor=colour, hatch=hatch, edgecolor=OUTLINE, linewidth=0.4
                )
                left += grams
            total = side.total
            ends = [[(total.p50 - total.p5) / scale], [(total.p95 - total.p50) / scale]]
            axes.errorbar(
                [total.p50 / scale], [y], xerr=ends, fmt="o", ms=4, color=INK, elinewidth=1.4, capsize=4
            )  # fmt: skip
            end = max(left, total.p95 / scale)
            axes.annotate(
                spread(total, "g")[0], (end, y), xytext=(6, 0), textcoords="offset points", va="center", color=INK
            )
            reach = max(reach, end)
        axes.set_yticks(range(len(sides)), [side for side, _ in sides])
        axes.set_ylim(len(sides) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0.0, reach * 1.24 if reach > 0.0 else 1.0)
        axes.set_xlabel(f"{letter}g CO2e per {unit}")
        return to_svg(figure, name, _bars_words(answer, unit))


def legend(causes: Sequence[Cause], name: str) -> str:
    """Return the key to the bars."""
    with mpl.rc_context(PLOT_STYLE):
        rows = -(-len(causes) // 2)
        figure, axes = new_figure(0.1 + 0.22 * rows, WIDTH_IN)
        keys: list[Any] = [
            Patch(
                facecolor=LOOKS[one][0], hatch=LOOKS[one][1], edgecolor=OUTLINE, linewidth=0.4, label=CAUSE_WORDS[one]
            )
            for one in causes
        ]
        axes.set_axis_off()
        axes.legend(handles=keys, loc="center left", ncols=2, columnspacing=1.2, handlelength=1.8, borderpad=0.0)
        return to_svg(figure, name, f"Key to the bars: {', '.join(CAUSE_WORDS[cause] for cause in causes)}")


def curve(one: Curve, crossing: BreakEven | None, name: str, unit: str) -> str:
    """Return both sides over a swept quantity with P5 to P95, and where they are alike; empty below two points."""
    if len(one.points) < 2:
        return ""
    x = np.array([point.value for point in one.points])
    sides = {"edge": _side(one, lambda point: point.edge), "cloud": _side(one, lambda point: point.cloud)}
    scale, letter = prefix_of(float(np.median(np.concatenate([middle for _, middle, _ in sides.values()]))))
    with mpl.rc_context(PLOT_STYLE):
        figure, axes = new_figure(2.6, WIDTH_IN)
        for (side, (low, middle, high)), colour, dashes in zip(
            sides.items(), (EDGE, CLOUD), ("-", (0, (5, 2))), strict=True
        ):
            axes.fill_between(x, low / scale, high / scale, color=colour, alpha=0.2, linewidth=0)
            axes.plot(x, middle / scale, color=colour, ls=dashes, lw=2.0, label=side)
        wide = _scales(axes, x, np.concatenate([ends for each in sides.values() for ends in each]) / scale)
        _mark_crossing(axes, crossing, x, here=one.here)
        axes.set_xlabel(_AXIS_WORDS[one.question])
        axes.set_ylabel(f"{letter}g CO2e per {unit}")
        if not wide:
            axes.set_ylim(bottom=min(0.0, *(float(low.min()) / scale for low, _, _ in sides.values())))
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, handlelength=2.2, columnspacing=1.0, borderpad=0.0
        )
        return to_svg(figure, name, _curve_words(one, crossing, unit))


def _side(one: Curve, of: Callable[[CurvePoint], Any]) -> tuple[F64, F64, F64]:
    figures = [of(point) for point in one.points]
    return tuple(np.array([getattr(each, end) for each in figures]) for end in ("p5", "p50", "p95"))  # type: ignore[return-value]


def _scales(axes: Axes, x: F64, y: F64) -> bool:
    """Set logarithmic axes where values are positive and span much, the vertical one only with the other.

    Returns whether the vertical one is: what is linear in a grid's intensity looks so.
    """
    wide = bool(x.min() > 0.0 and x.max() > _WIDE * x.min())
    if wide:
        axes.set_xscale("log")
    wide = wide and bool(y.min() > 0.0 and y.max() > _WIDE * y.min())
    if wide:
        axes.set_yscale("log")
    format_axes(axes)
    axes.set_xlim(float(x.min()), float(x.max()))
    return wide


def format_axes(axes: Axes) -> None:
    """Write large numbers short on both axes, and none beside the small ticks."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: _tick(value))
        axis.set_minor_locator(NullLocator())


def _tick(value: float) -> str:
    if value == 0.0 or _LEAST_TICK <= abs(value) < 1e4:
        return f"{value:g}".replace("-", "−")
    if abs(value) < _LEAST_TICK:
        return plain(value, 1)
    scale, letter = prefix_of(value)
    return f"{value / scale:g}{letter}"


def _mark_crossing(axes: Axes, crossing: BreakEven | None, x: F64, *, here: float | None) -> None:
    if crossing is not None and crossing.value is not None:
        if crossing.low is not None and crossing.high is not None:
            low, high = np.clip([crossing.low, crossing.high], x.min(), x.max())
            if high > low:
                axes.axvspan(low, high, facecolor=INK, alpha=0.08, linewidth=0)
        if x.min() <= crossing.value <= x.max():
            value = f"{bare_value(crossing.value, crossing.question)}{' %' if crossing.unit == 'ratio' else ''}"
            axes.axvline(crossing.value, color=INK, lw=1.3, label=f"alike: {value}")
    if here is not None and x.min() <= here <= x.max():
        axes.axvline(here, color=INK, lw=1.3, ls=(0, (1, 2)), label="this case")


def tornado(one: Tornado, name: str, unit: str) -> str:
    """Return how far each factor's low and high end moves edge minus cloud; empty where nothing moves it."""
    swings = [swing for swing in one.swings[:MAX_SWINGS] if swing.at_low_g != swing.at_high_g]
    if not swings:
        return ""
    ends = np.array([[swing.at_low_g, swing.at_high_g] for swing in swings])
    scale, letter = prefix_of(float(np.abs(ends).max()))
    with mpl.rc_context(PLOT_STYLE):
        figure, axes = new_figure(0.75 + 0.42 * len(swings), WIDTH_IN)
        middle = one.middle_g / scale
        for y, swing in enumerate(swings):
            for end, hatch, label in ((swing.at_low_g, "////", "at its low end"), (swing.at_high_g, "", "high end")):
                axes.barh(
                    y + 0.16, end / scale - middle, left=middle, height=0.4, hatch=hatch, edgecolor=OUTLINE,
                    facecolor="#8fbfee" if hatch else "#e08a00", linewidth=0.4, label=label if y == 0 else None,
                )  # fmt: skip
            turns = " ◆" if swing.turns else ""
            text = f"{_shortened(field_words(swing.name))} · {share_words(swing.variance_ratio)}{turns}"
            axes.annotate(
                text, (0.0, y - 0.27), xycoords=("axes fraction", "data"), va="center", color=INK,
                fontweight="bold" if swing.turns else "normal",
            )  # fmt: skip
        low, high = min(float(ends.min()) / scale, middle), max(float(ends.max()) / scale, middle)
        room = 0.06 * (high - low)
        axes.set_xlim(low - room, high + room)
        rows = np.arange(len(swings))
        axes.vlines(np.full(len(rows), middle), rows - 0.07, rows + 0.4, color=INK, lw=0.8)
        if low - room <= 0.0 <= high + room:
            axes.vlines(np.zeros(len(rows)), rows - 0.07, rows + 0.4, color=INK, lw=1.8, ls=(0, (3, 1)), label="alike")
        axes.set_yticks([])
        axes.set_ylim(len(swings) - 0.5, -0.6)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(6))
        format_axes(axes)
        axes.set_xlabel(f"edge minus cloud, {letter}g CO2e per {unit}")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, columnspacing=1.2, borderpad=0.0)
        return to_svg(figure, name, tornado_words(one))


def _shortened(name: str, most: int = 52) -> str:
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"


def tornado_words(one: Tornado) -> str:
    """Return what the largest swings do."""
    parts = [
        f"{field_words(swing.name)} from {_difference(swing.at_low_g)} to {_difference(swing.at_high_g)}"
        f"{', which turns the answer' if swing.turns else ''}"
        for swing in one.swings[:3]
    ]
    start = f"{view_name(one.view).capitalize()}: edge minus cloud is {_difference(one.middle_g)} at the medians. "
    return f"{start}What moves it most: {'; '.join(parts)}."


def _difference(grams: float) -> str:
    scale, letter = prefix_of(grams)
    return f"{signed(grams / scale)} {letter}g"


def _bars_words(answer: ViewAnswer, unit: str) -> str:
    start = f"{view_name(answer.view).capitalize()}, per {unit}."
    return f"{start} Edge {_side_words(answer.edge)}. Cloud {_side_words(answer.cloud)}."


def _side_words(side: SideGrams) -> str:
    middle, ends = spread(side.total, "g")
    parts = [
        f"{CAUSE_WORDS[cause]} {spread(side.causes[cause], 'g')[0]}"
        for cause in CAUSES
        if cause in side.causes and side.causes[cause].p50 > 0.0
    ]
    return f"{middle}{f' ({ends})' if ends else ''}: {', '.join(parts)}"


def _curve_words(one: Curve, crossing: BreakEven | None, unit: str) -> str:
    first, last = one.points[0], one.points[-1]
    ends = [value_words(point.value, one.question, one.unit) for point in (first, last)]
    moves = [
        f"{side} goes from {spread(a, 'g')[0]} to {spread(b, 'g')[0]}"
        for side, a, b in (("Edge", first.edge, last.edge), ("cloud", first.cloud, last.cloud))
    ]
    text = f"{view_name(one.view).capitalize()}, per {unit}, from {ends[0]} to {ends[1]}: {', '.join(moves)}."
    return text if crossing is None else f"{text} {break_even_words(crossing)}"
