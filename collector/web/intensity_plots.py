"""Plots of grid intensity and of the start-time what-if as files: SVG, PNG or PDF by the file's name."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import dates as mpl_dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from collector.carbon.timeline import I64, IntensityTimeline
from collector.carbon.what_if import PlaceCosts
from edge_agent.wire.errors import ConfigurationError

COLOURS: Final = ("#2f7ed8", "#e08a00", "#0f9d76", "#c4569d", "#8a6fe8", "#d5532b", "#3aa7c9", "#8f9b2e")
SUFFIXES: Final = (".svg", ".png", ".pdf")
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgejoule",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#d8dce2",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_DATES: Final[Any] = mpl_dates  # has no annotations


@dataclass(frozen=True, slots=True)
class ZoneLine:
    """A zone's steps, and the yearly average that stands beside them, None for none."""

    zone: str
    timeline: IntensityTimeline
    yearly_gco2e_per_kwh: float | None


def check_plot_name(path: Path, where: str) -> None:
    """Raise ConfigurationError for a name that says no kind of picture, before any work is done for it."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(f"{where} {path}: name a file that ends in {', '.join(SUFFIXES)}")


def intensity_plot(lines: Sequence[ZoneLine], start_unix_ns: int, end_unix_ns: int, title: str) -> Figure:
    """Return each zone's intensity over time: P5 to P95 shaded, forecasts dotted, the yearly average dashed."""
    with mpl.rc_context(STYLE):
        figure, axes = _new_figure(title)
        for number, line in enumerate(lines):
            colour = COLOURS[number % len(COLOURS)]
            steps = line.timeline.without_yearly()
            times, (value, low, high) = _outline(steps, (steps.gco2e_per_kwh, steps.low, steps.high))
            axes.fill_between(times, low, high, color=colour, alpha=0.15, lw=0)
            axes.plot(times, value, color=colour, lw=1.6, label=line.zone if len(steps) else None)
            forecast = np.repeat(np.asarray([quality == "forecast" for quality in steps.quality], dtype=bool), 3)
            axes.plot(times, np.where(forecast, value, np.nan), color="white", lw=0.9, ls=(0, (2, 2)))
            if line.yearly_gco2e_per_kwh is not None:
                label = None if len(steps) else line.zone
                axes.axhline(line.yearly_gco2e_per_kwh, color=colour, lw=1.0, ls="--", label=label)
        axes.set_ylabel("gCO2e/kWh")
        _time_axis(axes, start_unix_ns, end_unix_ns, "UTC; dashed: yearly average; dotted white: forecast")
        return figure


def what_if_plot(places: Sequence[PlaceCosts], title: str) -> Figure:
    """Return grams over the start time, a line for each zone with its range; what is not all known is left open."""
    with mpl.rc_context(STYLE):
        figure, axes = _new_figure(title)
        for number, place in enumerate(places):
            colour = COLOURS[number % len(COLOURS)]
            times = _times(np.array([one.start_unix_ns for one in place.starts], dtype=np.int64))
            value, low, high = (
                np.array([getattr(one, name) for one in place.starts], dtype=np.float64)
                for name in ("gco2e", "low", "high")
            )
            axes.fill_between(times, low, high, color=colour, alpha=0.15, lw=0)
            axes.plot(times, value, color=colour, lw=1.6, label=place.zone)
            if place.yearly_gco2e is not None:
                axes.axhline(place.yearly_gco2e, color=colour, lw=1.0, ls="--")
            if place.cheapest is not None and place.cheapest.gco2e is not None:
                at = _times(np.array([place.cheapest.start_unix_ns], dtype=np.int64))
                axes.plot(at, [place.cheapest.gco2e], "o", color=colour, ms=5)
        axes.set_ylabel(places[0].unit if places else "")
        ends = [one.start_unix_ns for place in places for one in place.starts] or [0]
        _time_axis(
            axes, min(ends), max(ends), "start of the work, UTC; dashed: with the yearly average; dot: cheapest"
        )
        return figure


def save_plot(figure: Figure, path: Path, where: str) -> None:
    """Write the figure. Raises ConfigurationError when that cannot be done."""
    check_plot_name(path, where)
    kept_out = {".svg": ("Creator", "Date"), ".png": ("Software",), ".pdf": ("Creator", "Producer", "CreationDate")}
    try:
        with mpl.rc_context(STYLE):
            metadata: dict[str, Any] = dict.fromkeys(kept_out[path.suffix.lower()])
            figure.savefig(path, dpi=150, metadata=metadata)
    except OSError as error:
        raise ConfigurationError(f"{where} {path}: cannot write it: {error.strerror}") from error


def _new_figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10)
    return figure, axes


def _outline(steps: IntensityTimeline, rows: Sequence[Any]) -> "tuple[Any, list[npt.NDArray[np.float64]]]":
    """Return times and values that draw steps: both ends of each, and a NaN after it where a hole follows."""
    follows = np.append(steps.starts_unix_ns[1:] == steps.ends_unix_ns[:-1], True) if len(steps) else np.zeros(0, bool)
    times = np.column_stack((steps.starts_unix_ns, steps.ends_unix_ns, steps.ends_unix_ns)).ravel()
    drawn = [np.column_stack((row, row, np.where(follows, row, np.nan))).ravel() for row in rows]
    return _times(times), drawn


def _times(t_unix_ns: I64) -> Any:
    return t_unix_ns.astype("datetime64[ns]").astype("datetime64[ms]")


def _time_axis(axes: Axes, start_unix_ns: int, end_unix_ns: int, label: str) -> None:
    locator = _DATES.AutoDateLocator(minticks=4, maxticks=9, tz=dt.UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(_DATES.ConciseDateFormatter(locator, tz=dt.UTC))
    if end_unix_ns > start_unix_ns:
        axes.set_xlim(*_times(np.array([start_unix_ns, end_unix_ns], dtype=np.int64)))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, borderaxespad=0.2)
