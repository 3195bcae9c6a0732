"""Draws for Monte Carlo, shared by factor: the same grid gets the same draw wherever it is used."""

import hashlib
from collections import OrderedDict
from functools import lru_cache
from statistics import NormalDist
from typing import Final, TypeVar

import msgspec
import numpy as np

from collector.carbon.estimate import F64, Estimate, sample

DEFAULT_DRAWS: Final = 20_000
DEFAULT_SEED: Final = 20_260_101
PERCENTILES: Final = (5.0, 50.0, 95.0)
STRATIFIED_UP_TO: Final = 100_000
"""Up to so many draws each cause gets one draw from every equal slice of its distribution; above, chance does."""
_KEPT_VALUES: Final = 2_000_000
K = TypeVar("K")


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """What the draws of one quantity say, in ``unit``."""

    p5: float
    p50: float
    p95: float
    unit: str


class Draws:
    """Draws of ``count`` worlds. Two figures with the same cause (factor id) move together in each world.

    A cause's draws depend on the seed and its id alone, not on the order in which causes are asked for. They are a
    Latin hypercube (McKay, Beckman & Conover 1979): a quantity with one cause gets its own percentiles back, and sums
    scatter less between seeds. Arrays asked for are read-only; the latest used are kept, within some 32 MB.
    """

    def __init__(self, *, seed: int, count: int) -> None:
        if count < 1:
            raise ValueError(f"Monte Carlo needs at least one draw, not {count}")
        self.seed = seed
        self.count = count
        self._kept = max(2, _KEPT_VALUES // count)
        self._normals: OrderedDict[str, F64] = OrderedDict()
        self._samples: OrderedDict[tuple[str, Estimate], F64] = OrderedDict()

    def normal(self, cause: str) -> F64:
        """Return the standard normal draws of a cause, shape ``(count,)``."""
        known = self._normals.get(cause)
        if known is not None:
            self._normals.move_to_end(cause)
            return known
        key = int.from_bytes(hashlib.sha256(cause.encode()).digest()[:8], "big")
        generator = np.random.default_rng([self.seed, key])
        if self.count <= STRATIFIED_UP_TO:
            drawn = generator.permutation(_normal_slices(self.count))
        else:
            drawn = generator.standard_normal(self.count)
        return self._keep(self._normals, cause, drawn)

    def of(self, cause: str, estimate: Estimate) -> F64:
        """Return draws of an estimate, shape ``(count,)``, in its unit."""
        known = self._samples.get((cause, estimate))
        if known is not None:
            self._samples.move_to_end((cause, estimate))
            return known
        return self._keep(self._samples, (cause, estimate), sample(estimate, self.normal(cause)))

    def _keep(self, kept: "OrderedDict[K, F64]", key: K, drawn: F64) -> F64:
        drawn.flags.writeable = False
        kept[key] = drawn
        while len(kept) > self._kept:
            kept.popitem(last=False)
        return drawn


def percentiles(draws: F64, unit: str) -> Percentiles:
    """Return P5, P50 and P95 of ``draws``, shape ``(n,)``."""
    p5, p50, p95 = (float(value) for value in np.percentile(draws, PERCENTILES))
    return Percentiles(p5=p5, p50=p50, p95=p95, unit=unit)


def estimate_of(value: float, draws: F64, unit: str, source: str) -> Estimate:
    """Return an estimate with the analytic ``value`` and the P5 and P95 of ``draws``."""
    spread = percentiles(draws, unit)
    return Estimate(value, min(spread.p5, value), max(spread.p95, value), unit, source)


@lru_cache(maxsize=4)
def _normal_slices(count: int) -> F64:
    """Return the medians of ``count`` equally likely slices of the standard normal distribution, in order."""
    quantile = NormalDist().inv_cdf
    lower = np.array([quantile((i + 0.5) / count) for i in range(count // 2)], dtype=np.float64)
    middle = np.zeros(count % 2)
    return np.concatenate((lower, middle, -lower[::-1]))
