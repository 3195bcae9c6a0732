"""A comparison scenario as a TOML file: the tables that its author fills in, typed, nothing computed yet.

Any scalar field may also be a list, or a range ``{ from, to, steps, scale, reference }``; see ``grid``.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from collector.analysis.comparison.problem import Attribution
from collector.carbon.amortisation import Policy
from collector.carbon.operational import IntensityKind

SMALLEST: Final = 1e-12
LARGEST: Final = 1e12
"""Anything beyond is a slip of the pen, in joules, seconds, years, or numbers a day; TOML also knows inf and nan."""

Positive = Annotated[float, Meta(ge=SMALLEST, le=LARGEST)]
NotNegative = Annotated[float, Meta(ge=0.0, le=LARGEST)]
Ratio = Annotated[float, Meta(ge=SMALLEST, le=1.0)]
Score = Annotated[float, Meta(ge=0.0, le=1.0)]
Bytes = Annotated[int, Meta(ge=0, le=10**12)]
Whole = Annotated[int, Meta(ge=1, le=10**6)]
Gigabytes = Annotated[int, Meta(ge=0, le=10**6)]
Hour = Annotated[int, Meta(ge=0, le=24)]
Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")]
"""Of a candidate; it stands in paths such as cloud.t4.grid, so it has no dot."""
Moment = Text
"""2026-03-01, or 2026-03-01T16:00:00Z; a date of TOML, or a text of that form. Without an offset it is UTC."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables: a key that is not known is refused."""


class Range(_Table, frozen=True, kw_only=True):
    """A figure with its P5, P95 and source."""

    value: float
    low: float
    high: float
    source: Text


Quantity = float | str | Range
"""A bare number (an assumption without range), the id of a shipped factor, or a figure with range and source."""


class GridTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """Either a zone at a time, or an intensity of the author's own.

    ``zone``, ``from``, ``to``: the mean of stored intensities from then until before then; ``hours``: only those of
    each day, UTC: [16, 22] is 16:00 until 22:00, [22, 6] goes over midnight.
    ``name``, ``value``, ``low``, ``high``, ``kind``, ``source``: gCO2e/kWh; what it is not a kind of stays unknown.
    """

    zone: Text | None = None
    start: Moment | None = None
    to: Moment | None = None
    hours: tuple[Hour, Hour] | None = None
    name: Text | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    kind: IntensityKind | None = None
    source: Text | None = None


Grid = float | str | GridTable
"""A zone of the tables, a zone at a time, an intensity of one's own, or a bare number: average gCO2e/kWh, assumed."""


class UnitTable(_Table, frozen=True, kw_only=True):
    """The functional unit, the same for both sides and in all cases; only ``inferences_per_day`` may vary.

    ``task``: what is inferred. ``words``: what one inference delivers. ``inferences``: how many the unit holds, or
    "device_day": those of one device in a day. ``inferences_per_day``: of one device, at both sides.
    """

    task: Text
    inferences: Positive | Literal["device_day"]
    inferences_per_day: Positive
    words: str = ""
    minimum_accuracy_ratio: Score | None = None
    maximum_latency_s: Positive | None = None


class LifeTable(_Table, frozen=True, kw_only=True):
    """How long hardware serves, and how its making is charged to that.

    ``lifetime_uses``: inferences of a life, for policy "by_use". ``year`` (1 is the first) and ``decline_ratio`` (a
    year): for "front_loaded".
    """

    lifetime_years: Positive
    policy: Policy = "linear_in_time"
    lifetime_uses: Positive | None = None
    year: Whole | None = None
    decline_ratio: Ratio | None = None


class EdgeTable(LifeTable, frozen=True, kw_only=True, rename={"start": "from"}):
    """One device that infers.

    ``attribution``: "dedicated": it exists for this workload, which is charged all its waiting and making; "shared":
    it is there anyway, and the workload is charged its own time.
    ``hardware`` (an id of `edgejoule carbon embodied`) with ``sd_card_gb``, or ``embodied_kgco2e``.
    Its joules are one of: measured by a ``bench`` (a file that `edgejoule agent bench` wrote); measured by the device
    ``device_id``, all its models or ``model_id`` alone, ``from`` until before ``to`` (all that is stored, where they
    are absent); stated as ``j_per_inference`` with its standard uncertainty ``j_per_inference_u``; or modelled as
    ``active_power_w`` for ``time_per_inference_s``. ``time_per_inference_s``: device time at that pace.
    ``idle_power_w``: while it waits. ``latency_s``: from input to answer. ``sent_bytes``: what it reports per
    inference. ``price_per_device``: of [prices] currency.
    """

    grid: Grid
    attribution: Attribution
    name: Name | None = None
    hardware: Text | None = None
    sd_card_gb: Gigabytes | None = None
    embodied_kgco2e: Quantity | None = None
    bench: Text | None = None
    device_id: Text | None = None
    model_id: Text | None = None
    start: Moment | None = None
    to: Moment | None = None
    j_per_inference: Quantity | None = None
    j_per_inference_u: NotNegative | None = None
    active_power_w: Quantity | None = None
    time_per_inference_s: Positive | None = None
    idle_power_w: Quantity | None = None
    accuracy_ratio: Score | None = None
    latency_s: NotNegative | None = None
    sent_bytes: Bytes = 0
    price_per_device: NotNegative | None = None


class CloudTable(LifeTable, frozen=True, kw_only=True):
    """One server.

    Its joules, before ``pue``, are one of: measured by a ``bench`` (a file that `edgejoule cloud bench` wrote) at
    ``batch``; stated as ``j_per_inference``, waiting included unless ``idle_power_w`` is given beside it; or modelled
    as ``max_power_w`` for the busy time and ``idle_power_w`` for the waiting. ``other_power_w``: of the machine, what
    those do not hold. Busy time: ``time_per_inference_s``, or ``time_per_batch_s`` with ``batch``, or
    ``inferences_per_s``. ``utilisation_ratio``: busy of all time.
    ``embodied_kgco2e`` of the machine, plus ``accelerator_count`` times ``accelerator_embodied_kgco2e``;
    ``embodied_share_ratio`` of that serves this workload's slot. ``wue_l_per_kwh``: water of cooling.
    ``price_per_hour``: of the slot; ``price_per_1000``: per 1,000 inferences.
    """

    grid: Grid
    pue: Quantity
    utilisation_ratio: Ratio
    embodied_kgco2e: Quantity
    name: Name | None = None
    accelerator_embodied_kgco2e: Quantity | None = None
    accelerator_count: Whole = 1
    embodied_share_ratio: Ratio = 1.0
    bench: Text | None = None
    batch: Whole | None = None
    j_per_inference: Quantity | None = None
    idle_power_w: Quantity | None = None
    max_power_w: Quantity | None = None
    other_power_w: Quantity | None = None
    time_per_inference_s: Quantity | None = None
    time_per_batch_s: Quantity | None = None
    inferences_per_s: Quantity | None = None
    wue_l_per_kwh: Quantity | None = None
    accuracy_ratio: Score | None = None
    latency_s: NotNegative | None = None
    price_per_hour: NotNegative | None = None
    price_per_1000: NotNegative | None = None


class NetworkTable(_Table, frozen=True, kw_only=True):
    """The way to the cloud. ``grid``: where it draws its power, the edge's where absent.

    "wifi" is a fixed line with the home router's part; the device's own radio is in its meter's joules.
    ``average_kwh_per_gb``, ``marginal_kwh_per_gb``: instead of the shipped figures of ``access``.
    """

    access: Literal["fixed", "wifi", "mobile"]
    payload_up_bytes: Bytes
    payload_down_bytes: Bytes
    grid: Grid | None = None
    round_trip_s: NotNegative | None = None
    bandwidth_up_bps: Positive | None = None
    bandwidth_down_bps: Positive | None = None
    average_kwh_per_gb: Quantity | None = None
    marginal_kwh_per_gb: Quantity | None = None
    price_per_gb: NotNegative | None = None


class ThinClientTable(_Table, frozen=True, kw_only=True):
    """What remains at the edge when the cloud infers; it waits all day.

    ``same_board``: it is the edge's board: hardware, life and price are the edge's, and so is ``idle_power_w`` where
    it is absent. ``j_per_inference``: for capturing and sending, on top.
    """

    same_board: bool = False
    name: Name | None = None
    hardware: Text | None = None
    sd_card_gb: Gigabytes | None = None
    embodied_kgco2e: Quantity | None = None
    lifetime_years: Positive | None = None
    policy: Policy | None = None
    lifetime_uses: Positive | None = None
    year: Whole | None = None
    decline_ratio: Ratio | None = None
    idle_power_w: Quantity | None = None
    j_per_inference: Quantity | None = None
    price_per_device: NotNegative | None = None


class PricesTable(_Table, frozen=True, kw_only=True):
    """``currency``: of every price in the scenario. ``electricity_per_kwh``: at the edge."""

    currency: Text
    electricity_per_kwh: NotNegative | None = None


class Scenario(_Table, frozen=True, kw_only=True):
    """The whole file. ``thin_client``: a table, or "none" said on purpose; several [[edge]] and [[cloud]] need names.

    Tables are looked at one by one; this struct says which there are.
    """

    title: Text
    unit: UnitTable
    edge: EdgeTable | tuple[EdgeTable, ...]
    cloud: CloudTable | tuple[CloudTable, ...]
    network: NetworkTable
    thin_client: ThinClientTable | Literal["none"]
    prices: PricesTable | None = None
