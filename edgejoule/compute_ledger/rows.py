"""From bench records to rows: one for each model file as one runtime ran it. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from edge_agent.wire.records import BenchRecord, Measurand
from edgejoule.compute_ledger.values import Energy, Row
from edgejoule.zoo.entry import Catalog, ModelEntry


@dataclass(frozen=True, slots=True)
class Known:
    """What catalogues say of files, by sha256; of the same file in two of them the first one's word counts."""

    entries: Mapping[str, ModelEntry]

    @classmethod
    def of(cls, catalogs: Iterable[Catalog]) -> "Known":
        """Collect the models of some catalogues."""
        entries: dict[str, ModelEntry] = {}
        for catalog in catalogs:
            for entry in catalog.model:
                entries.setdefault(entry.sha256, entry)
        return cls(entries)


def rows_of(records: Sequence[BenchRecord], known: Known) -> list[Row]:
    """Return a row for each file, runtime, version, delegate and threads, in the order of their ids.

    All ``records`` have a gross figure, and are of one device at one boundary. A rejected one is used only where
    nothing else is known of its row.
    """
    groups: dict[tuple[object, ...], list[BenchRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda one: (one.t_start_unix_ns, one.bench_id)):
        runtime = record.runtime
        key = record.model_sha256, runtime.runtime, runtime.version, runtime.delegate, runtime.threads
        groups[key].append(record)
    rows = [_row(group, known) for group in groups.values()]
    return sorted(rows, key=lambda row: (row.model_id, row.model_sha256, row.setting, row.delegate))


def _row(group: Sequence[BenchRecord], known: Known) -> Row:
    valid = [record for record in group if not record.rejections]
    used = valid or group
    last, entry = used[-1], known.entries.get(used[-1].model_sha256)
    latencies_s = [record.latency_p50_s for record in used if record.latency_p50_s is not None]
    nets = [(record.net, record.systematic_id) for record in used if record.net is not None]
    runtime = last.runtime
    return Row(
        model_id=last.model_id,
        model_sha256=last.model_sha256,
        family=None if entry is None else entry.family,
        precision=None if entry is None else entry.precision,
        runtime=runtime.runtime,
        runtime_version=runtime.version,
        delegate=runtime.delegate,
        threads=runtime.threads,
        macs=_first(last.model_macs, None if entry is None else entry.macs),
        parameters=_first(last.model_parameters, None if entry is None else entry.parameters),
        size_bytes=_first(last.model_bytes, None if entry is None else entry.size_bytes),
        latency_p50_s=fmean(latencies_s) if latencies_s else None,
        gross=mean_energy([(one.gross, one.systematic_id) for one in used if one.gross is not None]),
        net=mean_energy(nets) if len(nets) == len(used) else None,
        rejected=not valid,
        bench_ids=[record.bench_id for record in used],
    )


def _first(stated: int | None, otherwise: int | None) -> int | None:
    """Return what the record says, else the catalogue's word; nothing has 0 MACs, so 0 is not known."""
    return stated or otherwise or None


def mean_energy(results: Sequence[tuple[Measurand, str]]) -> Energy:
    """Return the mean of some results (each with whose systematic error it has), shared errors not averaged out.

    What belongs to one run alone is averaged; where the runs differ by more than that, their spread counts instead
    (JCGM 100:2008, 4.2.3).
    """
    count = len(results)
    own_j = math.sqrt(math.fsum(own_u_j(result) ** 2 for result, _ in results)) / count
    values_j = [result.value_j for result, _ in results]
    if count > 1:
        own_j = max(own_j, stdev(values_j) / math.sqrt(count))
    shared_j: dict[str, float] = defaultdict(float)
    for result, systematic_id in results:
        for name, effect_j in shared_effects_j(result, systematic_id).items():
            shared_j[name] += effect_j / count
    return Energy(
        value_j=fmean(values_j),
        u_j=math.hypot(own_j, *shared_j.values()),
        own_u_j=own_j,
        shared_j=dict(shared_j),
    )


def difference(more: Energy, less: Energy) -> tuple[float, float]:
    """Return ``more`` - ``less`` and its standard uncertainty: an error that both share acts on their difference."""
    names = {*more.shared_j, *less.shared_j}
    apart_j = [more.shared_j.get(name, 0.0) - less.shared_j.get(name, 0.0) for name in names]
    return more.value_j - less.value_j, math.hypot(more.own_u_j, less.own_u_j, *apart_j)


def own_u_j(result: Measurand) -> float:
    """Return the standard uncertainty that this result shares with no other run: all of it without a budget."""
    if not result.budget:
        return result.u_j
    return math.hypot(*(line.contribution_j for line in result.budget if line.shared_by in {"window", "run"}))


def shared_effects_j(result: Measurand, systematic_id: str) -> dict[str, float]:
    """Return what one standard deviation of each error of the meter does to the result, with its sign."""
    return {
        f"{systematic_id}: {line.name}": math.copysign(line.contribution_j, line.sensitivity)
        for line in result.budget
        if line.shared_by in {"meter", "meter_type"}
    }
