"""What a comparison is computed from: one edge candidate against one cloud candidate in ``n`` cases.

Columns hold one entry for each case, or a single one that holds for all of them: exact numbers are arrays of shape
``(n,)`` or ``(1,)``, uncertain ones a ``Column`` of factors. Nothing here computes.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from collector.carbon.amortisation import Policy
from collector.carbon.embodied import Part
from collector.carbon.estimate import F64
from collector.carbon.factors import Factor

I64 = npt.NDArray[np.int64]
Attribution = Literal["dedicated", "shared"]
Origin = Literal["measured", "simulated", "modelled", "stated"]
"""Where a side's joules come from: a meter, a simulated meter, power times time, or the author's own word."""


@dataclass(frozen=True, slots=True)
class Column:
    """An uncertain figure in every case. ``factors``: the distinct ones; their ids are the causes that they share.

    ``place``: shape ``(n,)``, which of them each case has; None where there is one factor for all.
    """

    factors: tuple[Factor, ...]
    place: I64 | None = None


@dataclass(frozen=True, slots=True)
class MassColumn:
    """Hardware in every case: kgCO2e as the sum of parts. ``bills``: the distinct ones, ``place`` as in Column."""

    bills: tuple[tuple[Part, ...], ...]
    place: I64 | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """Carbon intensity, gCO2e/kWh, by both kinds; None where one is not known, and then nothing is said with it.

    ``zones``: the name of the grid of each distinct place, as ``place`` of ``average`` counts. ``water``: litres per
    kWh of the same grid, None where unknown.
    """

    zones: tuple[str, ...]
    average: Column | None
    marginal: Column | None
    water: Column | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """How a mass is charged. ``lifetime_years``: shape (n,) or (1,). ``lifetime_uses``: for by_use.

    ``year``, ``decline_ratio``: for front_loaded, the year of life (1 is the first) that is looked at.
    """

    policy: Policy
    lifetime_years: F64
    lifetime_uses: F64 | None = None
    year: F64 | None = None
    decline_ratio: F64 | None = None


@dataclass(frozen=True, slots=True)
class EdgeSide:
    """The device that infers.

    ``energy``: gross J per inference while the workload runs, at the meter. ``time_s``: device seconds per inference
    at that pace. ``idle_power``: W while it waits, None where unknown (only with "shared"). ``accuracy_ratio``,
    ``latency_s``: NaN where unknown. ``sent_bytes``: what it reports per inference; its radio is in the joules.
    ``price_per_device``: of the scenario's currency, NaN where not given.
    """

    name: str
    origin: Origin
    origin_text: str
    attribution: Attribution
    energy: Column
    time_s: F64
    idle_power: Column | None
    grid: Grid
    mass: MassColumn
    life: Life
    sent_bytes: F64
    accuracy_ratio: F64
    latency_s: F64
    price_per_device: F64


@dataclass(frozen=True, slots=True)
class ThinClient:
    """What remains at the edge when the cloud infers: ``idle_power`` W all day, ``energy`` J per inference on top.

    ``energy``: for capturing and sending, None where that is in ``idle_power``. It stands on the edge's grid.
    ``same_board``: it is the edge's own board, whose life is its life.
    """

    name: str
    idle_power: Column
    energy: Column | None
    mass: MassColumn
    life: Life
    price_per_device: F64
    same_board: bool = False


@dataclass(frozen=True, slots=True)
class CloudSide:
    """The server. All of it is charged per inference, since other work fills it.

    While busy it takes ``energy`` J per inference at its own plug (before PUE), or where that is None ``max_power`` W
    for ``time_s``. While it waits, ``time_s * (1 / utilisation_ratio - 1)`` for each inference, it takes
    ``idle_power`` W; None: waiting is in ``energy`` already. ``other_power``: W of the machine that those do not see
    (fans, disks, losses of the supply), busy or waiting. ``time_s``: busy seconds per inference, a batch's seconds
    over its size.
    ``mass`` is of the whole machine, ``mass_share_ratio`` of it serves this workload's slot, busy or waiting.
    ``on_site_water``: L per kWh of the computers (WUE). ``latency_s``: of the server, without the network.
    ``price_per_hour``: of the slot, busy or waiting; ``price_per_1000``: per 1,000 inferences; NaN where not given.
    """

    name: str
    origin: Origin
    origin_text: str
    energy: Column | None
    idle_power: Column | None
    max_power: Column | None
    other_power: Column | None
    utilisation_ratio: F64
    time_s: Column
    pue: Column
    on_site_water: Column | None
    grid: Grid
    mass: MassColumn
    mass_share_ratio: F64
    life: Life
    accuracy_ratio: F64
    latency_s: F64
    price_per_hour: F64
    price_per_1000: F64


@dataclass(frozen=True, slots=True)
class Network:
    """The way between them. ``average``, ``marginal``: kWh/GB by each model.

    ``sent_bytes``, ``received_bytes``: per inference of the cloud side, seen from the edge. ``latency_s``: there and
    back with both transfers, NaN where unknown.
    """

    access: str
    average: Column
    marginal: Column
    grid: Grid
    sent_bytes: F64
    received_bytes: F64
    latency_s: F64
    price_per_gb: F64


@dataclass(frozen=True, slots=True)
class Unit:
    """The functional unit. ``inferences``: how many it holds, None: those of a device-day.

    ``minimum_accuracy_ratio``, ``maximum_latency_s``: NaN where the unit asks for none.
    """

    task: str
    inferences: float | None
    minimum_accuracy_ratio: float
    maximum_latency_s: float
    words: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One edge candidate against one cloud candidate in the cases ``cases``, shape ``(n,)``: numbers from 0.

    Where a field varies that changes what is computed (attribution, policy, access), there is a pair for each of its
    values. ``per_day``: inferences of the device a day, at both sides. ``electricity_price_per_kwh``: at the edge;
    NaN where not given. ``gaps``: what the scenario leaves out and a reader must know.
    """

    cases: I64
    edge: EdgeSide
    cloud: CloudSide
    network: Network
    thin_client: ThinClient | None
    per_day: F64
    electricity_price_per_kwh: F64
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """A field of the scenario that varies, by its path, such as edge.grid.

    ``reference``: index of the value that the detailed answer takes.
    """

    name: str
    values: tuple[str | float | int | bool, ...]
    reference: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """A scenario in figures. ``case_values``: by axis name, the value's index in each case, shape ``(n,)``.

    ``reference_case``: the case that is answered in detail. ``currency``: "" where no price is given.
    """

    title: str
    unit: Unit
    case_count: int
    axes: tuple[Axis, ...]
    case_values: dict[str, I64]
    reference_case: int
    pairs: tuple[Pair, ...]
    factors: tuple[Factor, ...]
    currency: str = ""
    notes: tuple[str, ...] = field(default=())
