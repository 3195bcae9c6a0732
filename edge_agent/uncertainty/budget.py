"""A result and its budget: named inputs go in, value, u, U and the lines come out (JCGM 100:2008, 5 and 8). Pure.

The inputs are variables of the package ``uncertainties``: whatever the result is computed by, its derivatives are
known, and an input that occurs twice (the meter's gain, in gross energy and in the baseline) is common to both.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from uncertainties import UFloat, ufloat

from edge_agent.wire.records import BudgetLine, Measurand

COVERAGE_FACTOR: Final = 2.0
COVERAGE_RATIO: Final = 0.95
FEW_VALUES: Final = "few repetitions"
"""Name of the line that holds the factor for few values, once for the whole result."""
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

    Of a "t" it is the plain s / sqrt(n) (``type_a.Chance.plain_u``), more than two ``dof`` beside it.
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
        plain = tuple(_line(*one) for one in slopes)
        gains = frozenset(given.name for given, _ in slopes if given.is_gain)
        low_j, high_j = coverage_interval(plain, float(result.nominal_value), seed, gains)
        dof = effective_dof(plain)
        lines = plain if dof is None else (*plain, _few_values_line(plain, dof))
        u_j = _root_sum_square_j(lines)
        return Measurand(
            value_j=float(result.nominal_value),
            u_j=u_j,
            expanded_u_j=COVERAGE_FACTOR * u_j,
            coverage_factor=COVERAGE_FACTOR,
            low_j=low_j,
            high_j=high_j,
            effective_dof=dof,
            budget=tuple(sorted(lines, key=lambda line: -line.contribution_j)),
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


def _root_sum_square_j(lines: Iterable[BudgetLine]) -> float:
    return math.hypot(*(line.contribution_j for line in lines))


def effective_dof(lines: tuple[BudgetLine, ...]) -> float | None:
    """Return the effective degrees of freedom (Welch and Satterthwaite; JCGM 100:2008, G.4.1), None if infinite."""
    total = sum(line.contribution_j**4 / line.dof for line in lines if line.dof)
    return _root_sum_square_j(lines) ** 4 / total if total > 0.0 else None


def _few_values_line(lines: tuple[BudgetLine, ...], dof: float) -> BudgetLine:
    """Return what makes the combined uncertainty that of a t-distribution with ``dof`` degrees of freedom.

    So twice u holds 95 % for five windows as for fifty, and a result whose type B rules pays next to nothing. It is
    part of u alone: the interval has the t-distributions themselves.
    """
    extra_j = _root_sum_square_j(lines) * math.sqrt(2.0 / (dof - 2.0))
    return BudgetLine(
        name=FEW_VALUES,
        evaluation="A",
        distribution="normal",
        unit="J",
        u=extra_j,
        sensitivity=1.0,
        contribution_j=extra_j,
        shared_by="run",
        basis=f"{dof:.3g} effective degrees of freedom (JCGM 100:2008, G.4; JCGM 101:2008, 6.4.9.4)",
    )


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
    """Draw values from the line's distribution for u = 1, shape ``(TRIALS,)``: of standard deviation 1, but for t."""
    if line.distribution == "rectangular":
        return rng.uniform(-math.sqrt(3.0), math.sqrt(3.0), TRIALS)
    if line.distribution == "triangular":
        return rng.triangular(-math.sqrt(6.0), 0.0, math.sqrt(6.0), TRIALS)
    if line.distribution == "t" and line.dof is not None:
        return rng.standard_t(line.dof, TRIALS)
    return rng.standard_normal(TRIALS)


def _of_truth(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the truth is more than what is shown with these gains, as a ratio; a gain of -1 shows nothing."""
    ratios: NDArray[np.float64] = 1.0 / np.maximum(1.0 + gains, _LEAST_GAIN) - 1.0
    return ratios
