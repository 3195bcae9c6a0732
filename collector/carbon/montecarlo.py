"""Draws for Monte Carlo, shared by factor: the same grid gets the same draw wherever it is used."""

import hashlib
from typing import Final

import msgspec
import numpy as np

from collector.carbon.estimate import F64, Estimate, sample

DEFAULT_DRAWS: Final = 20_000
DEFAULT_SEED: Final = 20_260_101
PERCENTILES: Final = (5.0, 50.0, 95.0)


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """What the draws of one quantity say, in ``unit``."""

    p5: float
    p50: float
    p95: float
    unit: str


class Draws:
    """Draws of ``count`` worlds. Two figures with the same cause (factor id) move together in each world.

    A cause's draws depend on the seed and its id alone, not on the order in which causes are asked for.
    """

    def __init__(self, *, seed: int, count: int) -> None:
        if count < 1:
            raise ValueError(f"Monte Carlo needs at least one draw, not {count}")
        self.seed = seed
        self.count = count
        self._normals: dict[str, F64] = {}

    def normal(self, cause: str) -> F64:
        """Return the standard normal draws of a cause, shape ``(count,)``."""
        if cause not in self._normals:
            key = int.from_bytes(hashlib.sha256(cause.encode()).digest()[:8], "big")
            generator = np.random.default_rng([self.seed, key])
            self._normals[cause] = generator.standard_normal(self.count)
        return self._normals[cause]

    def of(self, cause: str, estimate: Estimate) -> F64:
        """Return draws of an estimate, shape ``(count,)``, in its unit."""
        return sample(estimate, self.normal(cause))


def percentiles(draws: F64, unit: str) -> Percentiles:
    """Return P5, P50 and P95 of ``draws``, shape ``(n,)``."""
    p5, p50, p95 = (float(value) for value in np.percentile(draws, PERCENTILES))
    return Percentiles(p5=p5, p50=p50, p95=p95, unit=unit)


def estimate_of(value: float, draws: F64, unit: str, source: str) -> Estimate:
    """Return an estimate with the analytic ``value`` and the P5 and P95 of ``draws``."""
    spread = percentiles(draws, unit)
    return Estimate(value, min(spread.p5, value), max(spread.p95, value), unit, source)
