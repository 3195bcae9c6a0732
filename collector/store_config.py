"""The configuration of the stores: ``[lake]`` and ``[influxdb]``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge_agent.wire.errors import ConfigurationError

Rows = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0.0, le=86_400.0)]
Days = Annotated[int, Meta(ge=0, le=36_500)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables."""


class LakeUrl(msgspec.Struct, frozen=True):
    """A lake that fsspec reaches: ``url`` such as ``s3://bucket/prefix``, and the options of its file system.

    An option ``{file = "NAME"}`` stands for what that file holds.
    """

    url: str
    options: dict[str, Any] = {}

    def __str__(self) -> str:
        """Return the address, for messages."""
        return self.url


LakeWhere = Path | LakeUrl
"""A directory of this machine, or an address."""


class LakeConfig(Table, frozen=True, kw_only=True):
    """``[lake]``: Parquet files for analysis.

    ``dir``: a directory, or an address that fsspec understands (``s3://bucket/prefix``, ``sftp://host/path``); empty:
    ``lake`` in the state directory. ``options``: what fsspec's file system of that kind takes, secrets as
    ``{file = "NAME"}``.
    """

    enabled: bool = True
    dir: str = ""
    options: dict[str, Any] = {}
    max_rows: Rows = 20_000
    max_wait_s: Seconds = 60.0


class HourlyConfig(Table, frozen=True, kw_only=True):
    """``[influxdb.hourly]``: sums for each hour, for years, in a database or bucket of their own."""

    database: str = "edgejoule_hourly"
    bucket: str = "edgejoule_hourly"
    retention_days: Days = 0


class InfluxConfig(Table, frozen=True, kw_only=True):
    """``[influxdb]``: the live store, only when the table is there.

    ``api`` "v1" writes to ``database`` at ``/write`` (1.x, also 2.x and 3 Core); "v2" to ``org`` and ``bucket`` at
    ``/api/v2/write`` (1.8, 2.x, 3 Core); "v3" to ``database`` at ``/api/v3/write_lp`` (3 Core, 3 Enterprise).
    ``retention_days``: how long windows are kept, 0 for ever; what ``collector init`` sets and ``doctor`` checks.
    """

    api: Literal["v1", "v2", "v3"] = "v1"
    url: str = "http://127.0.0.1:8086"
    database: str = "edgejoule"
    org: str = ""
    bucket: str = "edgejoule"
    token_file: str = ""
    username: str = ""
    password_file: str = ""
    max_rows: Rows = 5000
    max_wait_s: Seconds = 2.0
    retention_days: Days = 0
    hourly: HourlyConfig | None = None

    @property
    def store(self) -> str:
        """Return the database or the bucket that takes the windows."""
        return self.bucket if self.api == "v2" else self.database

    @property
    def hourly_store(self) -> str:
        """Return the database or the bucket that takes the hourly sums, "" when there are none."""
        if self.hourly is None:
            return ""
        return self.hourly.bucket if self.api == "v2" else self.hourly.database


def check_influxdb(influxdb: InfluxConfig, where: str) -> None:
    """Raise ConfigurationError for settings that cannot work together."""
    kind = "bucket" if influxdb.api == "v2" else "database"
    if not influxdb.store:
        raise ConfigurationError(f'{where}: influxdb.{kind} is empty; api = "{influxdb.api}" writes to a {kind}')
    if influxdb.api == "v2" and not influxdb.org:
        raise ConfigurationError(f'{where}: influxdb.org is empty; api = "v2" needs org, bucket and token_file')
    if influxdb.hourly is not None and influxdb.hourly_store in {"", influxdb.store}:
        raise ConfigurationError(
            f"{where}: influxdb.hourly.{kind} has to be another one than influxdb.{kind}: it keeps its points longer"
        )


def lake_where(lake: LakeConfig, state_dir: Path) -> LakeWhere | None:
    """Return where the lake is, None when there is none."""
    if not lake.enabled:
        return None
    if not lake.dir:
        return state_dir / "lake"
    return LakeUrl(lake.dir, lake.options) if is_url(lake.dir) else Path(lake.dir)


def is_url(name: str) -> bool:
    """Return whether ``name`` is an address for fsspec and no path of this machine."""
    return "://" in name or "::" in name


def absolute_options(options: dict[str, Any], base: Path) -> dict[str, Any]:
    """Return ``options`` with the paths in ``{file = "NAME"}`` made absolute, at any depth."""
    return {name: _absolute(value, base) for name, value in options.items()}


def _absolute(value: Any, base: Path) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"file"}:
        return {"file": str(base / Path(str(value["file"])).expanduser())}
    return absolute_options(value, base)
