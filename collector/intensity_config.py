"""The configuration of grid intensities: ``[intensity]``."""

from typing import Annotated

import msgspec
from msgspec import Meta

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import SourcePassport
from collector.store_config import Seconds, Table

_Span = Annotated[float, Meta(ge=0.0, le=3_660 * 86_400.0)]


class PassportConfig(Table, frozen=True, kw_only=True):
    """``passport`` of a source, for one whose values are a user's own: the fields of ``SourcePassport``."""

    id: str
    name: str
    scope: str
    licence: str
    method: str
    url: str = ""
    low_ratio: float | None = None
    high_ratio: float | None = None

    def passport(self) -> SourcePassport:
        """Return it. Raises ValueError for a range that does not hold its value, or for an empty text."""
        texts = {name: getattr(self, name) for name in ("id", "name", "scope", "licence", "method")}
        empty = [name for name, text in texts.items() if not text]
        if empty:
            raise ValueError(f"the passport's {empty[0]} is empty; every value says where it comes from")
        return SourcePassport(**texts, url=self.url, low_ratio=self.low_ratio, high_ratio=self.high_ratio)


class SourceConfig(Table, frozen=True, kw_only=True):
    """``[[intensity.source]]``: a source of time-resolved intensities, asked every ``every_s``.

    ``kind``: its name, such as "uk_carbon_intensity". ``zones``: the source's zone for each zone of the inventory;
    a list where both have the same name. ``signal``: "" for what the source usually gives. ``url``: the source's own
    where empty; the file of a series. ``history_s``: how far back it is asked each time, for what was revised since;
    ``ahead_s``: how far ahead, for forecasts. ``zone_map``: the source's own codes by names that it does not know.
    ``passport``: where the values of a series come from; ``columns``: its column names, such as value = "g/kWh".
    """

    kind: str
    zones: dict[str, str] | list[str]
    signal: IntensityKind | None = None
    url: str = ""
    key_file: str = ""
    every_s: Seconds = 1_800.0
    history_s: _Span = 3 * 86_400.0
    ahead_s: _Span = 0.0
    timeout_s: Seconds = 30.0
    retries: Annotated[int, Meta(ge=0, le=20)] = 4
    zone_map: dict[str, str] = msgspec.field(default_factory=dict)
    passport: PassportConfig | None = None
    columns: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def zone_of(self) -> dict[str, str]:
        """Return the source's zone for each zone of the inventory."""
        return self.zones if isinstance(self.zones, dict) else {zone: zone for zone in self.zones}


class GridForecastConfig(Table, frozen=True, kw_only=True):
    """``[grid_forecast]``: what devices are told of their grid, so that they can put work off to a greener hour.

    ``kind``: by which intensity. ``horizon_s``: how far ahead, as far as sources say. ``simulated``: the intensities
    are made up, for a try; every figure that rests on them says so.
    """

    enabled: bool = True
    kind: IntensityKind = "average"
    horizon_s: Annotated[float, Meta(ge=60.0, le=14 * 86_400.0)] = 2 * 86_400.0
    simulated: bool = False


class IntensityConfig(Table, frozen=True, kw_only=True):
    """``[intensity]``: time-resolved sources, in the order of preference, and yearly averages where they are silent.

    ``table``: rows over the shipped yearly table; ``impact_table``: over the shipped table of water and other impacts.
    ``store``: the file of all revisions; empty: in ``state_dir``.
    ``yearly_zones``: the row of the yearly table for a zone that has none by its own name, such as DK1 = "DK".
    """

    table: str = ""
    impact_table: str = ""
    store: str = ""
    yearly_zones: dict[str, str] = msgspec.field(default_factory=dict)
    source: tuple[SourceConfig, ...] = ()
