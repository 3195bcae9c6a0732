"""Power over the whole bench as SVG, windows and baselines shaded; joules per inference of each window beside U."""

import io
import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from collector.numbers import prefix_of
from edge_agent.wire.records import BenchRecord
from edgejoule.bench_report.content import joules_of

if TYPE_CHECKING:
    from edge_agent.bench.power_trace import PowerTrace

WINDOW_COLOUR: Final = "#4c78a8"
BASELINE_COLOUR: Final = "#72b7b2"
BAND_COLOUR: Final = "#f58518"
Parts = tuple[tuple[str, float, float], ...]


def has_matplotlib() -> bool:
    """Return whether there is what draws."""
    return find_spec("matplotlib") is not None


def draw(record: BenchRecord, trace: "PowerTrace", parts_device_s: Parts) -> str:
    """Return an SVG element. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    figure = Figure(figsize=(10, 6), layout="constrained")
    power, each = figure.subplots(2, 1, height_ratios=(2, 1))
    _draw_power(power, trace, parts_device_s, simulated=record.simulated)
    _draw_windows(each, record)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _draw_power(axes: Any, trace: "PowerTrace", parts_device_s: Parts, *, simulated: bool) -> None:
    t_s, power_w = trace.power()
    begin_s = float(t_s[0]) if len(t_s) else 0.0
    axes.plot(t_s - begin_s, power_w, linewidth=0.8, color="black")
    for name, first_s, last_s in parts_device_s:
        colour = BASELINE_COLOUR if name.startswith("baseline") else WINDOW_COLOUR
        axes.axvspan(first_s - begin_s, last_s - begin_s, color=colour, alpha=0.25, linewidth=0)
        axes.axvline(first_s - begin_s, color=colour, linewidth=0.5)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("power (W)")
    axes.set_title(f"power, means of {trace.bin_s:g} s{', SIMULATED' if simulated else ''}", fontsize=10)


def _draw_windows(axes: Any, record: BenchRecord) -> None:
    numbers = range(1, len(record.windows) + 1)
    each_j = [math.nan if (one_j := joules_of(window)) is None else one_j for window in record.windows]
    scale, letter = prefix_of(each_j[0] if each_j else 1.0)
    axes.plot(numbers, [one_j / scale for one_j in each_j], "o", color=WINDOW_COLOUR)
    if record.gross is not None:
        value, band = record.gross.value_j / scale, record.gross.expanded_u_j / scale
        axes.axhspan(value - band, value + band, color=BAND_COLOUR, alpha=0.2, linewidth=0, label="± U")
        axes.axhline(value, color=BAND_COLOUR, linewidth=1, label="median")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    axes.set_xticks(list(numbers))
    axes.set_xlabel("window")
    axes.set_ylabel(f"gross {letter}J/inference")
