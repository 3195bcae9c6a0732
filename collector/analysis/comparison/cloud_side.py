"""The cloud side of a comparison: its joules by a record, by power and time, or stated; PUE, water and hardware."""

from pathlib import Path
from typing import Final, NamedTuple

from collector.analysis.cloud_record import batch_of, read_cloud_record
from collector.analysis.comparison.fields import Field, Fields, numbers
from collector.analysis.comparison.hardware import life, mass, server_mass
from collector.analysis.comparison.intensities import KnownGrid, grid
from collector.analysis.comparison.problem import CloudSide, Column, Origin
from collector.analysis.comparison.quantities import (
    MEASUREMENT,
    MODEL,
    column,
    each,
    inverse,
    measured_estimate,
    optional,
    optional_column,
    own_factor,
    scaled,
)
from collector.carbon.estimate import exactly
from collector.carbon.factors import Factor
from collector.carbon.units import JOULE
from edge_agent.wire.errors import ConfigurationError

STRUCTURAL: Final = ("policy", "bench")
"""What changes how a side is computed: cases that differ in it are told apart, with a bench also by ``batch``."""
_TIMES: Final = ("time_per_inference_s", "time_per_batch_s", "inferences_per_s")
_LABELS: Final = {
    "simulated": "simulated counters: not measured on hardware",
    "modelled": "modelled by CPU seconds: not measured",
}


class _Work(NamedTuple):
    """What inferring takes. ``behind``: what its time was computed from, for the list of all."""

    origin: Origin
    text: str
    energy: Field[Factor] | None
    idle: Field[Factor] | None
    full: Field[Factor] | None
    time_s: Field[Factor]
    accuracy_ratio: Field[float] | None
    latency_s: Field[float] | None
    behind: Field[Factor] | None = None
    gaps: tuple[str, ...] = ()


def structural(table: Fields) -> list[Field[object]]:
    """Return the fields in which cases have to be alike to be computed together."""
    names = (*STRUCTURAL, "batch") if table.has("bench") else STRUCTURAL
    return [field for name in names if (field := table.get(name)) is not None]


def cloud_side(
    name: str, table: Fields, place: Field[KnownGrid], folder: Path
) -> tuple[CloudSide, Column | None, tuple[str, ...]]:
    """Return the side in cases that are computed alike, a figure that its time was computed from, and gaps.

    Raises ConfigurationError with the key and the remedy.
    """
    work = _recorded(table, folder) if table.has("bench") else _stated(table)
    pue = optional(table, "pue", "ratio")
    assert pue is not None, "it is needed"
    side = CloudSide(
        name=name,
        origin=work.origin,
        origin_text=work.text,
        energy=optional_column(work.energy),
        idle_power=optional_column(work.idle),
        max_power=optional_column(work.full),
        other_power=optional_column(optional(table, "other_power_w", "W")),
        utilisation_ratio=numbers(table.get("utilisation_ratio")),
        time_s=column(work.time_s),
        pue=column(each(pue, _check_pue)),
        on_site_water=optional_column(optional(table, "wue_l_per_kwh", "L/kWh")),
        grid=grid(place),
        mass=mass(server_mass(table)),
        mass_share_ratio=numbers(table.get("embodied_share_ratio")),
        life=life(table),
        accuracy_ratio=numbers(work.accuracy_ratio),
        latency_s=numbers(work.latency_s),
        price_per_hour=numbers(table.get("price_per_hour")),
        price_per_1000=numbers(table.get("price_per_1000")),
    )
    if table.given("price_per_hour", "price_per_1000") == ["price_per_hour", "price_per_1000"]:
        raise ConfigurationError(f"{table.path}: give price_per_hour or price_per_1000, not both: they are one bill")
    return side, optional_column(work.behind), work.gaps


def _check_pue(factor: Factor) -> None:
    """Refuse a power usage effectiveness below 1: it is the energy of the whole building over its computers'."""
    if factor.estimate.low < 1.0:
        raise ConfigurationError(
            f"{factor.id}: {factor.estimate.low:g} is below 1, though the computers are part of the building; "
            "give 1 or more, or a shipped factor such as pue-cloud"
        )


def _stated(table: Fields) -> _Work:
    energy, idle, full = (optional(table, name, unit) for name, unit in (
        ("j_per_inference", JOULE), ("idle_power_w", "W"), ("max_power_w", "W"),
    ))  # fmt: skip
    if (energy is None) is (full is None) or (energy is None and idle is None):
        raise ConfigurationError(
            f"{table.path}: its joules are a bench, j_per_inference, or idle_power_w with max_power_w: give one"
        )
    time_s, behind = _time(table)
    modelled = energy is None
    return _Work(
        origin="modelled" if modelled else "stated",
        text="power while busy and while waiting, times time" if modelled else "as the scenario states it",
        energy=energy,
        idle=idle,
        full=full,
        time_s=time_s,
        accuracy_ratio=table.get("accuracy_ratio"),
        latency_s=table.get("latency_s"),
        behind=behind,
    )


def _time(table: Fields) -> tuple[Field[Factor], Field[Factor] | None]:
    """Return busy seconds per inference, and the figure that they were computed from."""
    ways = table.given(*_TIMES)
    if len(ways) != 1:
        raise ConfigurationError(
            f"{table.path}: its busy time is time_per_inference_s, time_per_batch_s with batch, or inferences_per_s; "
            f"it has {' and '.join(ways) or 'none of them'}: give one"
        )
    batch = table.get("batch")
    if (ways[0] == "time_per_batch_s") is not (batch is not None):
        raise ConfigurationError(f"{table.where('batch')}: it belongs to time_per_batch_s; give both or none")
    if ways[0] == "inferences_per_s":
        rate = optional(table, ways[0], "unit/s")
        assert rate is not None
        return inverse(rate, unit="s", words="its inverse"), rate
    stated = optional(table, ways[0], "s")
    assert stated is not None
    if batch is None:
        return stated, None
    share = batch.mapped(lambda size: 1.0 / float(size))
    return scaled(stated, share, unit="s", words="for each of a batch"), stated


def _recorded(table: Fields, folder: Path) -> _Work:
    """Return what ``edgejoule cloud bench`` found. Raises ConfigurationError where the scenario says it again."""
    bench, batch = table.get("bench"), table.get("batch")
    assert bench is not None
    said = table.given("j_per_inference", "max_power_w", *_TIMES)
    if said:
        raise ConfigurationError(f"{table.where(said[0])}: {bench.only} says it; remove it, or the bench")
    if batch is None:
        raise ConfigurationError(f"{table.where('batch')}: which of the record's batch sizes? add it")
    record = read_cloud_record(folder / bench.only)
    figures = batch_of(record, batch.only, batch.path)
    host = record.host
    engine = f"{record.runtime.runtime} {record.runtime.version}".strip()
    words = (
        f"cloud bench of {record.model_id} on {host.accelerator or host.processor}, {engine}, batch of {batch.only}, "
        f"by {record.method}"
    )
    label = _LABELS.get(record.origin, "")

    def factor(name: str, value: float, u: float, unit: str) -> Field[Factor]:
        path = table.where(name)
        estimate = measured_estimate(value, u, unit, words)
        made = own_factor(
            path,
            path,
            estimate,
            f"sees {record.sees}; misses {record.misses}",
            words,
            vintage=MODEL if record.origin == "modelled" else MEASUREMENT,
            label=label,
        )
        return Field(path, (made,))

    idle = optional(table, "idle_power_w", "W")
    if record.idle is not None:
        if idle is not None:
            raise ConfigurationError(f"{table.where('idle_power_w')}: {bench.only} says it; remove it")
        idle = factor("idle_power_w", record.idle.power_w, record.idle.power_u_w, "W")
    gaps = [] if idle is not None else [f"{table.path}: the record has no idle power, so waiting is not charged"]
    if record.misses and not table.has("other_power_w"):
        gaps.append(f"{table.path}: not in the record's joules and not stated as other_power_w: {record.misses}")
    if figures.batch_size > 1 and not table.has("latency_s"):
        gaps.append(
            f"{table.path}: its latency is that of a batch of {batch.only}, without the wait until so many inputs came"
        )
    gaps += [f"{table.path}: {bench.only} warns: {warning}" for warning in record.warnings]
    time_path = table.where("time_per_inference_s")
    busy_s = figures.busy_s_per_inference
    time_factor = own_factor(time_path, time_path, exactly(busy_s, "s", words), words, words, vintage=MEASUREMENT)
    accuracy = record.stated_accuracy_ratio if record.accuracy_ratio is None else record.accuracy_ratio
    return _Work(
        origin=record.origin,
        text=words,
        energy=factor("j_per_inference", figures.gross.value_j, figures.gross.u_j, JOULE),
        idle=idle,
        full=None,
        time_s=Field(time_path, (time_factor,)),
        accuracy_ratio=table.get("accuracy_ratio") or _found(table, "accuracy_ratio", accuracy),
        latency_s=table.get("latency_s") or _found(table, "latency_s", figures.latency_p95_s),
        gaps=tuple(gaps),
    )


def _found(table: Fields, name: str, value: float | None) -> Field[float] | None:
    return None if value is None else Field(table.where(name), (value,))
