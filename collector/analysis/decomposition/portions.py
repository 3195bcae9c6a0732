"""From what was gathered of a period to the levels of each group, per day, with the causes of their errors."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from collector.analysis.decomposition.selection import Selection, names_of
from collector.analysis.decomposition.values import Levels, Question
from collector.assessment.assess import Gathered, Period
from collector.assessment.cells import DAY_COLUMNS, Cell, CellKey
from collector.assessment.figures import Place
from collector.assessment.query import DAY_NS, QUALITY_COLUMNS
from collector.carbon.embodied import Part
from collector.carbon.estimate import Range
from collector.inventory import Inventory
from edge_agent.wire.errors import ConfigurationError

_DAY_S: Final = 86_400.0
_NAMED: Final = 8
ALL: Final = "all"
GLUE: Final = ", "
NO_INTENSITY: Final = "no zone, or no intensity known there"
NO_ENERGY: Final = "no sample of their energy, or none above zero"
NO_HARDWARE: Final = "no hardware with a planned life in the inventory"
ON_THE_OTHER: Final = "nothing known of them on the other side"
REASONS: Final = (NO_INTENSITY, NO_ENERGY, NO_HARDWARE, ON_THE_OTHER)


@dataclass(slots=True)
class EnergyRow:
    """Joules a day of one cause and one kind of meter, their grams as value, low and high, and the meters' errors."""

    energy_j: float = 0.0
    gco2e: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    u_systematic_j: float = 0.0
    variance_j2: float = 0.0

    @property
    def g_per_j(self) -> Range:
        """Return the mean intensity with its range, in order."""
        value, low, high = (grams / self.energy_j for grams in self.gco2e)
        return value, min(value, low, high), max(value, low, high)


@dataclass(slots=True)
class Portion:
    """One group on one side, per day. ``energy``: by cause and systematic id; ``parts``: by kind, with their share."""

    devices: float = 0.0
    inferences: float = 0.0
    energy: dict[tuple[str, str], EnergyRow] = field(default_factory=lambda: defaultdict(EnergyRow))
    charged_devices: float = 0.0
    parts: dict[int, tuple[tuple[Part, ...], float]] = field(default_factory=dict)

    @property
    def levels(self) -> Levels:
        """Return the plain levels, each factor at its middle."""
        return Levels(
            devices=self.devices,
            inferences=self.inferences,
            energy_j=sum(row.energy_j for row in self.energy.values()),
            operational_gco2e=sum(row.gco2e[0] for row in self.energy.values()),
            charged_devices=self.charged_devices,
            embodied_gco2e=1e3
            * sum(part.mass_kgco2e() * share for parts, share in self.parts.values() for part in parts),
        )


@dataclass(slots=True)
class Without:
    """Devices to leave out, of the operational and of the embodied term, since the other side does not know them."""

    operational: set[str] = field(default_factory=set)
    embodied: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.operational or self.embodied)


@dataclass(slots=True)
class Side:
    """One side, read: its groups, and what a reader has to know of it.

    ``left_out``: by reason; a device may be there for a part of what it did.
    """

    selection: Selection
    days: float
    days_with_data: float
    groups: dict[str, Portion] = field(default_factory=lambda: defaultdict(Portion))
    devices: set[str] = field(default_factory=set)
    windows: int = 0
    simulated_windows: int = 0
    duration_s: float = 0.0
    gap_s: float = 0.0
    energy_j: float = 0.0
    known_j: float = 0.0
    left_out: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    counted: set[str] = field(default_factory=set)

    @property
    def unknown(self) -> Without:
        """Return the devices of which one of the two terms is wholly unknown here."""
        operational = self.left_out[NO_INTENSITY] | self.left_out[NO_ENERGY]
        return Without(operational - self.counted, set(self.left_out[NO_HARDWARE]))


def side_of(
    selection: Selection, found: Gathered, inventory: Inventory, question: Question, without: Without | None = None
) -> Side:
    """Return the groups of one side. Raises ConfigurationError where nothing is stored of it."""
    dropped = without or Without()
    data_days = _days_with_data(found, selection.period)
    days = (selection.period.end_unix_ns - selection.period.start_unix_ns) / DAY_NS
    side = Side(selection, days, data_days)
    divisor = days if question.silent_days == "off" else data_days
    own, seen = [], defaultdict[str, set[str]](set)
    weights = _charged_weights(found)
    for key, cell in found.kept.whole():
        place = found.places.at(key.device_id)
        entry = inventory.device(key.device_id)
        names = names_of(key, place, entry.device_class if entry else "", by_release=selection.by_release)
        for name, value in names.items():
            seen[name].add(value)
        if selection.holds(names):
            own.append((key, cell, place, names))
    if not any(cell["windows"] > 0.0 for _, cell, _, _ in own):
        raise ConfigurationError(f"decompose {selection.words!r}: no windows there; {_there(selection, seen)}")
    for key, cell, place, names in own:
        name = GLUE.join(ALL if one == ALL else names[one] or "no model" for one in question.by)
        side.devices.add(key.device_id)
        _count(side, cell)
        portion = side.groups[name]
        reason = _unknown(cell, place)
        if reason or key.device_id in dropped.operational:
            side.left_out[reason or ON_THE_OTHER].add(key.device_id)
        else:
            side.counted.add(key.device_id)
            _add_energy(portion, key, cell, place, divisor)
        if key.device_id in dropped.embodied:
            side.left_out[NO_HARDWARE].add(key.device_id)
        else:
            _add_hardware(side, portion, key, cell, place, (divisor, weights[key]))
    return side


def _count(side: Side, cell: Cell) -> None:
    side.windows += round(cell["windows"])
    side.simulated_windows += round(cell["simulated_windows"])
    side.duration_s += cell["duration_s"]
    side.gap_s += cell["gap_s"]
    side.energy_j += cell["energy_j"]
    side.known_j += _known_j(cell)


def _unknown(cell: Cell, place: Place) -> str:
    """Return why nothing is known of what a cell emitted, "" where it is; one without windows did nothing."""
    if cell["duration_s"] <= 0.0:
        return ""
    if cell["energy_j"] <= 0.0 or cell["gap_s"] >= cell["duration_s"]:
        return NO_ENERGY
    return "" if place.cause and _known_j(cell) > 0.0 else NO_INTENSITY


def _add_energy(portion: Portion, key: CellKey, cell: Cell, place: Place, divisor: float) -> None:
    """Add what a device did, at the mean power of covered time and the mean intensity of known energy."""
    if cell["duration_s"] <= 0.0:
        return
    known_j, covered_ratio = _known_j(cell), 1.0 - cell["gap_s"] / cell["duration_s"]
    scale = 1.0 / covered_ratio / divisor
    portion.devices += cell["duration_s"] / _DAY_S / divisor
    portion.inferences += cell["inference_count"] / divisor
    row = portion.energy[place.cause, key.systematic_id]
    row.energy_j += cell["energy_j"] * scale
    row.u_systematic_j += cell["energy_u_systematic_j"] * scale
    row.variance_j2 += cell["energy_u_independent_j2"] * scale**2
    whole = cell["energy_j"] / known_j
    for index, name in enumerate(("gco2e", "gco2e_low", "gco2e_high")):
        row.gco2e[index] += cell[name] * whole * scale


def _add_hardware(
    side: Side, portion: Portion, key: CellKey, cell: Cell, place: Place, per: tuple[float, float]
) -> None:
    """Add what a device is charged. ``per``: days with data, and which part of the device's time in service it is."""
    hardware, plan = place.hardware, place.hardware.plan
    if plan is None:
        side.left_out[NO_HARDWARE].add(key.device_id)
        return
    days = side.days if hardware.by_service else per[0]
    if hardware.by_service:
        start_s, end_s = (
            edge / 1e9 for edge in (side.selection.period.start_unix_ns, side.selection.period.end_unix_ns)
        )
        since_s, retired_s = plan.in_service_since_unix_s or start_s, plan.retired_unix_s or end_s
        served_s = max(min(end_s, retired_s) - max(start_s, since_s), 0.0)
        portion.charged_devices += per[1] * served_s / _DAY_S / days
    else:
        portion.charged_devices += cell["duration_s"] / _DAY_S / days
    parts, share = portion.parts.get(hardware.kind, (hardware.parts, 0.0))
    portion.parts[hardware.kind] = parts, share + cell["charged_ratio"] / days


def _charged_weights(found: Gathered) -> dict[CellKey, float]:
    """Return which part of its device's time in service a cell answers for: as it is charged, else by its time."""
    charged, lasted = defaultdict[str, float](float), defaultdict[str, float](float)
    for key, cell in found.kept.whole():
        charged[key.device_id] += cell["charged_ratio"]
        lasted[key.device_id] += cell["duration_s"]
    weights = {}
    for key, cell in found.kept.whole():
        name, whole = ("charged_ratio", charged) if charged[key.device_id] > 0.0 else ("duration_s", lasted)
        weights[key] = cell[name] / whole[key.device_id] if whole[key.device_id] > 0.0 else 0.0
    return weights


def _days_with_data(found: Gathered, period: Period) -> float:
    """Return the length of the period's days, in days, on which any energy was measured."""
    at = DAY_COLUMNS.index("energy_j")
    inside = (
        min(day + DAY_NS, period.end_unix_ns) - max(day, period.start_unix_ns)
        for day, row in found.kept.days.items()
        if row[at] != 0.0
    )
    return (
        sum(max(length_ns, 0) for length_ns in inside) / DAY_NS or (period.end_unix_ns - period.start_unix_ns) / DAY_NS
    )


def _known_j(cell: Cell) -> float:
    return sum(cell[f"{name}_j"] for name in QUALITY_COLUMNS)


def _there(selection: Selection, seen: dict[str, set[str]]) -> str:
    """Return what is stored of this period, in words."""
    for key in selection.wanted:
        names = sorted(seen.get(key, set()) - {""})
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            return f"{key} is there: {GLUE.join(names[:_NAMED])}{more}"
    return "edgejoule fleet ledger shows what is stored; name another period or lake"
