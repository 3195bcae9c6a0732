"""InfluxQL for ratios that InfluxDB alone gets wrong: power, rates, energy per inference and its uncertainty.

InfluxQL says that x / 0 is 0, so a step without samples would draw no power, and an idle one would infer for free:
what cannot be said is left out here before anything is divided. Joules of a gap are unknown while its inferences were
counted, so energy per inference is mean power over mean rate, of a device or of any group of them, as in the fleet
report. Power and rate of several devices are the sums of theirs. ``timed``: one value a step, null where nothing can
be said.

A server reckons an inner query again for each function of the outer one, and every level doubles that. So figures are
made in the inner query, and the outer one has a single function.
"""

from typing import Final

from .queries import CARBON_KNOWN, HOURS, HOURS_CARBON_KNOWN, WINDOWS, Measurement, kept, most, over_time, source

EACH: Final = ("fleet", "device")
"""What tells one device from another."""
DEVICE: Final = ("device", "fleet")
"""The same in the order in which a bar's name has them."""
COVERED_S: Final = 'SUM("duration_s") - SUM("gap_s")'
NET_KNOWN: Final = '("net_energy_j" >= 0 OR "net_energy_j" < 0)'
"""Of windows that state their energy above a declared idle power."""
_PER_COVERED: Final = f"/ ({COVERED_S})"
_PER_STEP: Final = "1000.0 / $__interval_ms"
_KNOWN: Final = f'SUM("inference_count") AS "count", {COVERED_S} AS "covered_s"'
J_PER_INFERENCE: Final = (
    f'SUM("energy_j") * SUM("duration_s") {_PER_COVERED} / SUM("inference_count") AS "one", {_KNOWN}'
)
POWER_W: Final = f'SUM("energy_j") {_PER_COVERED} AS "one", {COVERED_S} AS "covered_s"'
COVERED: Final = 'WHERE "covered_s" > 0'
KNOWN_PER_INFERENCE: Final = 'WHERE "count" > 0 AND "covered_s" > 0'
_GRAMS: Final = {
    "operational": f'SUM("operational_gco2e") * SUM("duration_s") {_PER_COVERED}',
    "embodied": 'SUM("embodied_gco2e")',
}


def power_w(
    *,
    by: tuple[str, ...] = (),
    where: str = "",
    of: Measurement = WINDOWS,
    timed: bool = False,
    name: str = "power",
) -> str:
    """Return mean power over covered time, summed over devices."""
    return _sum_over_devices(f'SUM("energy_j") {_PER_COVERED}', by, source(of, where), name, timed=timed)


def power_by_step(*, by: tuple[str, ...]) -> str:
    """Return over time the joules of each step over its seconds, a gap filled at the group's mean power.

    Of thousands of devices: the power of each one and step, summed, would take a minute.
    """
    figures = f'SUM("energy_j") * SUM("duration_s") {_PER_COVERED} * {_PER_STEP} AS "one", {COVERED_S} AS "covered_s"'
    return kept(figures, COVERED, source(WINDOWS), by=by, timed=True, name="power")


def inferences_by_step(*, by: tuple[str, ...]) -> str:
    """Return over time the inferences of each step over its seconds."""
    return over_time(f'SUM("inference_count") * {_PER_STEP}', by=by)


def metered_devices(*, by: tuple[str, ...]) -> str:
    """Return over time how many devices were metered at once: seconds with samples over the step's seconds."""
    return over_time(f"({COVERED_S}) * {_PER_STEP}", by=by)


def net_power_w(*, by: tuple[str, ...] = (), timed: bool = False, name: str = "power") -> str:
    """Return mean power above the declared idle power, summed over the devices that declare it."""
    figure = f'SUM("net_energy_j") {_PER_COVERED}'
    return _sum_over_devices(figure, by, source(WINDOWS, NET_KNOWN), name, timed=timed)


def idle_power_w(*, by: tuple[str, ...] = (), timed: bool = False, name: str = "power") -> str:
    """Return the declared idle power, summed over the devices that declare it."""
    figure = f'(SUM("energy_j") - SUM("net_energy_j")) {_PER_COVERED}'
    return _sum_over_devices(figure, by, source(WINDOWS, NET_KNOWN), name, timed=timed)


def inferences_per_s(
    *,
    by: tuple[str, ...] = (),
    where: str = "",
    of: Measurement = WINDOWS,
    timed: bool = False,
    name: str = "rate",
) -> str:
    """Return inferences per second of the time that windows cover, summed over devices."""
    figure = 'SUM("inference_count") / SUM("duration_s")'
    return _sum_over_devices(figure, by, source(of, where), name, timed=timed)


def j_per_inference(
    *,
    by: tuple[str, ...] = (),
    where: str = "",
    of: Measurement = WINDOWS,
    timed: bool = False,
    name: str = "ratio",
) -> str:
    """Return joules per inference, idle power included; nothing where no sample or no inference is."""
    return kept(J_PER_INFERENCE, KNOWN_PER_INFERENCE, source(of, where), by=by, timed=timed, name=name)


def gco2e_per_inference(
    *,
    by: tuple[str, ...] = (),
    of: Measurement = WINDOWS,
    kinds: tuple[str, ...] = ("operational", "embodied"),
    per_count: int = 1,
    name: str = "grams",
) -> str:
    """Return grams per ``per_count`` inferences, of windows or hours of which both kinds are known.

    The operational ones as joules: at mean power, so that a gap hides none. The embodied ones are charged for the
    whole time.
    """
    grams = " + ".join(_GRAMS[kind] for kind in kinds)
    where = CARBON_KNOWN if of is WINDOWS else HOURS_CARBON_KNOWN
    figures = f'{per_count} * ({grams}) / SUM("inference_count") AS "one", {_KNOWN}'
    return kept(figures, KNOWN_PER_INFERENCE, source(of, where), by=by, timed=False, name=name)


def j_per_inference_edge(k: float, *, where: str = "") -> str:
    """Return over time, for each device, joules per inference plus ``k`` standard uncertainties: an edge of its band.

    Within a step the systematic parts of the windows add linearly, the others in quadrature (JCGM 100:2008, 5.2.2 and
    5.1.2).
    """
    edge = f'(SUM("energy_j") + {k} * {_U_J}) * SUM("duration_s") {_PER_COVERED} / SUM("inference_count")'
    known = f'SUM("inference_count") AS "count", {COVERED_S} AS "covered_s"'
    each = f'SELECT {edge} AS "edge", {known} FROM ({_parts_of_u(where)}) WHERE $timeFilter'  # noqa: S608
    return (
        f'SELECT MEAN("edge") FROM ({each}{_group(EACH, timed=True)}) '  # noqa: S608
        f'WHERE "count" > 0 AND "covered_s" > 0 AND $timeFilter{_group(EACH, timed=True, fill="null")}'
    )


def most_uncertain(k: float, *, name: str = "ratio") -> str:
    """Return the devices with the largest ``k`` standard uncertainties of energy over energy, combined as above.

    Of the hourly sums, which have both parts: of the windows it would have to take every single one.
    """
    figures = f'{k} * {_U_J} / SUM("energy_j") AS "one", SUM("energy_j") AS "energy_j"'
    return most(figures, 'WHERE "energy_j" > 0', source(HOURS), by=DEVICE, name=name)


_U_J: Final = 'SQRT(SUM("energy_u_systematic_j") * SUM("energy_u_systematic_j") + SUM("energy_u_independent_j2"))'


def _parts_of_u(where: str) -> str:
    """Return what a window's uncertainty is made of, for each device."""
    independent = '"energy_u_j" * "energy_u_j" - "energy_u_systematic_j" * "energy_u_systematic_j"'
    fields = '"energy_j", "duration_s", "gap_s", "inference_count", "energy_u_systematic_j"'
    return (
        f'SELECT {fields}, {independent} AS "energy_u_independent_j2" '  # noqa: S608
        f"FROM {source(WINDOWS, where)}{_group(EACH)}"
    )


def _sum_over_devices(figure: str, by: tuple[str, ...], rows: str, name: str, *, timed: bool) -> str:
    """Return the sum of a figure of each device, of those with covered time."""
    each = f'SELECT {figure} AS "one", {COVERED_S} AS "covered_s" FROM {rows}'  # noqa: S608
    return (
        f'SELECT SUM("one") AS "{name}" FROM ({each}{_group(_with_each(by), timed=timed)}) '  # noqa: S608
        f'WHERE "covered_s" > 0 AND $timeFilter{_group(by, timed=timed, fill="null")}'
    )


def _with_each(by: tuple[str, ...]) -> tuple[str, ...]:
    return (*by, *(tag for tag in EACH if tag not in by))


def _group(by: tuple[str, ...], *, timed: bool = False, fill: str = "none") -> str:
    """Return the GROUP BY; ``fill`` of steps without points."""
    parts = ", ".join((*(("time($__interval)",) if timed else ()), *(f'"{tag}"' for tag in by)))
    return (f" GROUP BY {parts}" if parts else "") + (f" fill({fill})" if timed else "")
