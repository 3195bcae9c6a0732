"""From what was kept of a period to the assessment: its groups, days, notes and factors."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import msgspec

from collector.assessment.cells import DAY_COLUMNS, CellKey, Cells
from collector.assessment.figures import Group, Models, Place
from collector.assessment.hardware import policies_in_words
from collector.assessment.notes import notes_of
from collector.assessment.places import Places
from collector.assessment.values import By, DayFigures, FleetAssessment, GroupFigures, Options, Reading
from collector.carbon.sci import SciDeclaration
from collector.inventory import Inventory

_TOTAL: Final = "total"
MANY_GROUPS: Final = 200
"""The ranges of so many groups of one kind rest on a fifth of the draws: none is looked at to its third digit."""
NOT_KNOWN: Final = "not known"
"""The name of the group of devices of which the inventory does not say the site or the zone."""


def summary(
    kept: Cells,
    places: Places,
    inventory: Inventory,
    period_unix_ns: tuple[int, int],
    options: Options,
    reading: Reading,
) -> FleetAssessment:
    """Return the assessment of everything that ``kept`` holds."""
    several_fleets = len({key.fleet for key, _ in kept}) > 1
    total, groups = Group(), {by: defaultdict[str, Group](Group) for by in dict.fromkeys(options.by)}
    met: set[str] = set()
    sides: dict[str, set[str]] = defaultdict(set)
    sharing: dict[str, set[str]] = defaultdict(set)
    observed: dict[str, float] = defaultdict(float)
    for key, cell in kept:
        if "month" in groups:
            groups["month"][key.month].add(key, cell, places.at(key.device_id))
    for key, cell in kept.whole():
        place = places.at(key.device_id)
        met.add(key.device_id)
        total.add(key, cell, place)
        for by, name_of in _NAMES.items():
            if by in groups:
                groups[by][name_of(key, place, several_fleets)].add(key, cell, place)
        sides[key.boundary].add(key.device_id)
        sharing[key.systematic_id].add(key.device_id)
        observed[key.model_id] += cell["inference_count"]
    models = Models(options, observed)
    declaration = _declaration(places, met, period_unix_ns)
    whole = total.figures(_TOTAL, _TOTAL, models, declaration)
    fewer = Models(msgspec.structs.replace(options, draws=max(options.draws // 5, min(options.draws, 1000))), observed)
    figures: dict[By, tuple[GroupFigures, ...]] = {}
    for by, named in groups.items():
        behind = fewer if len(named) > MANY_GROUPS else models
        figures[by] = tuple(
            one.figures(f"{by}: {name}", name, behind, declaration) for name, one in sorted(named.items())
        )
    unknown_operational = tuple(sorted(name for name in met if not places.at(name).cause))
    hardware = {name: places.at(name).hardware for name in met}
    plans = (one.plan for one in hardware.values())
    residues = {plan.residue for plan in plans if plan is not None and plan.retired_unix_s is not None}
    return FleetAssessment(
        start_unix_ns=period_unix_ns[0],
        end_unix_ns=period_unix_ns[1],
        known_at_unix_ns=options.known_at_unix_ns,
        time_basis=options.time_basis,
        policies=policies_in_words(hardware.values()),
        total=whole,
        groups=figures,
        days=_days(kept),
        simulated=whole.simulated_windows > 0,
        unknown_operational=unknown_operational,
        unknown_embodied=tuple(sorted(total.unknown_hardware)),
        systematic_u_j=dict(sorted(total.energy.systematic_j.items())),
        notes=(
            *notes_of(whole, reading, sides, sharing, _silent(inventory, met, places, period_unix_ns), residues),
            *_unstated(inventory, met),
        ),
        factors=(*places.factors(met), *models.beside.factors()),
        reading=reading,
        missing_impact_factors=models.beside.impacts.missing(_TOTAL),
    )


def _device(key: CellKey, _place: Place, several_fleets: bool) -> str:  # noqa: FBT001  one of a table of functions
    return f"{key.fleet}/{key.device_id}" if several_fleets else key.device_id


_NAMES: Final[dict[By, Callable[[CellKey, Place, bool], str]]] = {
    "device": _device,
    "model": lambda key, _place, _several: key.model_id or "no model: in service without windows",
    "site": lambda _key, place, _several: place.site or NOT_KNOWN,
    "zone": lambda _key, place, _several: place.zone or NOT_KNOWN,
    "fleet": lambda key, _place, _several: key.fleet,
}


def _days(kept: Cells) -> tuple[DayFigures, ...]:
    found = []
    for day, row in sorted(kept.days.items()):
        of = dict(zip(DAY_COLUMNS, row.tolist(), strict=True))
        found.append(
            DayFigures(
                start_unix_ns=day,
                energy_j=of["energy_j"],
                operational_gco2e=of["gco2e"],
                yearly_operational_gco2e=of["yearly_gco2e"],
                embodied_gco2e=of["embodied_gco2e"],
                known_ratio=of["known_j"] / of["energy_j"] if of["energy_j"] > 0.0 else 0.0,
            )
        )
    return tuple(found)


def _declaration(places: Places, met: set[str], period_unix_ns: tuple[int, int]) -> SciDeclaration:
    used = {places.at(name).zone for name in met} - {""}
    sources = dict.fromkeys(one.source for zone in sorted(used) for one in places.passports.get(zone, ()))
    made_of = dict.fromkeys(
        part.factor.source
        for name in sorted(met)
        for part in places.at(name).hardware.parts
        if places.at(name).hardware
    )
    plans = [places.at(name).hardware.plan for name in met]
    policies = {plan.policy for plan in plans if plan is not None}
    return SciDeclaration(
        functional_unit="one inference",
        software_boundary="the whole device as its meter sees it, idle time included; network and cloud are not in it",
        intensity_kind="average",
        intensity_source="; ".join(sources) or "none known",
        embodied_source="; ".join(made_of) or "none known",
        period=" to ".join(_moment(edge) for edge in period_unix_ns),
        energy_includes_idle=True,
        energy_method="measurement",
        intensity_granularity="the steps of the sources, from minutes to years; coverage says how much rests on which",
        embodied_policies=tuple(sorted(policies)) or ("linear_in_time",),
        location_based=True,
    )


def _moment(t_unix_ns: int) -> str:
    return dt.datetime.fromtimestamp(t_unix_ns / 1e9, tz=dt.UTC).strftime("%Y-%m-%dT%H:%MZ")


def _unstated(inventory: Inventory, met: set[str]) -> list[str]:
    """Return a sentence on the parts of hardware that the inventory says nothing of."""
    counts: dict[str, int] = defaultdict(int)
    for name in met & inventory.devices.keys():
        for kind in inventory.devices[name].unstated():
            counts[kind.replace("_", " ")] += 1
    if not counts:
        return []
    parts = ", ".join(f"{kind} ({count} device{'s' if count > 1 else ''})" for kind, count in sorted(counts.items()))
    return [f'the inventory does not say, and embodied grams leave out: {parts}; "none" says that there is none']


def _silent(inventory: Inventory, met: set[str], places: Places, period_unix_ns: tuple[int, int]) -> list[str]:
    """Return the devices that were in service in the period, as the inventory says, but of which nothing is stored."""
    start_s, end_s = (edge / 1e9 for edge in period_unix_ns)
    found = []
    for name in sorted(inventory.devices.keys() - met):
        plan = places.at(name).hardware.plan
        if plan is None or plan.in_service_since_unix_s is None:
            continue
        retired_s = plan.retired_unix_s
        if plan.in_service_since_unix_s < end_s and (retired_s is None or retired_s > start_s):
            found.append(name)
    return found
