"""The live display: redrawn in place on a terminal, a plain line now and then elsewhere. It speaks on stderr."""

import time
from dataclasses import dataclass
from typing import Final

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from edgejoule.commands.meter.power_line import PowerHistory, power_line
from edgejoule.drawn import Drawn
from edgejoule.output import stderr_console
from firmware_bridge.clock import ClockEstimate
from firmware_bridge.samples import EnergyDelta, EnergyReading, MeterIdentity, SampleBlock
from firmware_bridge.timeline import SyncState

REFRESH_S: Final = 0.5
LINE_S: Final = 5.0
MARGIN: Final = 2


@dataclass(frozen=True, slots=True)
class Now:
    """What is to be seen. ``block``: the samples that came last, None while nothing comes."""

    block: SampleBlock | None
    total: EnergyDelta | None
    reading: EnergyReading
    limits_j: tuple[float, float] | None
    frame_errors: dict[str, int]
    identity: MeterIdentity | None
    sync: SyncState
    clock: ClockEstimate | None


class LiveDisplay(Drawn):
    """Shows ``Now`` after ``Now``. Use as a context manager. ``line_s``: between two lines off a terminal."""

    def __init__(self, title: str, *, simulated: bool, line_s: float = LINE_S) -> None:
        self._title = title + (" SIMULATED" if simulated else "")
        self._console = stderr_console()
        self._on_terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = Live(console=self._console, transient=True, auto_refresh=False) if self._on_terminal else None
        self._history = PowerHistory()
        self._line_s = line_s
        self._next_line_s = time.monotonic() + line_s
        super().__init__(self._live)

    def show(self, now: Now) -> None:
        """Show it, if it is time."""
        self._history.note(now.reading)
        if self._live is not None:
            self._live.update(self._drawn(now), refresh=True)
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s += self._line_s
            self._console.print(_line(now), markup=False, soft_wrap=True)

    def _drawn(self, now: Now) -> Group:
        table = Table("volts", "amperes", "watts", "joules", "seconds", "gap s", title=escape(self._title))
        volts, amperes, watts = _means(now.block)
        total = now.total
        sums = ("-", "-", "-")
        if total is not None:
            sums = (f"{total.energy_j:.3f}", f"{total.duration_s:.1f}", f"{total.gap_s:.3f}")
        table.add_row(volts, amperes, watts, *sums)
        plain = self._console.options.ascii_only
        lines = [power_line(self._history.powers_w, self._console.width - MARGIN, plain=plain), *_notes(now)]
        return Group(table, *(escape(line) for line in lines if line))


def _means(block: SampleBlock | None) -> tuple[str, str, str]:
    if block is None:
        return "-", "-", "disconnected"
    return f"{block.voltage_v.mean():.4f}", f"{block.current_a.mean():.5f}", f"{block.power_w.mean():.4f}"


def _line(now: Now) -> str:
    if now.total is None:
        return "no sample yet"
    volts, amperes, watts = _means(now.block)
    total = now.total
    means = "disconnected" if now.block is None else f"{volts} V, {amperes} A, {watts} W"
    return f"{total.duration_s:.1f} s: {means}, {total.energy_j:.3f} J, gap {total.gap_s:.3f} s"


def _notes(now: Now) -> list[str]:
    """Return what stands below the figures: gap bound, errors, who it is, its clock."""
    notes: list[str] = []
    if now.total is not None and now.total.gap_s > 0.0:
        notes.append(f"gap: at most {now.total.gap_bound_j:.3f} J more")
    if now.frame_errors:
        notes.append("errors: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(now.frame_errors.items())))
    if now.identity is not None:
        notes.append("meter: " + identity_text(now.identity))
    notes.append("clock: " + clock_text(now.sync, now.clock))
    return notes


def identity_text(identity: MeterIdentity) -> str:
    """Return model, serial number and firmware in one line."""
    parts = [identity.model, identity.serial_number, identity.firmware]
    return " ".join(part for part in parts if part)


def clock_text(sync: SyncState, clock: ClockEstimate | None) -> str:
    """Return how the meter's time stands to the host's."""
    within = f"{1e3 * sync.residual_s:.3g} ms" if sync.residual_s < 1.0 else f"{sync.residual_s:.3g} s"
    text = f"{sync.method.replace('_', ' ')}, within {within}"
    if clock is None:
        return text
    return text + f", drift {1e6 * clock.drift_ratio:+.1f} ± {1e6 * clock.drift_u_ratio:.1f} ppm"
