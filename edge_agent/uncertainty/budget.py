"""A result and its budget: named inputs go in, value, u, U and the lines come out (JCGM 100:2008, 5 and 8). Pure.

The inputs are variables of the package ``uncertainties``: whatever the result is computed by, its derivatives are
known, and an input that occurs twice (the meter's gain, in gross energy and in the baseline) is common to both.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from uncertainties import UFloat, ufloat

from edge_agent.wire.records import BudgetLine, Measurand

COVERAGE_FACTOR: Final = 2.0
COVERAGE_RATIO: Final = 0.95
TRIALS: Final = 100_000
"""Monte Carlo trials: the ends of a 95 % interval are then good to about a hundredth of u (JCGM 101:2008, 7.2.1)."""

_LEAST_GAIN: Final = 0.05

Number: TypeAlias = UFloat | float
Evaluation = Literal["A", "B"]
Distribution = Literal["normal", "rectangular", "triangular", "t"]
SharedBy = Literal["window", "run", "meter", "meter_type"]


def nominal(number: Number) -> float:
    """Return the value without its uncertainty."""
    return float(number.nominal_value) if isinstance(number, UFloat) else float(number)


@dataclass(frozen=True, slots=True)
class Input:
    """What is known of one input: see ``BudgetLine``. ``u`` is the standard uncertainty of ``value``, in ``unit``.

    ``is_gain``: a ratio x of an instrument that shows 1 + x of the truth; used as a factor 1 + x, as u is linear.
    """

    name: str
    evaluation: Evaluation
    distribution: Distribution
    value: float
    u: float
    unit: str
    shared_by: SharedBy = "window"
    dof: float | None = None
    basis: str = ""
    is_gain: bool = False


class Budget:
    """The inputs of one or several results that belong together."""

    def __init__(self) -> None:
        self._inputs: dict[Any, Input] = {}

    def variable(self, given: Input) -> Number:
        """Return a variable to compute with; a plain number where ``u`` is zero, as it then needs no line.

        Raises ValueError for an uncertainty that is negative or not finite.
        """
        if not (math.isfinite(given.u) and given.u >= 0.0):
            raise ValueError(f"{given.name}: a standard uncertainty is a finite number from 0 up, not {given.u}")
        if given.u == 0.0:
            return given.value
        made = ufloat(given.value, given.u, tag=given.name)
        self._inputs[made] = given
        return made

    def measurand(self, result: Number, seed: int = 0) -> Measurand:
        """Return ``result`` (joules per inference) with its combined and expanded uncertainty and its lines."""
        if not isinstance(result, UFloat):
            return Measurand(
                value_j=float(result), u_j=0.0, expanded_u_j=0.0, coverage_factor=COVERAGE_FACTOR,
                low_j=float(result), high_j=float(result),
            )  # fmt: skip
        slopes = [(self._inputs[made], float(slope)) for made, slope in result.derivatives.items() if slope]
        lines = tuple(sorted((_line(*one) for one in slopes), key=lambda line: -line.contribution_j))
        u_j = math.hypot(*(line.contribution_j for line in lines))
        gains = frozenset(given.name for given, _ in slopes if given.is_gain)
        low_j, high_j = coverage_interval(lines, float(result.nominal_value), seed, gains)
        return Measurand(
            value_j=float(result.nominal_value),
            u_j=u_j,
            expanded_u_j=COVERAGE_FACTOR * u_j,
            coverage_factor=COVERAGE_FACTOR,
            low_j=low_j,
            high_j=high_j,
            effective_dof=effective_dof(lines),
            budget=lines,
        )


def _line(given: Input, slope: float) -> BudgetLine:
    return BudgetLine(
        name=given.name,
        evaluation=given.evaluation,
        distribution=given.distribution,
        unit=given.unit,
        u=given.u,
        sensitivity=slope,
        contribution_j=abs(slope) * given.u,
        dof=given.dof,
        shared_by=given.shared_by,
        basis=given.basis,
    )


def effective_dof(lines: tuple[BudgetLine, ...]) -> float | None:
    """Return the effective degrees of freedom after Welch and Satterthwaite (JCGM 100:2008, G.4.1), None if infinite.

    The formula is one of plain standard uncertainties, s / sqrt(n). A t line's contribution holds the factor for few
    values beside that; it is taken out here, of the line and of the whole.
    """
    plain = [(_plain_j(line), line.dof) for line in lines]
    total = sum(share_j**4 / dof for share_j, dof in plain if dof)
    return math.hypot(*(share_j for share_j, _ in plain)) ** 4 / total if total > 0.0 else None


def _plain_j(line: BudgetLine) -> float:
    if line.distribution == "t" and line.dof is not None and line.dof > 2.0:
        return line.contribution_j * math.sqrt((line.dof - 2.0) / line.dof)
    return line.contribution_j


def coverage_interval(
    lines: tuple[BudgetLine, ...], value_j: float, seed: int = 0, gains: frozenset[str] = frozenset()
) -> tuple[float, float]:
    """Return the probabilistically symmetric 95 % interval by propagating the distributions (JCGM 101:2008, 7).

    ``gains``: names of lines that are gains: the truth is 1 / (1 + x) of what was shown. With a meter of 15 % the
    interval reaches further up than down; U, which is linear, cannot show that.
    """
    rng = np.random.default_rng(seed)
    errors_j = np.zeros(TRIALS)
    for line in lines:
        errors = line.u * _standardised(line, rng)
        errors_j += line.sensitivity * (_of_truth(errors) if line.name in gains else errors)
    tail = 50.0 * (1.0 - COVERAGE_RATIO)
    low_j, high_j = np.percentile(errors_j, (tail, 100.0 - tail))
    return value_j + float(low_j), value_j + float(high_j)


def _standardised(line: BudgetLine, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw values of standard deviation 1 from the line's distribution, shape ``(TRIALS,)``."""
    if line.distribution == "rectangular":
        return rng.uniform(-math.sqrt(3.0), math.sqrt(3.0), TRIALS)
    if line.distribution == "triangular":
        return rng.triangular(-math.sqrt(6.0), 0.0, math.sqrt(6.0), TRIALS)
    if line.distribution == "t" and line.dof is not None and line.dof > 2.0:
        return rng.standard_t(line.dof, TRIALS) / math.sqrt(line.dof / (line.dof - 2.0))
    return rng.standard_normal(TRIALS)


def _of_truth(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the truth is more than what is shown with these gains, as a ratio; a gain of -1 shows nothing."""
    ratios: NDArray[np.float64] = 1.0 / np.maximum(1.0 + gains, _LEAST_GAIN) - 1.0
    return ratios
