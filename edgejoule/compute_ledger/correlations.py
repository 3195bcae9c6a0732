"""How well MACs, parameters, size and latency order joules: Kendall's tau-b, over all rows and within groups. Pure."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from edgejoule.compute_ledger.kendall import F64, LEAST_CLUSTERS, Blocks, Pairs, intervals, p_value
from edgejoule.compute_ledger.values import FIGURES, Energy, Figure, Group, Kind, Row, Tau, Unit

LEAST_ROWS: Final = 3
"""Two rows are in order or not: that is no correlation."""


def groups_of(rows: Sequence[Row], *, seed: int, draws: int) -> list[Group]:
    """Return the group of all rows, then one for each precision and each family of at least ``LEAST_ROWS``."""
    groups = [_group("all", "all", rows, seed, draws)]
    by_precision: dict[str, list[Row]] = defaultdict(list)
    by_family: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.precision is not None:
            by_precision[row.precision].append(row)
        by_family[row.family or row.model_id].append(row)
    parts: tuple[tuple[Kind, dict[str, list[Row]]], ...] = (("precision", by_precision), ("family", by_family))
    for kind, by_name in parts:
        for name, some in sorted(by_name.items()):
            if LEAST_ROWS <= len(some) < len(rows):
                groups.append(_group(kind, name, some, seed, draws))
    return groups


def _group(kind: Kind, name: str, rows: Sequence[Row], seed: int, draws: int) -> Group:
    net_rows = [row for row in rows if row.net is not None]
    return Group(
        kind=kind,
        name=name,
        row_count=len(rows),
        gross=taus_of(rows, [row.gross for row in rows], seed=seed, draws=draws),
        net=taus_of(net_rows, [row.net for row in net_rows if row.net is not None], seed=seed, draws=draws),
    )


def taus_of(rows: Sequence[Row], energies: Sequence[Energy], *, seed: int, draws: int) -> dict[Figure, Tau]:
    """Return tau-b of each figure against the energies of the same rows."""
    if len(rows) < LEAST_ROWS:
        return {figure: Tau(value=None) for figure in FIGURES}
    figures = np.array([[_number(row, figure) for figure in FIGURES] for row in rows])
    joules = np.array([energy.value_j for energy in energies])
    values = Pairs(figures).taus(joules[None, :])[0]
    rng = np.random.default_rng(seed)
    drawn_j = energy_draws(energies, rng, draws)
    ends: dict[Unit, list[tuple[float, float]]] = {}
    found: dict[Figure, Tau] = {}
    for place, figure in enumerate(FIGURES):
        drawn = _drawn(rows, figures[:, place])
        if drawn is not None and drawn not in ends:
            ends[drawn] = intervals(figures, drawn_j, _names(rows, drawn), rng)
        low, high = (math.nan, math.nan) if drawn is None else ends[drawn][place]
        exchanged, blocks = _exchangeable(rows, figures[:, place])
        chance, exact = p_value(figures[:, place], joules, blocks, rng)
        found[figure] = Tau(
            value=_finite(values[place]),
            low=_finite(low),
            high=_finite(high),
            drawn=drawn if math.isfinite(low) else None,
            p_value=chance,
            exchanged=exchanged if chance is not None else None,
            exact=exact,
        )
    return found


def energy_draws(energies: Sequence[Energy], rng: np.random.Generator, draws: int) -> F64:
    """Return energies within their uncertainty, shape ``(draws, n)``: normal, an error that rows share being one."""
    own_u_j = np.array([one.own_u_j for one in energies])
    drawn: F64 = np.array([one.value_j for one in energies]) + own_u_j * rng.standard_normal((draws, len(energies)))
    for name in sorted({name for one in energies for name in one.shared_j}):
        effects_j = np.array([one.shared_j.get(name, 0.0) for one in energies])
        drawn += rng.standard_normal((draws, 1)) * effects_j
    return drawn


def _number(row: Row, figure: Figure) -> float:
    value = getattr(row, figure)
    return math.nan if value is None else float(value)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _drawn(rows: Sequence[Row], values: F64) -> Unit | None:
    """Return what is drawn anew: families, as their precisions are kin; within one family what a figure belongs to.

    None where there are fewer than five: three values of MACs tell nothing of other models, in however many rows.
    """
    if len(set(_names(rows, "families"))) > 1:
        unit: Unit = "families"
    else:
        unit = "models" if _are_one_valued(_names(rows, "models"), values) else "rows"
    return unit if len(set(_names(rows, unit))) >= LEAST_CLUSTERS else None


def _exchangeable(rows: Sequence[Row], values: F64) -> tuple[Unit, Blocks]:
    """Return the coarsest units of which there are several, and by which keys their rows' values belong together."""
    settings = [str(row.setting) for row in rows]
    precisions = [str(row.precision) for row in rows]
    both = [f"{precision} {setting}" for precision, setting in zip(precisions, settings, strict=True)]
    choices_of: tuple[tuple[Unit, tuple[list[str], ...]], ...] = (
        ("families", (precisions, both)),
        ("models", (settings,)),
    )
    for unit, choices in choices_of:
        names = _names(rows, unit)
        if len(set(names)) == 1:
            continue
        for keys in ([""] * len(rows), *choices):
            if _are_one_valued(list(zip(names, keys, strict=True)), values):
                return unit, Blocks(names, keys)
    return "rows", Blocks(_names(rows, "rows"), [""] * len(rows))


def _are_one_valued(names: Sequence[object], values: F64) -> bool:
    return len({(name, str(value)) for name, value in zip(names, values, strict=True)}) == len(set(names))


def _names(rows: Sequence[Row], unit: Unit) -> list[str]:
    if unit == "families":
        return [row.family_key for row in rows]
    if unit == "models":
        return [row.model_sha256 for row in rows]
    return [str(number) for number in range(len(rows))]
