"""The report's plots as inline SVG: no script, no font file, colours that follow the page's light or dark."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib import dates as mpl_dates
from matplotlib.axes import Axes

from collector.fleet.values import DeviceAccount, DeviceSeries
from collector.numbers import prefix_of, si, si_u, significant, some_of
from collector.web.svg import INK, STYLE, new_figure, to_svg

COLOURS: Final = ("#2f7ed8", "#e08a00", "#0f9d76", "#c4569d", "#8a6fe8", "#d5532b", "#3aa7c9", "#8f9b2e")
"""Told apart with any colour vision, and on white as on near black."""
OPERATIONAL: Final = "#2f7ed8"
EMBODIED: Final = "#e08a00"
MAX_DEVICES: Final = 40
_DATES: Final[Any] = mpl_dates  # has no annotations


def colour(index: int) -> str:
    """Return the colour of the device at ``index``, the same in every plot and card."""
    return COLOURS[index % len(COLOURS)]


def energy_per_inference(devices: Sequence[DeviceAccount]) -> str:
    """Return bars of joules per inference with two standard uncertainties, empty when no device has any."""
    shown = [(i, d) for i, d in enumerate(devices[:MAX_DEVICES]) if d.j_per_inference is not None]
    if not shown:
        return ""
    values = np.array([d.j_per_inference for _, d in shown])
    u = np.array([d.j_per_inference_u or 0.0 for _, d in shown])
    scale, letter = prefix_of(float(values.max()))
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(_height(len(shown)))
        where = np.arange(len(shown))
        axes.barh(where, values / scale, height=0.56, color=[colour(i) for i, _ in shown])
        axes.errorbar(values / scale, where, xerr=2 * u / scale, fmt="none", ecolor=INK, elinewidth=1.4, capsize=4)
        for y, (_, device) in enumerate(shown):
            text = si_u(device.j_per_inference, device.j_per_inference_u, "J")
            reach = float((values[y] + 2 * u[y]) / scale)
            axes.annotate(text, (reach, y), xytext=(7, 0), textcoords="offset points", va="center", color=INK)
        _name_bars(axes, [device.device_id for _, device in shown])
        axes.set_xlim(0, float((values + 2 * u).max() / scale) * 1.42)
        axes.set_xlabel(f"{letter}J per inference")
        words = [f"{one.device_id} {si_u(one.j_per_inference, one.j_per_inference_u, 'J')}" for _, one in shown]
        return to_svg(figure, "jpi", f"Energy per inference: {some_of(words)}.")


def carbon_per_1000(devices: Sequence[DeviceAccount]) -> str:
    """Return stacked bars, operational and embodied, with the P5 to P95 range of their sum; empty when unknown."""
    shown = [d for d in devices[:MAX_DEVICES] if d.total_gco2e_per_1000 is not None]
    if not shown:
        return ""
    operational = np.array([d.operational_gco2e_per_1000.value for d in shown if d.operational_gco2e_per_1000])
    embodied = np.array([d.embodied_gco2e_per_1000.value for d in shown if d.embodied_gco2e_per_1000])
    totals = [d.total_gco2e_per_1000 for d in shown if d.total_gco2e_per_1000]
    scale, letter = prefix_of(max(t.value for t in totals))
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(_height(len(shown)) + 0.35)
        where = np.arange(len(shown))
        axes.barh(where, operational / scale, height=0.56, color=OPERATIONAL, label="operational")
        axes.barh(where, embodied / scale, left=operational / scale, height=0.56, color=EMBODIED, label="embodied")
        ends = np.array([[t.value - t.low for t in totals], [t.high - t.value for t in totals]]) / scale
        middle = np.array([t.value for t in totals]) / scale
        axes.errorbar(middle, where, xerr=ends, fmt="none", ecolor=INK, elinewidth=1.4, capsize=4)
        for y, estimate in enumerate(totals):
            place = (estimate.high / scale, y)
            text = significant(estimate.value / scale)
            axes.annotate(text, place, xytext=(7, 0), textcoords="offset points", va="center", color=INK)
        _name_bars(axes, [device.device_id for device in shown])
        axes.set_xlim(0, max(t.high for t in totals) / scale * 1.2)
        axes.set_xlabel(f"{letter}g CO2e per 1000 inferences")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
        words = [f"{one.device_id} {si(total.value, 'g')}" for one, total in zip(shown, totals, strict=True)]
        return to_svg(figure, "co2", f"CO2e per 1000 inferences: {some_of(words)}.")


def power_over_time(series: Sequence[DeviceSeries]) -> str:
    """Return mean power of each device over time; a bin without samples leaves the line open."""
    if not series:
        return ""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(2.7)
        for index, one in enumerate(series[:MAX_DEVICES]):
            times, power_w = _with_breaks(one)
            marker = "o" if len(times) <= 60 else ""
            axes.plot(times, power_w, marker, ls="-", ms=3.2, color=colour(index), lw=1.7, label=one.device_id)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("mean power, W")
        _time_axis(axes, len(series))
        words = [f"{one.device_id} {_reach(one.power_w, 'W')}" for one in series[:MAX_DEVICES]]
        return to_svg(figure, "power", f"Mean power over time: {some_of(words)}.")


def energy_per_window(series: Sequence[DeviceSeries]) -> str:
    """Return the energy of the windows of each device with two standard uncertainties, on a logarithmic scale."""
    shown = [(i, s) for i, s in enumerate(series[:MAX_DEVICES]) if any(e > 0.0 for e in s.energy_per_window_j)]
    if not shown:
        return ""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(2.7)
        for index, one in shown:
            joules, u = np.array(one.energy_per_window_j), np.array(one.energy_per_window_u_j)
            good = joules > 0.0
            below = np.minimum(2 * u, 0.99 * np.maximum(joules, 0.0))
            axes.errorbar(
                _times(one.t_unix_ns)[good],
                joules[good],
                yerr=np.array([below[good], 2 * u[good]]),
                fmt="o",
                markersize=3.2,
                elinewidth=1.1,
                color=colour(index),
                label=one.device_id,
            )
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(low / 1.6, high * 1.6)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if str(f"{value:e}")[0] in "25" else "")
        axes.tick_params(axis="y", which="minor", length=0)
        axes.set_ylabel("J per window")
        _time_axis(axes, len(shown))
        words = [f"{one.device_id} {_reach(one.energy_per_window_j, 'J')}" for _, one in shown]
        return to_svg(figure, "window", f"Energy of each window: {some_of(words)}.")


def _reach(values: Sequence[float | None], unit: str) -> str:
    """Return from where to where the known values go."""
    known = [value for value in values if value is not None]
    return f"{si(min(known), unit)} to {si(max(known), unit)}" if known else "unknown"


def _height(bars: int) -> float:
    return 0.8 + 0.42 * bars


def _name_bars(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _time_axis(axes: Axes, devices: int) -> None:
    locator = _DATES.AutoDateLocator(minticks=4, maxticks=7, tz=dt.UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(_DATES.ConciseDateFormatter(locator, tz=dt.UTC))
    axes.set_xlabel("UTC")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=min(4, devices), borderaxespad=0.2)


def _times(t_unix_ns: Sequence[int]) -> "np.typing.NDArray[np.datetime64]":
    return np.array(t_unix_ns, dtype="datetime64[ns]").astype("datetime64[ms]")


def _with_breaks(one: DeviceSeries) -> "tuple[np.typing.NDArray[np.datetime64], list[float]]":
    """Return times and powers with a NaN wherever bins are absent, so that no line crosses a time without windows."""
    times: list[int] = []
    power_w: list[float] = []
    last_ns = None
    for t_ns, value in zip(one.t_unix_ns, one.power_w, strict=True):
        if last_ns is not None and t_ns - last_ns > 1.5e9 * one.bin_s:
            times.append((last_ns + t_ns) // 2)
            power_w.append(float("nan"))
        times.append(t_ns)
        power_w.append(float("nan") if value is None else value)
        last_ns = t_ns
    return _times(times), power_w
