"""From what was gathered of a period to the levels of each group, per day, with the causes of their errors."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from collector.analysis.decomposition.selection import Selection, names_of
from collector.analysis.decomposition.values import Levels, Question
from collector.assessment.assess import Gathered, Period
from collector.assessment.cells import DAY_COLUMNS, Cell, CellKey
from collector.assessment.figures import Place
from collector.assessment.hardware import Hardware
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
NO_HARDWARE_THERE: Final = "no hardware known of the other side's devices"
REASONS: Final = (NO_INTENSITY, NO_ENERGY, NO_HARDWARE, ON_THE_OTHER, NO_HARDWARE_THERE)
_Kind = tuple[str, str]
"""A group's name and a device's."""


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

    ``devices``: all, ``seen``: those with windows, ``counted``: those in the operational effects, ``hardware``: of
    those that have one. ``left_out``: by reason; a device may be there for a part of what it did.
    """

    selection: Selection
    days: float
    days_with_data: float
    groups: dict[str, Portion] = field(default_factory=lambda: defaultdict(Portion))
    devices: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    windows: int = 0
    simulated_windows: int = 0
    duration_s: float = 0.0
    gap_s: float = 0.0
    energy_j: float = 0.0
    known_j: float = 0.0
    yearly_j: float = 0.0
    beyond_lifetime: set[str] = field(default_factory=set)
    residue: set[str] = field(default_factory=set)
    boundaries: set[str] = field(default_factory=set)
    hardware: dict[str, Hardware] = field(default_factory=dict)
    left_out: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    counted: set[str] = field(default_factory=set)

    @property
    def unknown(self) -> set[str]:
        """Return the devices of which nothing operational is known here."""
        return (self.left_out[NO_INTENSITY] | self.left_out[NO_ENERGY]) - self.counted


def side_of(
    selection: Selection, found: Gathered, inventory: Inventory, question: Question, without: Without | None = None
) -> Side:
    """Return the groups of one side. Raises ConfigurationError where nothing is stored of it."""
    dropped = without or Without()
    data_days = _days_with_data(found, selection.period)
    days = (selection.period.end_unix_ns - selection.period.start_unix_ns) / DAY_NS
    side = Side(selection, days, data_days)
    divisor = days if question.silent_days == "off" else data_days
    own = _own(selection, found, inventory)
    weights = _charged_weights(found)
    running: dict[_Kind, list[tuple[CellKey, Cell, Place]]] = defaultdict(list)
    for key, cell, place, names in own:
        name = GLUE.join(ALL if one == ALL else names[one] or "no model" for one in question.by)
        _count(side, key, cell, place)
        if cell["duration_s"] > 0.0:
            running[name, key.device_id].append((key, cell, place))
        if place.hardware.plan is None:
            side.left_out[NO_HARDWARE].add(key.device_id)
        elif key.device_id in dropped.embodied:
            side.left_out[NO_HARDWARE_THERE].add(key.device_id)
        else:
            _add_hardware(side, side.groups[name], cell, place, (divisor, weights[key]))
    for (name, device_id), cells in running.items():
        for key, cell, place in _completed(cells):
            reason = _unknown(cell, place)
            if reason or device_id in dropped.operational:
                side.left_out[reason or ON_THE_OTHER].add(device_id)
            else:
                side.counted.add(device_id)
                _add_energy(side.groups[name], key, cell, place, divisor)
    return side


def _own(
    selection: Selection, found: Gathered, inventory: Inventory
) -> list[tuple[CellKey, Cell, Place, dict[str, str]]]:
    """Return the cells that belong to a side, with their names. Raises ConfigurationError without a window in them."""
    own, seen = [], defaultdict[str, set[str]](set)
    for key, cell in found.kept.whole():
        place = found.places.at(key.device_id)
        entry = inventory.device(key.device_id)
        names = names_of(key, place, entry.device_class if entry else "", by_release=selection.by_release)
        for name, value in names.items():
            seen[name].add(value)
        if selection.holds(names):
            own.append((key, cell, place, names))
    if not any(cell["windows"] > 0.0 for _, cell, *_ in own):
        raise ConfigurationError(f"decompose {selection.words!r}: no windows there; {_there(selection, seen)}")
    return own


def _completed(cells: list[tuple[CellKey, Cell, Place]]) -> list[tuple[CellKey, Cell, Place]]:
    """Return the cells of one device in one group; what is unknown of some is taken as in its longest known one."""
    unknown = [one for one in cells if _unknown(*one[1:])]
    known = [one for one in cells if not _unknown(*one[1:])]
    for key, cell, _ in unknown if known else ():
        like = [one for one in known if one[0].model_id == key.model_id] or known
        at = known.index(max(like, key=lambda one: one[1]["duration_s"]))
        found, longest, place = known[at]
        known[at] = found, Cell(longest.sums + cell.sums), place
    return known or unknown


def _count(side: Side, key: CellKey, cell: Cell, place: Place) -> None:
    side.devices.add(key.device_id)
    if cell["windows"] > 0.0:
        side.seen.add(key.device_id)
        side.boundaries.add(key.boundary)
    if place.hardware.plan is not None:
        side.hardware[key.device_id] = place.hardware
    if cell["beyond_lifetime_s"] > 0.0:
        side.beyond_lifetime.add(key.device_id)
    if cell["residue_ratio"] > 0.0:
        side.residue.add(key.device_id)
    side.yearly_j += cell["yearly_j"]
    side.windows += round(cell["windows"])
    side.simulated_windows += round(cell["simulated_windows"])
    side.duration_s += cell["duration_s"]
    side.gap_s += cell["gap_s"]
    side.energy_j += cell["energy_j"]
    side.known_j += _known_j(cell)


def _unknown(cell: Cell, place: Place) -> str:
    """Return why nothing is known of what a cell with windows emitted, "" where it is."""
    if cell["energy_j"] <= 0.0 or cell["gap_s"] >= cell["duration_s"]:
        return NO_ENERGY
    return "" if place.cause and _known_j(cell) > 0.0 else NO_INTENSITY


def _add_energy(portion: Portion, key: CellKey, cell: Cell, place: Place, divisor: float) -> None:
    """Add what a device did, at the mean power of covered time and the mean intensity of known energy."""
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


def _add_hardware(side: Side, portion: Portion, cell: Cell, place: Place, per: tuple[float, float]) -> None:
    """Add what a device is charged. ``per``: days with data, and which part of the device's time in service it is."""
    hardware, plan = place.hardware, place.hardware.plan
    if plan is None:
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
    """Return the length of the period's days, in days, on which there are windows, with samples or without."""
    at = DAY_COLUMNS.index("duration_s")
    inside = (
        min(day + DAY_NS, period.end_unix_ns) - max(day, period.start_unix_ns)
        for day, row in found.kept.days.items()
        if row[at] > 0.0
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
