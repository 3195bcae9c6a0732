"""All runs of the design, on several processes, and what came of them in figures. Deterministic for one seed."""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import fmean

import numpy as np

from benchmarks.calibration.design import KINDS, RUNS_PER_KIND, STUDY_SEED, Kind, setups
from benchmarks.calibration.loop import Outcome, run_bench
from edge_agent.uncertainty.budget import FEW_VALUES
from edge_agent.wire.records import Measurand
from firmware_bridge.samples import F64

FACTORS = tuple(0.25 * step for step in range(2, 13))
TRIALS = 20_000
PIECE = 25


@dataclass(frozen=True, slots=True)
class Score:
    """One figure beside the truth. ``error_ratio``: of the truth. ``z``: error over u. ``u_ratio``: of the truth.

    ``is_inside``: is the truth inside the stated 95 % interval? ``rank``: share of the distribution that the budget
    propagates which lies below the truth (uniform over runs where the budget is right). ``expected_ratio``: how often
    2 u holds the truth if that distribution is right: 0.954 for a normal one, 1 for a rectangle.
    """

    error_ratio: float
    z: float
    u_ratio: float
    is_inside: bool
    rank: float
    expected_ratio: float


@dataclass(frozen=True, slots=True)
class Row:
    """One run. ``metering_ratio``: gross against what these very windows drew: the meter's part of the error."""

    kind: str
    rate_hz: float
    noise_ratio: float
    gross: Score
    net: Score
    metering_ratio: float
    sync_method: str
    rejections: tuple[str, ...]


def score_of(figure: Measurand, true_j: float) -> Score:
    """Return how a figure stands to the truth."""
    error_j = figure.value_j - true_j
    sums_j = _propagated_j(figure)
    return Score(
        error_ratio=error_j / true_j,
        z=error_j / figure.u_j,
        u_ratio=figure.u_j / true_j,
        is_inside=figure.low_j <= true_j <= figure.high_j,
        rank=float(np.mean(sums_j < -error_j)),
        expected_ratio=float(np.mean(np.abs(sums_j) <= figure.expanded_u_j)),
    )


def _propagated_j(figure: Measurand) -> F64:
    """Draw the budget's lines anew, by this function's own code: what the truth is above the figure, ``(TRIALS,)``."""
    rng = np.random.default_rng(1)
    sums_j = np.zeros(TRIALS)
    for line in figure.budget:
        if line.name == FEW_VALUES:
            continue  # the t-distributions are drawn themselves
        if line.distribution == "rectangular":
            unit = rng.uniform(-math.sqrt(3.0), math.sqrt(3.0), TRIALS)
        elif line.distribution == "t" and line.dof is not None:
            unit = rng.standard_t(line.dof, TRIALS)
        else:
            unit = rng.standard_normal(TRIALS)
        errors = line.u * unit
        if line.name.startswith("meter,") and line.unit == "1":
            errors = -errors / (1.0 + errors)
        sums_j += line.sensitivity * errors
    return sums_j


def row_of(kind: Kind, noise_ratio: float, outcome: Outcome) -> Row:
    """Return what is kept of one run. Raises RuntimeError where the bench gave no net figure."""
    net = outcome.results.net
    if net is None:
        raise RuntimeError(f"{kind.name}: no net figure, as a baseline has too few samples")
    return Row(
        kind=kind.name,
        rate_hz=kind.rate_hz,
        noise_ratio=noise_ratio,
        gross=score_of(outcome.results.gross, outcome.true_gross_j),
        net=score_of(net, outcome.true_net_j),
        metering_ratio=outcome.results.gross.value_j / outcome.realised_gross_j - 1.0,
        sync_method=outcome.sync.method,
        rejections=outcome.rejections,
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """Some runs of one kind: what one process does at a time."""

    kind: Kind
    first: int
    last: int
    runs: int
    stretch: float = 1.0
    seed: int = 0
    is_ideal: bool = False


def run_piece(piece: Piece) -> list[Row]:
    """Run ``first`` to ``last`` (excluded) of the ``runs`` of one kind."""
    chosen = list(setups(piece.kind, piece.runs, stretch=piece.stretch, seed=piece.seed, is_ideal=piece.is_ideal))
    return [row_of(piece.kind, setup.noise_ratio, run_bench(setup)) for setup in chosen[piece.first : piece.last]]


def run_study(
    *,
    runs: int = RUNS_PER_KIND,
    kinds: Sequence[Kind] = KINDS,
    processes: int = 2,
    stretch: float = 1.0,
    seed: int = STUDY_SEED,
    is_ideal: bool = False,
) -> list[Row]:
    """Return ``runs`` of every kind, in order."""
    pieces = [
        Piece(kind, first, min(first + PIECE, runs), runs, stretch, seed, is_ideal)
        for kind in kinds
        for first in range(0, runs, PIECE)
    ]
    if processes == 1:
        return [row for piece in pieces for row in run_piece(piece)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return [row for rows in pool.map(run_piece, pieces) for row in rows]


def coverage(scores: Iterable[Score], factor: float = 2.0) -> float:
    """Return the share of runs whose truth lies within ``factor`` standard uncertainties."""
    return fmean(abs(score.z) <= factor for score in scores)


def interval_coverage(scores: Iterable[Score], probability: float) -> float:
    """Return the share of runs whose truth lies in the central interval of this probability."""
    return fmean(abs(2.0 * score.rank - 1.0) <= probability for score in scores)


def stated_coverage(scores: Iterable[Score]) -> float:
    """Return the share of runs whose truth lies in the 95 % interval as the record states it."""
    return fmean(score.is_inside for score in scores)


def errors(scores: Iterable[Score]) -> F64:
    """Return the relative errors, shape ``(n,)``."""
    return np.array([score.error_ratio for score in scores])
