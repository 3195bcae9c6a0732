"""The live table: what the collector has stored so far, device by device."""

from dataclasses import dataclass, field
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from collector.assess import Assessor, Carbon
from collector.carbon.estimate import Estimate
from collector.fleet.sums import Uncertain
from collector.journal import Journal
from collector.numbers import si, si_u
from collector.values import LedgerLine
from edge_agent.wire.records import InferenceWindow
from edgejoule.demo.fleet_plan import DEVICES

_READ_LIMIT: Final = 1000
_K: Final = 2.0
_HEADINGS: Final = (
    "power",
    "infer.\nper s",
    "J/inference\n± U (k=2)",
    "CO2e/1000 inf.\noper. + embod.",
    "sent/\nstored/\npending",
    "gap\ns",
)


@dataclass(slots=True)
class DeviceTally:
    """Sums over the stored windows of one device since the run began, and its latest window."""

    last: InferenceWindow | None = None
    energy: Uncertain = field(default_factory=Uncertain)
    duration_s: float = 0.0
    inference_count: int = 0
    gap_s: float = 0.0

    def add(self, window: InferenceWindow) -> None:
        """Take one more window."""
        self.last = window
        self.energy.add_window(window)
        self.duration_s += window.duration_s
        self.inference_count += window.inference_count
        self.gap_s += window.gap_s


@dataclass(slots=True)
class LiveView:
    """Reads the journal, row after row, and draws the table."""

    journal: Journal
    assessor: Assessor
    seconds: float
    tallies: dict[str, DeviceTally] = field(default_factory=lambda: {d.device_id: DeviceTally() for d in DEVICES})
    notes: list[str] = field(default_factory=list)
    _row_id: int = 0
    _progress: Progress = field(
        default_factory=lambda: Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    )

    def __post_init__(self) -> None:
        self._progress.add_task("measuring", total=self.seconds)

    def refresh(self) -> None:
        """Take what was stored since the last time."""
        while rows := self.journal.rows_after(self._row_id, _READ_LIMIT):
            for row in rows:
                self.tallies.setdefault(row.device_id, DeviceTally()).add(row.window)
            self._row_id = rows[-1].row_id

    def render(self, elapsed_s: float, stage: str) -> RenderableType:
        """Return the table with the progress bar and the notes under it."""
        self._progress.update(self._progress.task_ids[0], completed=elapsed_s, description=stage)
        ledger = {line.device_id: line for line in self.journal.ledger()}
        table = Table(
            title="[bold yellow]SIMULATED meters[/], real protocols, real inference",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        table.add_column("device\nmeter", no_wrap=True)
        for heading in _HEADINGS:
            table.add_column(heading, justify="right", no_wrap=True)
        for device in DEVICES:
            tally = self.tallies[device.device_id]
            carbon = self._carbon(device.device_id, tally)
            figures = _figures(tally, carbon, ledger.get(device.device_id))
            table.add_row(f"{device.device_id}\n[dim]{device.meter_driver}[/]", *figures)
        return Group(table, self._progress, *self.notes)

    def _carbon(self, device_id: str, tally: DeviceTally) -> Carbon | None:
        if tally.last is None:
            return None
        return self.assessor.assess(
            device_id,
            energy_j=tally.energy.energy_j,
            energy_u_j=tally.energy.u_j,
            start_unix_ns=tally.last.t_start_unix_ns,
            duration_s=tally.duration_s,
            uses=tally.inference_count,
        )


def _figures(tally: DeviceTally, carbon: Carbon | None, line: LedgerLine | None) -> list[str]:
    sent = "–" if line is None else f"{line.sent}/{line.stored}/{line.pending}"
    count = tally.inference_count
    if tally.last is None:
        return ["–", "–", "first window…", "–", sent, "–"]
    covered_s = tally.duration_s - tally.gap_s
    operational = carbon.operational if carbon else None
    embodied = carbon.embodied if carbon else None
    return [
        si(tally.energy.energy_j / covered_s if covered_s > 0 else None, "W"),
        si(count / tally.duration_s, ""),
        si_u(tally.energy.energy_j / count, _K * tally.energy.u_j / count, "J") if count else "–",
        f"{_per_1000(operational, count)} + {_per_1000(embodied, count)}",
        sent,
        f"{tally.gap_s:.2g}",
    ]


def _per_1000(grams: Estimate | None, count: int) -> str:
    return si(grams.value / count * 1000 if grams and count else None, "g")
