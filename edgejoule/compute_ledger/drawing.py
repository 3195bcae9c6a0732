"""The ledger as a figure: joules per inference over each of four figures, both on logarithmic scales."""

import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from edgejoule.compute_ledger.content import TITLES, tau_text
from edgejoule.compute_ledger.values import Energy, Ledger, Row, Tau
from edgejoule.compute_ledger.values import Figure as Kind

SUFFIXES: Final = (".svg", ".png")
COLOURS: Final = {
    "int8": "#0072b2",
    "dynamic_range": "#e69f00",
    "float32": "#d55e00",
    "mixed": "#cc79a7",
    "not known": "#7f7f7f",
}
"""Of Okabe and Ito's palette, which people with any colour vision tell apart."""
MARKERS: Final = "osD^vP*Xph<>"
UNITS: Final[dict[Kind, str]] = {"macs": "", "parameters": "", "size_bytes": "B", "latency_p50_s": "s"}
AXES: Final[dict[Kind, str]] = {
    "macs": "MACs of an inference",
    "parameters": "parameters",
    "size_bytes": "size of the file",
    "latency_p50_s": "latency, p50",
}
_LOWEST_RATIO: Final = 0.999
"""A bar down to zero and below has no end on a logarithmic scale."""
_ROOM_RATIO: Final = 0.4
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "compute-ledger",
}


def draw(ledger: Ledger, energy: str = "gross") -> str:
    """Return an SVG element; ``energy``: gross or net. Rows without a figure above zero are not in its panel."""
    with mpl.rc_context(_STYLE):
        buffer = io.StringIO()
        _figure(ledger, energy).savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def draw_file(ledger: Ledger, path: Path, energy: str = "gross") -> None:
    """Draw to an SVG or PNG file. Raises ValueError for a suffix that is neither, OSError."""
    if path.suffix == ".svg":
        path.write_text(draw(ledger, energy), encoding="utf-8")
        return
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: a figure is written as {' or '.join(SUFFIXES)}")
    with mpl.rc_context(_STYLE):
        canvas: Any = FigureCanvasAgg(_figure(ledger, energy))
        with path.open("wb") as file:
            canvas.print_png(file)


def _figure(ledger: Ledger, energy: str) -> Figure:
    figure = Figure(figsize=(9.0, 7.2), dpi=120, layout="constrained")
    markers = _markers(ledger.rows)
    panels = figure.subplots(2, 2, sharey=True)
    for axes, kind in zip(panels.flat, TITLES, strict=True):
        _panel(axes, ledger, kind, energy, markers)
    for axes in panels[:, 0]:
        axes.set_ylabel(f"{energy} joules per inference")
    words = [f"{ledger.device_id} at {ledger.boundary}, {len(ledger.rows)} rows, bars: U (k = 2)"]
    if any(row.rejected for row in ledger.rows):
        words.append("REJECTED BENCHES INCLUDED")
    if ledger.simulated:
        words.append("SIMULATED METER: not measured on hardware")
    figure.suptitle("\n".join(words), fontsize=10)
    figure.legend(handles=_legend(ledger.rows, markers), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _panel(axes: Axes, ledger: Ledger, kind: Kind, energy: str, markers: dict[str, str]) -> None:
    alike: dict[tuple[str, str, int], list[tuple[float, Energy]]] = defaultdict(list)
    for row in ledger.rows:
        joules, across = _energy(row, energy), getattr(row, kind)
        if joules is not None and joules.value_j > 0.0 and across:
            alike[row.precision or "not known", _ran_by(row), row.threads].append((across, joules))
    for (precision, ran_by, threads), points in alike.items():
        values_j = [joules.value_j for _, joules in points]
        expanded_j = [joules.expanded_u_j for _, joules in points]
        below_j = [min(u_j, _LOWEST_RATIO * value_j) for u_j, value_j in zip(expanded_j, values_j, strict=True)]
        axes.errorbar(
            [across for across, _ in points],
            values_j,
            yerr=[below_j, expanded_j],
            fmt=markers[ran_by],
            color=COLOURS[precision],
            markersize=4.0 + 0.8 * min(threads, 8),
            alpha=0.75,
            linewidth=0.8,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    lowest_j = min((joules.value_j for points in alike.values() for _, joules in points), default=None)
    if lowest_j is not None:
        axes.set_ylim(bottom=lowest_j * _ROOM_RATIO)  # a bar down to zero runs out of the panel
    for axis, unit in ((axes.xaxis, UNITS[kind]), (axes.yaxis, "J")):
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axis.set_major_formatter(EngFormatter(unit))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(AXES[kind])
    group = ledger.groups[0]
    axes.set_title(_tau_text((group.net if energy == "net" else group.gross)[kind]), fontsize=8.0)
    axes.grid(visible=True, which="major", linewidth=0.3)


def _tau_text(tau: Tau) -> str:
    if tau.value is None:
        return "tau-b not known"
    text = f"tau-b {tau_text(tau.value)}"
    return text if tau.low is None or tau.high is None else f"{text} ({tau_text(tau.low)} to {tau_text(tau.high)})"


def _energy(row: Row, energy: str) -> Energy | None:
    return row.net if energy == "net" else row.gross


def _ran_by(row: Row) -> str:
    runtime, _, delegate, _ = row.setting
    return f"{runtime}, {delegate}"


def _markers(rows: Sequence[Row]) -> dict[str, str]:
    names = sorted({_ran_by(row) for row in rows})
    return {name: MARKERS[number % len(MARKERS)] for number, name in enumerate(names)}


def _legend(rows: Sequence[Row], markers: dict[str, str]) -> list[Line2D]:
    precisions = [name for name in COLOURS if name in {row.precision or "not known" for row in rows}]
    handles = [
        Line2D([], [], marker="o", linestyle="", color=COLOURS[name], label=name.replace("_", " "))
        for name in precisions
    ]
    handles += [
        Line2D([], [], marker=marker, linestyle="", color="black", fillstyle="none", label=name)
        for name, marker in markers.items()
    ]
    if len({row.threads for row in rows}) > 1:
        handles.append(Line2D([], [], linestyle="", label="larger: more threads"))
    return handles
