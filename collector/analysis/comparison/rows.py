"""All cases of a problem as a table, in chunks: memory hangs on the number of draws, not on that of cases."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from collector.analysis.comparison.admissible import admissible, faults, latencies_s, rules
from collector.analysis.comparison.answers import CASE_COLUMNS, CAUSES
from collector.analysis.comparison.beside import beside_terms
from collector.analysis.comparison.break_even import OUTCOMES, QUESTIONS, roots
from collector.analysis.comparison.chunks import CHUNK_BYTES, Progress, chunks
from collector.analysis.comparison.grams import lower_in, view_grams
from collector.analysis.comparison.problem import Axis, Pair, Problem
from collector.analysis.comparison.sides import SideName, pair_terms, pair_views
from collector.analysis.comparison.sweep import between
from collector.analysis.comparison.terms import Evaluator, spread
from collector.analysis.comparison.verdict import NO_VIEW, WINNERS, winners_of
from collector.analysis.comparison.world import Drawn, Medians
from collector.carbon.estimate import F64
from collector.carbon.montecarlo import Draws

_ENDS: Final = ("p5", "p50", "p95")
_NETWORK: Final = tuple(f"_network_g_{end}" for end in _ENDS)
_SIDES: Final[tuple[SideName, ...]] = ("edge", "cloud")
Chunk = dict[str, list[F64]]


def case_rows(
    problem: Problem,
    *,
    seed: int,
    draws: int,
    progress: Progress | None = None,
    memory_bytes: int = CHUNK_BYTES,
) -> Iterator[pa.Table]:
    """Yield the table in chunks of ``case_schema``: by pair, then by case, then by view.

    ``progress``: called with the cases done and the cases to do, each pair's counted for itself. ``memory_bytes``:
    for the arrays of a chunk; the draws of the factors come on top.
    """
    schema = case_schema(problem)
    drawn = Drawn(Draws(seed=seed, count=draws))
    whole, done = sum(len(pair.cases) for pair in problem.pairs), 0
    for pair in chunks(problem, draws, memory_bytes):
        yield _table(problem, pair, (drawn, Medians()), schema)
        done += len(pair.cases)
        if progress is not None:
            progress(done, whole)


def case_schema(problem: Problem) -> pa.Schema:
    """Return the columns: one for each axis, then those of CASE_COLUMNS that some side has."""
    has = {
        f"{name}_{cause}_g_{end}"
        for pair in problem.pairs
        for name, side in pair_terms(between(pair, 0, 1), 1.0).sides.items()
        for cause in (*(one.cause for one in side.energies), *(cause for cause, _ in side.masses), "network")
        for end in _ENDS
        if cause != "network" or _sends(pair, name)
    }
    causes = {f"{side}_{cause}_g_{end}" for side in _SIDES for cause in CAUSES for end in _ENDS}
    kept = [name for name in CASE_COLUMNS if name not in causes or name in has]
    axes = [pa.field(axis.name, _axis_type(axis)) for axis in problem.axes]
    return pa.schema([*axes, *(pa.field(name, _type(name)) for name in kept)])


def _table(problem: Problem, pair: Pair, worlds: tuple[Drawn, Medians], schema: pa.Schema) -> pa.Table:
    """Return the rows of some cases of a pair; a case of which no view is known has one without a view."""
    views, count = pair_views(pair), len(pair.cases)
    broken = rules(problem.unit, pair)
    good = admissible(broken, count) if views else np.zeros(count, dtype=np.bool_)
    each = max(1, len(views))
    rows = count * each
    columns: dict[str, pa.Array] = {}
    for axis in problem.axes:
        columns[axis.name] = axis_values(axis).take(
            pa.array(np.repeat(problem.case_values[axis.name][pair.cases], each))
        )
    columns["case"] = pa.array(np.repeat(pair.cases, each))
    columns["edge"] = pa.repeat(pa.scalar(pair.edge.name), rows)
    columns["cloud"] = pa.repeat(pa.scalar(pair.cloud.name), rows)
    for name, told in (
        ("network_model", [v.network for v in views]),
        ("intensity_kind", [v.intensity for v in views]),
    ):
        columns[name] = pa.array([*told] * count if views else [None] * count, pa.string())
    columns["admissible"] = pa.array(np.repeat(good, each))
    unknown = [] if views else [NO_VIEW]
    words = [None if ok else "; ".join([*_fault_words(faults(broken, row)), *unknown]) for row, ok in enumerate(good)]
    columns["faults"] = pa.array(words, pa.string()).take(pa.array(np.repeat(np.arange(count), each)))
    out = np.repeat(~good, each)
    figures: Chunk = {}
    drawn, medians = worlds
    if views:
        _grams(problem, pair, drawn, figures)
        _break_evens(pair, medians, figures)
        _beside(problem, pair, medians, figures)
    for name, of_views in figures.items():
        found = np.stack([np.broadcast_to(one, (count,)) for one in of_views]).T.ravel()
        if name == "winner" or name.endswith("_outcome"):
            words_of = np.array(WINNERS if name == "winner" else OUTCOMES)
            columns[name] = pa.array(words_of[found.astype(np.int64)], mask=out)
        else:
            columns[name] = pa.array(found, mask=out | ~np.isfinite(found))
    for field in schema:
        if field.name not in columns:  # who sends nothing emits nothing by sending; other causes are not there
            sends = field.name.endswith(_NETWORK)
            columns[field.name] = pa.array(np.zeros(rows), mask=out) if sends else pa.nulls(rows, field.type)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _grams(problem: Problem, pair: Pair, drawn: Drawn, figures: Chunk) -> None:
    terms = pair_terms(pair, problem.unit.inferences)
    for grams in view_grams(terms, Evaluator(drawn)):
        for side in _SIDES:
            _add(figures, f"{side}_g", grams.total_spreads[side])
            for cause, of_cause in grams.causes[side].items():
                _add(figures, f"{side}_{cause}_g", of_cause)
        difference = grams.edge_minus_cloud
        chances = lower_in(difference)
        _add(figures, "difference_g", spread(difference))
        figures.setdefault("probability_edge_lower", []).append(chances[0])
        figures.setdefault("winner", []).append(winners_of(*chances).astype(np.float64))


def _break_evens(pair: Pair, medians: Medians, figures: Chunk) -> None:
    for question in QUESTIONS:
        for found in roots(pair, question, medians).values():
            figures.setdefault(f"break_even_{question}", []).append(found.values)
            figures.setdefault(f"break_even_{question}_outcome", []).append(found.outcomes.astype(np.float64))


def _beside(problem: Problem, pair: Pair, medians: Medians, figures: Chunk) -> None:
    at, views = Evaluator(medians), pair_views(pair)
    known = beside_terms(pair_terms(pair, problem.unit.inferences), problem.unit.inferences)
    for side, waits_s in latencies_s(pair).items():
        one = known[side]
        water = np.array([np.nan]) if one.water is None else at.dense(one.water)[:, 0]
        for name, values in (
            ("energy_j", at.dense(one.energy)[:, 0]),
            ("water_l", water),
            ("cost", at.dense(one.cost)[:, 0]),
            ("latency_s", waits_s),
        ):
            figures[f"{side}_{name}"] = [values] * len(views)


def _add(figures: Chunk, name: str, ends: F64) -> None:
    for end, values in zip(_ENDS, ends, strict=True):
        figures.setdefault(f"{name}_{end}", []).append(values)


def _fault_words(by_side: dict[SideName, tuple[str, ...]]) -> list[str]:
    return [f"{side}: {words}" for side, several in by_side.items() for words in several]


def _sends(pair: Pair, side: SideName) -> bool:
    moved = pair.edge.sent_bytes if side == "edge" else pair.network.sent_bytes + pair.network.received_bytes
    return bool(np.any(moved > 0.0))


def axis_values(axis: Axis) -> pa.Array:
    """Return the values of an axis as the table has them: names and numbers together are texts."""
    kind = _axis_type(axis)
    if not pa.types.is_string(kind):
        return pa.array(list(axis.values), kind)
    return pa.array(axis_texts(axis.values), kind)


def axis_texts(values: Sequence[str | float]) -> list[str]:
    """Return values of an axis of names and numbers as they stand in the table."""
    return [value if isinstance(value, str) else f"{value:.15g}" for value in values]


def _axis_type(axis: Axis) -> pa.DataType:
    kinds = {type(value) for value in axis.values}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()


def _type(name: str) -> pa.DataType:
    words = ("edge", "cloud", "network_model", "intensity_kind", "faults", "winner")
    if name in words or name.endswith("_outcome"):
        return pa.string()
    if name == "case":
        return pa.int64()
    return pa.bool_() if name == "admissible" else pa.float64()
