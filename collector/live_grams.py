"""The grams of one window as plain numbers, fast enough for every row of a live store, with its litres of water.

They are those of ``Assessor.assess``, by the same factors. Beside them stands what the same joules give at the
marginal intensity of their time, which is another kind and never added, and the water that making them takes.
"""

import math
from typing import Final, NamedTuple, Protocol

import msgspec

from collector.carbon.amortisation import EvenPiece, LifePlan, charge, even_piece
from collector.carbon.estimate import Z95, Range
from collector.carbon.operational import gram_range
from collector.carbon.timeline import Quality
from collector.intensity.zone_steps import LAST_UNIX_NS, ZoneSteps

_NS_PER_S: Final = 1_000_000_000
GRAM_FIELDS: Final = (
    *(f"{kind}_gco2e{end}" for kind in ("operational", "embodied") for end in ("", "_low", "_high")),
    *("operational_yearly_gco2e", "operational_marginal_gco2e", "operational_water_l"),
)
"""``operational_marginal_gco2e`` is of the other kind of intensity: see ``carbon.operational.CarbonIntensity``."""
_THREE_UNKNOWN: Final = (None, None, None)


class Grams(NamedTuple):
    """The grams of one window, and its litres. ``figures``: in the order of ``GRAM_FIELDS``, None where unknown.

    ``quality``: the weakest that the operational ones rest on; ``shares``: the part of the window that rests on each.
    """

    figures: tuple[float | None, ...]
    quality: Quality | None = None
    shares: tuple[tuple[Quality, float], ...] = ()


NO_GRAMS: Final = Grams((None,) * len(GRAM_FIELDS))


class Metered(Protocol):
    """What grams need to know of a window. Energy in joules, with its combined standard uncertainty."""

    @property
    def t_start_unix_ns(self) -> int:
        """Its start."""

    @property
    def duration_s(self) -> float:
        """Its length."""

    @property
    def energy_j(self) -> float:
        """Its energy."""

    @property
    def energy_u_j(self) -> float:
        """The standard uncertainty of its energy."""

    @property
    def inference_count(self) -> int:
        """Its inferences: the uses by which hardware may be charged."""


class Rates(msgspec.Struct):
    """What a device's grams depend on and its windows do not. ``mass``: embodied grams, None if unknown.

    ``water_l_per_j``: of generating the zone's electricity, None if unknown. ``piece``: the one that a window lay in
    last.
    """

    zone: str
    mass: Range | None
    plan: LifePlan | None
    water_l_per_j: float | None
    piece: EvenPiece | None = None


def grams_of(window: Metered, rates: Rates, steps: ZoneSteps, marginal_steps: ZoneSteps | None) -> Grams:
    """Return the grams of a device's window. ``steps``: of the average intensity, and of the marginal one if known."""
    embodied = _embodied_range(rates, window)
    value_j, width_j, duration_ns = window.energy_j, Z95 * window.energy_u_j, window.duration_s * _NS_PER_S
    if not rates.zone or not math.isfinite(abs(value_j) + width_j + duration_ns):
        return Grams((*_THREE_UNKNOWN, *embodied, *_THREE_UNKNOWN))
    start_unix_ns = window.t_start_unix_ns
    end_unix_ns = start_unix_ns + (round(duration_ns) or 1)
    if end_unix_ns > LAST_UNIX_NS:
        return Grams((*_THREE_UNKNOWN, *embodied, *_THREE_UNKNOWN))
    water_l = None if rates.water_l_per_j is None else value_j * rates.water_l_per_j
    marginal = None
    if marginal_steps is not None:
        rate = marginal_steps.over(rates.zone, start_unix_ns, end_unix_ns).rate
        marginal = None if rate is None else value_j * rate.g_per_j
    step = steps.over(rates.zone, start_unix_ns, end_unix_ns)
    yearly = None if step.yearly_g_per_j is None else value_j * step.yearly_g_per_j
    if step.rate is None:
        return Grams((*_THREE_UNKNOWN, *embodied, yearly, marginal, water_l))
    operational = gram_range(value_j, width_j, step.rate)
    return Grams((*operational, *embodied, yearly, marginal, water_l), step.quality, step.shares)


def _embodied_range(rates: Rates, window: Metered) -> tuple[float | None, ...]:
    if rates.mass is None or rates.plan is None:
        return _THREE_UNKNOWN
    start_s = window.t_start_unix_ns / _NS_PER_S
    share = share_of(rates, rates.plan, start_s, window.duration_s, window.inference_count)
    value, low, high = rates.mass
    return value * share, low * share, high * share


def share_of(rates: Rates, plan: LifePlan, start_s: float, duration_s: float, uses: float) -> float:
    """Return what a stretch is charged. Nearly all lie in one even piece of the device's life, which is kept."""
    piece = rates.piece
    if piece is None or not piece.since_s < start_s < start_s + duration_s < piece.until_s:
        piece = rates.piece = even_piece(plan, start_s)
        if piece is None or not piece.since_s < start_s < start_s + duration_s < piece.until_s:
            return charge(plan, start_s, start_s + duration_s, uses).share_ratio
    return duration_s * piece.share_per_s
