"""What a scenario is resolved with: tables of intensities, stored ones, and measurements of a fleet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.carbon.factors import Factor
from collector.carbon.operational import IntensityKind
from collector.data.impacts import load_impact_factors
from collector.intensity.provider import IntensityProvider
from collector.intensity.yearly_table import YearlyTable, load_marginal_table, load_yearly_table


class Wanted(NamedTuple):
    """Whose measurements: a device (also FLEET/ID), one model of it or "" for all, and a period or None for all."""

    device_id: str
    model_id: str = ""
    start_unix_ns: int | None = None
    end_unix_ns: int | None = None


class Measured(NamedTuple):
    """What a device measured.

    ``j_per_inference``: gross, with its standard uncertainty. ``time_per_inference_s``: covered device time. ``idle``:
    W and its standard uncertainty, None if no baseline was measured. ``words``: what it is, for a reader.
    """

    j_per_inference: float
    j_per_inference_u: float
    time_per_inference_s: float
    idle_power_w: float | None
    idle_power_u_w: float
    simulated: bool
    words: str
    accuracy_ratio: float | None = None
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """``stored``: time-resolved intensities by kind, {} for none. ``measured``: finds a fleet's measurements, or None.

    ``water``: factors as ``collector.data.impacts`` gives them.
    """

    average: YearlyTable = field(default_factory=load_yearly_table)
    marginal: YearlyTable = field(default_factory=load_marginal_table)
    stored: Mapping[IntensityKind, IntensityProvider] = field(default_factory=dict)
    measured: Callable[[Wanted], Measured] | None = None
    water: tuple[Factor, ...] = field(default_factory=load_impact_factors)
