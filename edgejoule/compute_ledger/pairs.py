"""Pairs that show that compute is not energy: fewer MACs and more joules; the same MACs and other joules. Pure."""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Final

from edgejoule.compute_ledger.rows import difference
from edgejoule.compute_ledger.values import Energy, Inversion, Row, Spread

COVERAGE_FACTOR: Final = 2.0


def inversions_of(rows: Sequence[Row]) -> tuple[int, list[Inversion]]:
    """Return how many pairs under one setting have different MACs, and those where fewer cost more, widest first.

    More means: by more than U (k = 2) of the difference, in which the meter's errors that both share cancel.
    """
    count, found = 0, []
    for one, other in combinations([row for row in rows if row.macs is not None], 2):
        if one.setting != other.setting or one.macs == other.macs:
            continue
        count += 1
        lighter, heavier = sorted((one, other), key=lambda row: row.macs or 0)
        if is_surely_more(lighter.gross, heavier.gross):
            found.append(_inversion(lighter, heavier))
    return count, sorted(found, key=_widest_first)


def spreads_of(rows: Sequence[Row]) -> list[Spread]:
    """Return for each file that ran under several settings the least and the most joules, the widest first."""
    by_file: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_file[row.model_sha256].append(row)
    found = []
    for same in by_file.values():
        least, most = (pick(same, key=lambda row: row.gross.value_j) for pick in (min, max))
        if len(same) > 1 and least.gross.value_j > 0.0:
            found.append(
                Spread(
                    model_id=least.model_id,
                    least=setting_text(least),
                    most=setting_text(most),
                    energy_ratio=most.gross.value_j / least.gross.value_j,
                    sure=is_surely_more(most.gross, least.gross),
                )
            )
    return sorted(found, key=lambda one: (-one.energy_ratio, one.model_id))


def is_surely_more(more: Energy, less: Energy) -> bool:
    """Return whether ``more`` is above ``less`` by more than U of their difference."""
    apart_j, u_j = difference(more, less)
    return apart_j > COVERAGE_FACTOR * u_j


def setting_text(row: Row) -> str:
    """Return what ran the model, in words."""
    runtime, version, delegate, threads = row.setting
    return f"{runtime} {version}, {delegate}, {threads} thread{'s' if threads != 1 else ''}"


def _widest_first(one: Inversion) -> tuple[float, str, str, str]:
    ratio = math.inf if one.energy_ratio is None else one.energy_ratio
    return -ratio, one.lighter, one.heavier, one.setting


def _inversion(lighter: Row, heavier: Row) -> Inversion:
    assert lighter.macs is not None
    assert heavier.macs is not None
    return Inversion(
        lighter=lighter.model_id,
        heavier=heavier.model_id,
        setting=setting_text(lighter),
        macs_ratio=heavier.macs / lighter.macs,
        energy_ratio=lighter.gross.value_j / heavier.gross.value_j if heavier.gross.value_j > 0.0 else None,
    )
