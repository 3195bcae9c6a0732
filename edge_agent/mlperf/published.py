"""What the runners printed: ``results.txt`` of an energy run, and what ``log.txt`` says of the meter. Pure.

Found by inspection, as the traces were (see ``traces``). The runner of MLCommons (v1.3) prints a block for each
trial: elapsed time in seconds, inferences, power in mW, total energy and energy per inference in uJ. The runner of
EEMBC (to v1.2) prints, after its own time stamp on every line, a block of energy (uJ), power (uW) and energy per
inference (uJ) for each window, then a block with the number of inferences and the run time of each; its windows are
counted by the event that ends them (2, 4, 6 ...). Both end with the median of energy per inference: the result.

A streaming run (wake word) has one trial of 1200 s with one "inference": its figure is the energy of the whole run.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from edge_agent.mlperf.errors import TraceError, TraceMissingError

Runner = Literal["mlcommons", "eembc"]

_NUMBER: Final = r"([0-9]{1,15}(?:\.[0-9]{1,18})?)(?![0-9.])"
_TRIAL: Final = re.compile(r"Energy data for trial (\d+)\s*$")
_WINDOW: Final = re.compile(rf"Energy data for window (\d+) at time {_NUMBER} for {_NUMBER} sec")
_COUNTS: Final = re.compile(r"Performance results for window (\d+)")
_MEDIAN: Final = re.compile(rf"Median energy cost is {_NUMBER} uJ/inf")
_FIGURE: Final = re.compile(
    rf"(Elapsed time|Inferences|Power|Total Energy|Energy/Inf\.?|Energy|Runtime)\s*:\s*{_NUMBER}"
)
_POWER_MW: Final = re.compile(r"\bmW\b")
_ENERGY_RUN: Final = "Energy data for"
_METER: Final = re.compile(r"m-regfile-fn\[[^\]]*energy\.bin\]-type\[emon\]-name\[([\w-]+)\]")
_VOLTAGE: Final = re.compile(r"m-voltage-mv\[(\d+)\]")

_EPSILON: Final = 2.0**-52


@dataclass(frozen=True, slots=True)
class Printed:
    """A figure as it was printed, in SI units; ``step`` is one unit of its last digit."""

    value: float
    step: float

    @classmethod
    def of(cls, text: str, unit: float) -> "Printed":
        """Take the digits of ``text``, printed in ``unit`` (1e-6 for uJ)."""
        decimals = len(text.partition(".")[2])
        return cls(float(text) * unit, 10.0**-decimals * unit)

    def shows(self, value: float) -> bool:
        """Tell whether ``value``, rounded to the digits printed, is what was printed."""
        return abs(value - self.value) <= 0.5 * self.step + 8.0 * _EPSILON * abs(value)

    def residual_ratio(self, value: float) -> float:
        """Return by how much ``value`` differs, relative to what was printed."""
        return (value - self.value) / self.value if self.value else value


@dataclass(frozen=True, slots=True)
class PublishedWindow:
    """One trial or window. ``start_s``: printed by one of the runners only, as ``runtime_s``."""

    name: str
    duration_s: Printed
    energy_j: Printed
    power_w: Printed
    energy_per_inference_j: Printed
    inferences: int
    start_s: Printed | None = None
    runtime_s: Printed | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """The figures of one energy run as its submitter published them."""

    runner: Runner
    windows: tuple[PublishedWindow, ...]
    median_j: Printed


@dataclass(frozen=True, slots=True)
class RunnerLog:
    """What ``log.txt`` says of the meter: its name for it and the supply, None where it says nothing."""

    meter: str | None = None
    voltage_v: float | None = None


def is_energy_text(text: str) -> bool:
    """Tell whether this ``results.txt`` is of an energy run (those of performance and accuracy are not)."""
    return _ENERGY_RUN in text


def parse_results_text(text: str) -> Published:
    """Return the published figures. Raises TraceError, or TraceMissingError for a run without energy."""
    if not is_energy_text(text):
        raise TraceMissingError("holds no energy figures: a run for performance or accuracy")
    blocks = _blocks(text)
    median = _MEDIAN.search(text)
    if median is None:
        raise TraceError("does not say the median energy per inference: it is cut short")
    runner: Runner = "mlcommons" if any(kind == "trial" for kind, _ in blocks) else "eembc"
    kind = "trial" if runner == "mlcommons" else "window"
    windows = tuple(
        _window(name, block, blocks.get(("counts", name), block))
        for (one, name), block in blocks.items()
        if one == kind
    )
    if not windows:
        raise TraceError("names no trial and no window that could be read")
    return Published(runner, windows, Printed.of(median[1], 1e-6))


def parse_runner_log(text: str) -> RunnerLog:
    """Return what the log says of meter and supply; the MLCommons runner's says neither."""
    meter, voltage = _METER.search(text), _VOLTAGE.search(text)
    return RunnerLog(meter[1] if meter else None, int(voltage[1]) / 1000.0 if voltage and int(voltage[1]) else None)


_Block = dict[str, Printed]


def _blocks(text: str) -> dict[tuple[str, str], _Block]:
    """Return the figures of each block by kind (trial, window, counts) and name, in SI units."""
    found: dict[tuple[str, str], _Block] = {}
    block: _Block = {}
    for line in text.splitlines():
        if opened := _TRIAL.search(line):
            block = found.setdefault(("trial", opened[1]), {})
        elif opened := _WINDOW.search(line):
            block = found.setdefault(("window", opened[1]), {})
            block["start"], block["duration"] = Printed.of(opened[2], 1.0), Printed.of(opened[3], 1.0)
        elif opened := _COUNTS.search(line):
            block = found.setdefault(("counts", opened[1]), {})
        elif figure := _FIGURE.search(line):
            name, unit = _si(figure[1], line)
            block[name] = Printed.of(figure[2], unit)
    return found


def _si(name: str, line: str) -> tuple[str, float]:
    if name == "Power":
        return "power", 1e-3 if _POWER_MW.search(line) else 1e-6
    names = {
        "Elapsed time": ("duration", 1.0),
        "Inferences": ("inferences", 1.0),
        "Runtime": ("runtime", 1.0),
        "Total Energy": ("energy", 1e-6),
        "Energy": ("energy", 1e-6),
    }
    return names.get(name, ("per inference", 1e-6))


def _window(name: str, block: _Block, counts: _Block) -> PublishedWindow:
    both = {**counts, **block}
    missing = [one for one in ("duration", "energy", "power", "per inference", "inferences") if one not in both]
    if missing:
        raise TraceError(f"window {name} does not say its {', '.join(missing)}: it is cut short")
    inferences = int(both["inferences"].value)
    if inferences < 1:
        raise TraceError(f"window {name} says {inferences} inferences")
    return PublishedWindow(
        name,
        both["duration"],
        both["energy"],
        both["power"],
        both["per inference"],
        inferences,
        both.get("start"),
        both.get("runtime"),
    )
