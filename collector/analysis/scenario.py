"""A comparison scenario as a TOML file: the words of its author, typed and checked, nothing computed yet."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from collector.carbon.operational import IntensityKind
from edge_agent.wire.toml_config import decode_toml, read_toml

SMALLEST = 1e-12
LARGEST = 1e12
"""Anything beyond is a slip of the pen, in joules, seconds, years, or numbers a day; TOML also knows inf and nan."""

Positive = Annotated[float, Meta(ge=SMALLEST, le=LARGEST)]
NotNegative = Annotated[float, Meta(ge=0.0, le=LARGEST)]
Ratio = Annotated[float, Meta(ge=SMALLEST, le=1.0)]
Bytes = Annotated[int, Meta(ge=0, le=10**12)]
Gigabytes = Annotated[int, Meta(ge=0)]
Text = Annotated[str, Meta(min_length=1)]


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A figure with its P5, P95 and source."""

    value: float
    low: float
    high: float
    source: Text


Quantity = float | str | Range
"""A bare number (an assumption without range), the id of a shipped factor, or a figure with range and source."""


class GridIntensity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An intensity of the author's own, g/kWh, in place of a zone. Both sides must use the same kind."""

    value: float
    low: float
    high: float
    kind: IntensityKind
    source: Text
    name: Text


Grid = str | GridIntensity


class EdgeSide(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device.

    ``device_id``: the device whose measured figures (compare --state-dir) go before the stated ones.
    ``j_per_inference``: gross joules per inference while the workload runs, ``j_per_inference_u`` its standard
    uncertainty. ``time_per_inference_s``: device time per inference at that pace. ``idle_power_w``: power while
    it waits.
    ``attribution``: "dedicated": the device exists for this workload, which is charged all idle time and all
    embodied carbon; "shared": the device is there anyway, the workload is charged its own time only.
    """

    grid: Grid
    lifetime_years: Positive
    inferences_per_day: Positive
    attribution: Literal["dedicated", "shared"]
    hardware: str = ""
    sd_card_gb: Gigabytes | None = None
    embodied_kgco2e: Quantity | None = None
    device_id: str = ""
    j_per_inference: Positive | None = None
    j_per_inference_u: NotNegative = 0.0
    time_per_inference_s: Positive | None = None
    idle_power_w: Quantity | None = None


class CloudSide(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server.

    Either ``j_per_inference``, or ``idle_power_w`` and ``max_power_w``: then the power at ``utilisation_ratio`` is
    charged to the inferences served meanwhile, idle time included. ``time_per_inference_s``: busy server time.
    ``embodied_share_ratio``: the part of ``embodied_kgco2e`` that serves this workload's slot, for example one of
    eight accelerators.
    """

    grid: Grid
    pue: Quantity
    time_per_inference_s: Quantity
    utilisation_ratio: Ratio
    embodied_kgco2e: Quantity
    lifetime_years: Positive
    embodied_share_ratio: Ratio = 1.0
    j_per_inference: Quantity | None = None
    idle_power_w: Quantity | None = None
    max_power_w: Quantity | None = None


class NetworkPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the cloud side sends and receives per inference; ``edge_bytes``: what the edge side reports, if anything.

    ``grid``: where the network draws its power; the edge's grid when absent.
    """

    access: Literal["fixed", "mobile"]
    payload_up_bytes: Bytes
    payload_down_bytes: Bytes
    edge_bytes: Bytes = 0
    grid: Grid | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question: for this functional unit, which side emits less?

    ``functional_unit``: what one inference delivers, with its quality and latency, the same on both sides.
    """

    title: Text
    functional_unit: Text
    edge: EdgeSide
    cloud: CloudSide
    network: NetworkPath


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file. Raises ConfigurationError with one line that names the key and the fault."""
    return read_toml(path, Scenario)


def parse_scenario(text: str, where: str = "scenario") -> Scenario:
    """Read a scenario from TOML text. Raises ConfigurationError."""
    return decode_toml(text, Scenario, where)
