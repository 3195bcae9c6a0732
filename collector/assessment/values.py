"""What an assessment says. None is unknown, never zero; u is a standard uncertainty (k = 1); grams are of CO2e."""

from typing import Final, Literal

import msgspec

from collector.carbon.amortisation import Policy
from collector.carbon.development import Development
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import DEFAULT_DRAWS
from collector.carbon.sci import SciScore
from collector.carbon.variance import CauseShare

By = Literal["device", "model", "site", "zone", "fleet", "month"]
BY: Final[tuple[By, ...]] = ("device", "model", "site", "zone", "fleet", "month")
TimeBasis = Literal["in_service", "observed"]
"""For which time hardware is charged: for all of the period in which it was in service, where the inventory says since
when, or only for the time that windows cover, which is also taken where it does not say."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to assess, and how. ``by``: groups beside the total. ``fleet``: that one alone, "" for all.

    ``policy``: for all hardware, instead of what each device's entry says. ``known_at_unix_ns``: what the given
    intensities were restricted to, for the result to say. ``draws``: worlds behind every range. ``impact_factors``:
    of one's own, before the shipped ones. ``developments``: what making the models emitted. ``by_release``: of what
    is gathered for a decomposition, models of another file or runtime are kept apart.
    """

    by: tuple[By, ...] = ("month",)
    fleet: str = ""
    time_basis: TimeBasis = "in_service"
    policy: Policy | None = None
    known_at_unix_ns: int | None = None
    draws: int = DEFAULT_DRAWS
    impact_factors: tuple[Factor, ...] = ()
    developments: tuple[Development, ...] = ()
    by_release: bool = False


class Grams(msgspec.Struct, frozen=True, kw_only=True):
    """Operational, embodied and both together, in one unit."""

    operational: Estimate | None = None
    embodied: Estimate | None = None
    total: Estimate | None = None


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Energy, work and carbon of one device, model, site, zone, fleet or month, or of everything.

    ``energy_j``: joules that samples cover; ``gap_s`` seconds of ``duration_s`` have none. ``grams`` are None as soon
    as a part of the group is unknown; ``grams_of_known`` leave that part out, ``unknown_operational_ratio`` of the
    energy and ``unknown_embodied_devices``. ``yearly_operational_gco2e``: the same energy at yearly average
    intensities, to stand beside ``grams.operational``. ``intensity_ratio``: which part of the energy rests on which
    quality of intensity (actual, estimated, forecast, yearly), the rest unknown; they sum to 1.
    ``per_inference`` and ``per_1000``: grams for one and for a thousand inferences, the operational ones at the mean
    power of covered time. ``embodied_share_ratio``: embodied of total grams. ``impacts``: other figures by name
    (water, primary energy, ...), None where a factor is missing. ``development_gco2e``: what making the models
    emitted, by their inferences here. ``beyond_lifetime_s``: device seconds after a planned end of life, None when no
    start of service is known. ``before_service_s``, ``after_retirement_s``: device seconds with windows outside of the
    service life that the inventory states, which are charged nothing embodied. ``residue_gco2e``: what policies charge
    outside the time of use, and where it lands is said in the assessment's notes.
    """

    name: str
    devices: int
    windows: int
    simulated_windows: int
    duration_s: float
    gap_s: float
    coverage_ratio: float | None
    energy_j: float
    energy_u_j: float
    energy_u_systematic_j: float
    inference_count: int
    j_per_inference: float | None
    grams: Grams
    grams_of_known: Grams
    unknown_operational_ratio: float
    unknown_embodied_devices: int
    yearly_operational_gco2e: Estimate | None
    intensity_ratio: dict[str, float]
    per_inference: Grams
    per_1000: Grams
    embodied_share_ratio: Estimate | None
    sci: SciScore | None
    impacts: dict[str, Estimate | None]
    development_gco2e: Estimate | None
    variance_shares: tuple[CauseShare, ...]
    beyond_lifetime_s: float | None
    before_service_s: float = 0.0
    after_retirement_s: float = 0.0
    residue_gco2e: Estimate | None = None


class DayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day of everything, for plots: plain values without ranges. Grams are of what is known."""

    start_unix_ns: int
    energy_j: float
    operational_gco2e: float
    yearly_operational_gco2e: float
    embodied_gco2e: float
    known_ratio: float


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures were read from, so that two runs can be compared.

    ``rows``: windows of the files that were read, also those outside of the period that lie in them.
    ``rows_repeated``: windows that lay in the lake twice, from two collectors, and were counted once;
    ``rows_unusable``: left out, for numbers beyond reason. ``cut_days``: days of which only a roll-up is there, and in
    which the period begins or ends inside of one of its slots: a slot counts whole where it begins in the period.
    """

    rolled_up_days: int
    window_files: int
    rows: int
    rows_repeated: int
    rows_unusable: int
    journal_rows: int
    cut_days: tuple[str, ...] = ()


class FleetAssessment(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet over ``[start_unix_ns, end_unix_ns)``: ``total``, ``groups`` (a tuple for each ``By`` asked for), days.

    ``known_at_unix_ns``: intensities as they were known then; None: as known now. ``policies``: how embodied carbon
    was charged, in words, one line for each policy in use. ``systematic_u_j``: of the total energy by systematic id:
    within one it adds linearly, between them in quadrature. ``notes`` must stand beside the figures. ``factors``:
    everything that was multiplied, with source, licence and vintage. ``missing_impact_factors``: by impact of the
    total that is unknown, the names of the factors that would make it known.
    """

    start_unix_ns: int
    end_unix_ns: int
    known_at_unix_ns: int | None
    time_basis: TimeBasis
    policies: tuple[str, ...]
    total: GroupFigures
    groups: dict[By, tuple[GroupFigures, ...]]
    days: tuple[DayFigures, ...]
    simulated: bool
    unknown_operational: tuple[str, ...]
    unknown_embodied: tuple[str, ...]
    systematic_u_j: dict[str, float]
    notes: tuple[str, ...]
    factors: tuple[Factor, ...]
    reading: Reading
    missing_impact_factors: dict[str, tuple[str, ...]] = {}
