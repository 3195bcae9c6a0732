"""From a refresh scenario's words to figures with a cause and a source: boards, zones, benches, measured power."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from collector.analysis.refresh.problem import GridPath, MeanPower, Power, Refresh, Side
from collector.analysis.refresh.scenario import Device, Grid, Quantity, Range, RefreshScenario, Work
from collector.carbon.embodied import Part
from collector.carbon.estimate import Estimate, exactly, from_standard_uncertainty
from collector.carbon.factors import Factor
from collector.carbon.refresh import devices_needed
from collector.carbon.units import GCO2E_PER_KWH, JOULE, KGCO2E, S_PER_DAY
from collector.intensity.yearly_table import YearlyTable
from collector.inventory import hardware_parts
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import BenchRecord

WATTS = "W"
RATIO = "ratio"
_ASSUMED = "assumption, without range"
_WAYS = "mean_power_w; idle_power_w, time_per_inference_s and busy_power_w or j_per_inference; bench; measured"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where figures come from that a scenario only names.

    ``marginal``: yearly marginal intensities, None without; ``read_bench``: reads a record; ``mean_power``: asks a
    lake, None where none is named; ``folder``: in which the scenario lies.
    """

    average: YearlyTable
    marginal: YearlyTable | None
    read_bench: Callable[[Path], BenchRecord]
    mean_power: MeanPower | None
    folder: Path


def resolve(scenario: RefreshScenario, sources: Sources) -> Refresh:
    """Return the scenario in figures. Raises ConfigurationError with the key and the remedy."""
    old = _side("old", scenario.old, scenario.work, sources)
    new = _side("new", scenario.new, scenario.work, sources)
    if not new.parts:
        raise ConfigurationError(
            "new: what its making emits is unknown, and that is the question; give new.hardware (see: edgejoule "
            "carbon embodied) or new.embodied_kgco2e"
        )
    _check_policy(scenario)
    _check_work(scenario, old, new)
    given = scenario.new.power_fall_per_year_ratio
    fall = _factor("new.power_fall_per_year_ratio", given, RATIO, "how much less power next year's offer needs")
    _below_one(fall)
    grids = tuple(path for n, grid in enumerate(scenario.grid) for path in _paths(grid, f"grid[{n}]", sources))
    twice = [name for (name, _), count in Counter((one.name, one.kind) for one in grids).items() if count > 1]
    if twice:
        raise ConfigurationError(f"grid: two are called {twice[0]!r}; give each a name of its own")
    return Refresh(
        scenario=scenario,
        old=old,
        new=new,
        power_fall=fall,
        grids=grids,
        notes=tuple(_notes(scenario, old, new, grids)),
    )


def _check_work(scenario: RefreshScenario, old: Side, new: Side) -> None:
    """Refuse to set as many as the work takes against as many as somebody supposes: that is no equal work."""
    if old.devices == new.devices:
        return
    for where, device in (("old", scenario.old), ("new", scenario.new)):
        if device.time_per_inference_s is None and not device.bench:
            raise ConfigurationError(
                f"{where}: the same work takes {old.devices} of the old and {new.devices} of the new devices, but how "
                f"much one of these can do is unknown; give {where}.time_per_inference_s"
            )


def _check_policy(scenario: RefreshScenario) -> None:
    old = scenario.old
    if old.policy == "front_loaded" and old.decline_ratio is None:
        raise ConfigurationError("old.policy: front_loaded needs old.decline_ratio, per year, above 0 and up to 1")
    if old.policy == "by_use" and None in (old.lifetime_inferences, scenario.work.inferences_per_day):
        raise ConfigurationError("old.policy: by_use needs old.lifetime_inferences and work.inferences_per_day")


def _side(where: str, device: Device, work: Work, sources: Sources) -> Side:
    bench = _bench(where, device, sources)
    time_s = device.time_per_inference_s
    if bench is not None:
        time_s = _time_s(bench)
    if time_s is not None and work.inferences_per_day is None:
        raise ConfigurationError(
            f"{where}: a time per inference is known, but not how much there is to do; give work.inferences_per_day"
        )
    rate = work.inferences_per_day
    devices = work.devices if rate is None else devices_needed(rate, time_s, work.devices)
    per_second = 0.0 if rate is None else rate / S_PER_DAY / devices
    duty = 0.0 if time_s is None else min(per_second * time_s, 1.0)
    return Side(
        name=device.hardware or where,
        devices=devices,
        power=_power(where, device, bench, duty, per_second, sources),
        parts=_parts(where, device),
    )


def _power(
    where: str, device: Device, bench: BenchRecord | None, duty: float, per_second: float, sources: Sources
) -> Power:
    stated = (device.idle_power_w, device.busy_power_w, device.j_per_inference)
    ways = [device.mean_power_w is not None, any(one is not None for one in stated), bench is not None]
    ways.append(device.measured is not None)
    if sum(ways) != 1:
        raise ConfigurationError(f"{where}: its power is said in {sum(ways)} ways; say it in one: {_WAYS}")
    if bench is not None:
        return _bench_power(where, bench, duty, per_second)
    if device.measured is not None:
        if sources.mean_power is None:
            raise ConfigurationError(
                f"{where}.measured: no lake is named; give --config collector.toml, --state-dir DIR or --lake DIR"
            )
        mean, simulated = sources.mean_power(device.measured, f"{where}.measured")
        return Power("simulated" if simulated else "measured", mean.source, mean=mean)
    if device.mean_power_w is not None:
        mean = _factor(f"{where}.mean_power_w", device.mean_power_w, WATTS, f"mean power of one {where} device")
        return Power("stated", mean.source, mean=mean)
    return _stated_power(where, device, duty, per_second)


def _stated_power(where: str, device: Device, duty: float, per_second: float) -> Power:
    busy, energy = device.busy_power_w, device.j_per_inference
    if device.idle_power_w is None or device.time_per_inference_s is None or (busy is None) is (energy is None):
        raise ConfigurationError(
            f"{where}: a power of rest and work takes idle_power_w, time_per_inference_s, and one of busy_power_w and "
            "j_per_inference; give these three, or mean_power_w"
        )
    idle = _factor(f"{where}.idle_power_w", device.idle_power_w, WATTS, f"power of one {where} device at rest")
    text = "power at rest and at work times their time"
    if busy is not None:
        factor = _factor(f"{where}.busy_power_w", busy, WATTS, f"power of one {where} device at work")
        return Power("modelled", text, idle=idle, busy=factor, duty_ratio=duty, per_second=per_second)
    assert energy is not None, "one of the two is there"
    factor = _factor(f"{where}.j_per_inference", energy, JOULE, f"gross joules per inference of the {where} device")
    return Power("modelled", text, idle=idle, energy=factor, duty_ratio=duty, per_second=per_second)


def _bench(where: str, device: Device, sources: Sources) -> BenchRecord | None:
    if not device.bench:
        return None
    record = sources.read_bench(sources.folder / device.bench)
    if record.rejections:
        raise ConfigurationError(
            f"{where}.bench: bench {record.bench_id!r} was rejected ({record.rejections[0]}); measure it again"
        )
    if record.gross is None or not any((record.baseline_before, record.baseline_after)):
        raise ConfigurationError(
            f"{where}.bench: {record.bench_id!r} has no gross figure or no baseline, and the device's rest counts "
            "too; bench it again with a baseline"
        )
    return record


def _bench_power(where: str, record: BenchRecord, duty: float, per_second: float) -> Power:
    baselines = [one for one in (record.baseline_before, record.baseline_after) if one is not None]
    text = f"bench {record.bench_id} of {record.model_id} on {record.device_id}, meter {record.meter_driver}"
    idle_w, idle_u_w = fmean(one.power_w for one in baselines), max(one.power_u_w for one in baselines)
    assert record.gross is not None, "the reader of the bench has seen to it"
    idle = from_standard_uncertainty(idle_w, idle_u_w, WATTS, text)
    gross = from_standard_uncertainty(record.gross.value_j, record.gross.u_j, JOULE, text)
    return Power(
        "simulated" if record.simulated else "measured",
        text,
        idle=_own(f"{where}.idle_power_w", f"measured power of the {where} device at rest", idle, "measurement"),
        energy=_own(f"{where}.j_per_inference", f"measured joules of the {where} device", gross, "measurement"),
        duty_ratio=duty,
        per_second=per_second,
    )


def _time_s(record: BenchRecord) -> float:
    """Return the device's seconds per inference at the bench's pace."""
    count = sum(window.inference_count for window in record.windows)
    if not count:
        raise ConfigurationError(f"bench {record.bench_id!r} counted no inference; measure it again")
    return sum(window.duration_s for window in record.windows) / count


def _parts(where: str, device: Device) -> tuple[Part, ...]:
    if device.embodied_kgco2e is not None:
        key = f"{where}.embodied_kgco2e"
        return (Part(name=key, factor=_factor(key, device.embodied_kgco2e, KGCO2E, f"making of one {where} device")),)
    return hardware_parts(device.hardware, device.sd_card_gb, f"{where}.hardware") if device.hardware else ()


def _paths(grid: Grid, where: str, sources: Sources) -> list[GridPath]:
    if sum((bool(grid.zone), grid.intensity is not None, bool(grid.by_year))) != 1:
        raise ConfigurationError(f"{where}: give one of zone, intensity (gCO2e/kWh) and by_year")
    if grid.by_year:
        return [_stated_years(grid, where)]
    fall = None
    if grid.fall_per_year_ratio is not None:
        fall = _factor(f"{where}.fall_per_year_ratio", grid.fall_per_year_ratio, RATIO, "how much cleaner each year")
        _below_one(fall)
    if grid.intensity is not None:
        now = _factor(f"{where}.intensity", grid.intensity, GCO2E_PER_KWH, grid.name or "grid intensity")
        return [GridPath(grid.name or where, grid.kind, now, fall)]
    return _zone_paths(grid, where, fall, sources)


def _stated_years(grid: Grid, where: str) -> GridPath:
    if grid.fall_per_year_ratio is not None or not grid.source:
        raise ConfigurationError(f"{where}: by_year needs a source, and says itself how the grid changes: no fall")
    estimate = exactly(grid.by_year[0], GCO2E_PER_KWH, grid.source)
    now = _own(f"{where}.by_year", f"{grid.name or where}, {len(grid.by_year)} years", estimate, grid.source)
    return GridPath(grid.name or where, grid.kind, now, None, grid.by_year)


def _zone_paths(grid: Grid, where: str, fall: Factor | None, sources: Sources) -> list[GridPath]:
    """Return the zone's average, and beside it its marginal where a table has one; or the one that is asked for."""
    zone, given, kind, found = grid.zone, grid.name, grid.kind, []
    sources.average.check_zone(zone, f"{where}.zone")
    average = sources.average.yearly(zone)
    name = given or (zone if average is None else average.zone)
    for one, table in (("average", sources.average), ("marginal", sources.marginal)):
        known = None if table is None else table.yearly(zone)
        if known is not None and (kind == "average" or one == "marginal"):
            found.append(GridPath(name, known.kind, known.factor, fall))
    if not found:
        raise ConfigurationError(f"{where}: no marginal intensity of {zone!r}; give intensity, with kind = 'marginal'")
    return found


def _notes(scenario: RefreshScenario, old: Side, new: Side, grids: Sequence[GridPath]) -> list[str]:
    notes = []
    age, horizon = scenario.old.age_years, scenario.horizon_years
    if scenario.old.keep_at_most_years is None and age + horizon > scenario.old.lifetime_years:
        notes.append(
            f"that the old devices last {horizon} more years is supposed: they are {age:g} years old, of a planned "
            f"life of {scenario.old.lifetime_years:g}; old.keep_at_most_years says how long they will"
        )
    if "simulated" in (old.power.origin, new.power.origin):
        notes.append("simulated meters: a power here was not measured on hardware")
    steady = dict.fromkeys(one.name for one in grids if not one.by_year and one.fall is None)
    if steady:
        notes.append(f"without fall_per_year_ratio or by_year a grid stays as it is now: {', '.join(steady)}")
    both = {one.name for one in grids if one.kind == "marginal" and one.fall is not None}
    if any(one.name in both and one.kind == "average" for one in grids):
        notes.append("fall_per_year_ratio is taken for average and marginal intensities alike, as an assumption")
    if old.devices != new.devices:
        notes.append(f"the same work takes {old.devices} of the old and {new.devices} of the new devices")
    for side, given in (("old", scenario.old), ("new", scenario.new)):
        if given.mean_power_w is not None and scenario.work.inferences_per_day is not None:
            notes.append(f"{side}.mean_power_w is taken as it is said, at whatever part of the work one device has")
    if not old.parts:
        notes.append("what making the old devices emitted is unknown: their residue is not known either")
    return notes


def _factor(key: str, given: Quantity, unit: str, name: str) -> Factor:
    if not isinstance(given, Range):
        return _own(key, name, exactly(given, unit, _ASSUMED), _ASSUMED)
    try:
        estimate = Estimate(given.value, given.low, given.high, unit, given.source)
    except ValueError as error:
        raise ConfigurationError(f"{key}: {error}; give low <= value <= high") from error
    return _own(key, name, estimate, given.source)


def _below_one(factor: Factor) -> None:
    if factor.estimate.high >= 1.0:
        raise ConfigurationError(f"{factor.id}: a part of what there is lies below 1, not {factor.estimate.high:g}")


def _own(key: str, name: str, estimate: Estimate, method: str) -> Factor:
    return Factor(
        id=key, name=name, estimate=estimate, scope="as stated in the scenario", source=estimate.source,
        licence="user's own", vintage="scenario", method=method,
    )  # fmt: skip
