"""The edge side of a comparison: its joules by meter, by model or by its author's word, its hardware and its grid."""

from pathlib import Path
from typing import Final, NamedTuple

from collector.analysis.comparison.bench_record import measured_by_bench
from collector.analysis.comparison.fields import Field, Fields, numbers
from collector.analysis.comparison.hardware import device_mass, life, mass
from collector.analysis.comparison.intensities import KnownGrid, grid, period_unix_ns
from collector.analysis.comparison.problem import Column, EdgeSide, Origin
from collector.analysis.comparison.quantities import (
    MEASUREMENT,
    column,
    measured_estimate,
    optional,
    optional_column,
    own_factor,
    quantities,
    scaled,
    with_uncertainty,
)
from collector.analysis.comparison.scenario import Quantity
from collector.analysis.comparison.sources import Measured, Sources, Wanted
from collector.carbon.factors import Factor
from collector.carbon.units import JOULE
from edge_agent.wire.errors import ConfigurationError

STRUCTURAL: Final = ("attribution", "policy", "bench", "device_id", "model_id", "start", "to")
"""What changes how a side is computed: cases that differ in it are told apart."""
_WAYS: Final = ("bench", "device_id", "j_per_inference", "active_power_w")
_OF_DEVICE: Final = ("model_id", "start", "to")


class _Work(NamedTuple):
    """What inferring takes. ``behind``: a figure that it was computed from, for the list of all."""

    origin: Origin
    text: str
    energy: Field[Factor]
    time_s: Field[float]
    idle: Field[Factor] | None
    measured: Measured | None = None
    behind: Field[Factor] | None = None


def edge_side(
    name: str, table: Fields, place: Field[KnownGrid], sources: Sources, folder: Path
) -> tuple[EdgeSide, Column | None]:
    """Return the side in cases that are computed alike, and a figure that its energy was computed from.

    Raises ConfigurationError with the key and the remedy.
    """
    work = _work(table, sources, folder)
    attribution = table.get("attribution")
    assert attribution is not None, "it is needed"
    if attribution.only == "dedicated" and work.idle is None:
        raise ConfigurationError(
            f'{table.where("idle_power_w")}: unknown, but attribution = "dedicated" charges idle time; '
            'measure a baseline, state it, or use attribution = "shared"'
        )
    measured = work.measured
    side = EdgeSide(
        name=name,
        origin=work.origin,
        origin_text=work.text,
        attribution=attribution.only,
        energy=column(work.energy),
        time_s=numbers(work.time_s),
        idle_power=optional_column(work.idle),
        grid=grid(place),
        mass=mass(device_mass(table)),
        life=life(table),
        sent_bytes=numbers(table.get("sent_bytes")),
        accuracy_ratio=numbers(_stated_first(table, "accuracy_ratio", measured and measured.accuracy_ratio)),
        latency_s=numbers(_stated_first(table, "latency_s", measured and measured.latency_s)),
        price_per_device=numbers(table.get("price_per_device")),
    )
    return side, optional_column(work.behind)


def _stated_first(table: Fields, name: str, measured: float | None) -> Field[float] | None:
    """Return what the author states, else what was measured: a task's accuracy need not be the check set's."""
    stated = table.get(name)
    return stated if stated is not None or measured is None else Field(table.where(name), (measured,))


def _work(table: Fields, sources: Sources, folder: Path) -> _Work:
    ways = table.given(*_WAYS)
    if len(ways) != 1:
        has = " and ".join(ways) or "none of them"
        raise ConfigurationError(
            f"{table.path}: its joules are bench, device_id, j_per_inference or active_power_w; it has {has}: give one"
        )
    (way,) = ways
    if way != "device_id" and (of_device := table.given(*_OF_DEVICE)):
        key = "from" if of_device[0] == "start" else of_device[0]
        raise ConfigurationError(f"{table.where(key)}: it belongs to device_id, which is not given; remove it")
    if way != "j_per_inference" and table.has("j_per_inference_u"):
        raise ConfigurationError(f"{table.where('j_per_inference_u')}: there is no j_per_inference; remove it")
    if way in ("bench", "device_id"):
        return _measured(table, _by_bench(table, folder) if way == "bench" else _by_device(table, sources))
    time_s = table.get("time_per_inference_s")
    if time_s is None:
        raise ConfigurationError(f"{table.where('time_per_inference_s')}: it is needed beside {way}; add it")
    idle = optional(table, "idle_power_w", "W")
    if way == "active_power_w":
        power = quantities(_given(table, way), "W")
        energy = scaled(power, time_s, unit=JOULE, words="for the time of one inference")
        return _Work("modelled", "power while busy, times time", energy, time_s, idle, behind=power)
    stated, u_j = _given(table, way), table.get("j_per_inference_u")
    energy = quantities(stated, JOULE) if u_j is None else with_uncertainty(stated, u_j)
    return _Work("stated", "as the scenario states it", energy, time_s, idle)


def _given(table: Fields, name: str) -> Field[Quantity]:
    field = table.get(name)
    assert field is not None
    return field


def _by_bench(table: Fields, folder: Path) -> Measured:
    bench = table.get("bench")
    assert bench is not None
    return measured_by_bench(folder / bench.only, bench.path)


def _by_device(table: Fields, sources: Sources) -> Measured:
    device_id, model_id = table.get("device_id"), table.get("model_id")
    start, to = table.get("start"), table.get("to")
    assert device_id is not None
    if sources.measured is None:
        raise ConfigurationError(
            f"{device_id.path}: name where its measurements lie (--config, --state-dir or --lake), or state its joules"
        )
    if (start is None) is not (to is None):
        raise ConfigurationError(
            f"{table.path}: from and to belong together; give both, or none for all that is stored"
        )
    period: tuple[int, int] | tuple[None, None] = (None, None)
    if start is not None and to is not None:
        period = period_unix_ns(start.only, to.only, table.path)
    try:
        return sources.measured(Wanted(device_id.only, "" if model_id is None else model_id.only, *period))
    except ConfigurationError as error:
        raise ConfigurationError(f"{device_id.path}: {error}") from error


def _measured(table: Fields, found: Measured) -> _Work:
    """Return what was measured. Raises ConfigurationError where the scenario states what the meter said."""
    if table.has("time_per_inference_s"):
        raise ConfigurationError(
            f"{table.where('time_per_inference_s')}: it was measured ({found.time_per_inference_s:g} s); remove it"
        )
    origin: Origin = "simulated" if found.simulated else "measured"
    label = "simulated meter: not measured on hardware" if found.simulated else ""
    path = table.where("j_per_inference")

    def factor(name: str, value: float, u: float, unit: str) -> Factor:
        estimate = measured_estimate(value, u, unit, found.words)
        return own_factor(
            table.where(name), table.where(name), estimate, "at the meter", found.words,
            vintage=MEASUREMENT, label=label,
        )  # fmt: skip

    idle = optional(table, "idle_power_w", "W")
    if found.idle_power_w is not None:
        if idle is not None:
            raise ConfigurationError(
                f"{table.where('idle_power_w')}: it was measured ({found.idle_power_w:.3g} W); remove it"
            )
        idle_factor = factor("idle_power_w", max(found.idle_power_w, 0.0), found.idle_power_u_w, "W")
        idle = Field(table.where("idle_power_w"), (idle_factor,))
    return _Work(
        origin=origin,
        text=found.words,
        energy=Field(path, (factor("j_per_inference", found.j_per_inference, found.j_per_inference_u, JOULE),)),
        time_s=Field(table.where("time_per_inference_s"), (found.time_per_inference_s,)),
        idle=idle,
        measured=found,
    )
