"""The collector's configuration: one TOML file, read into frozen structs; unknown keys are refused.

Paths in the file are relative to the file. Secrets are named by file.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings, check_settings
from edge_agent.wire.text_file import read_text
from edge_agent.wire.toml_config import TOML_REMEDY, decode_toml

Rows = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, Meta(gt=0.0, le=86_400.0)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables."""


class JournalConfig(_Table, frozen=True, kw_only=True):
    """``[journal]``. ``late_after_s``: a window that comes longer than this after its end is counted as late."""

    late_after_s: Seconds = 300.0


class LakeConfig(_Table, frozen=True, kw_only=True):
    """``[lake]``: Parquet files for analysis. ``dir`` empty: ``lake`` in the state directory."""

    enabled: bool = True
    dir: str = ""
    max_rows: Rows = 50_000
    max_wait_s: Seconds = 60.0


class InfluxConfig(_Table, frozen=True, kw_only=True):
    """``[influxdb]``: the live store, only when the table is there.

    ``api`` "v1" writes to ``database`` at ``/write`` (1.x, also 2.x and 3 Core); "v2" to ``org`` and ``bucket`` at
    ``/api/v2/write`` (1.8, 2.x, 3 Core).
    """

    api: Literal["v1", "v2"] = "v1"
    url: str = "http://127.0.0.1:8086"
    database: str = "edgejoule"
    org: str = ""
    bucket: str = "edgejoule"
    token_file: str = ""
    username: str = ""
    password_file: str = ""
    max_rows: Rows = 5000
    max_wait_s: Seconds = 2.0


class InventoryConfig(_Table, frozen=True, kw_only=True):
    """``[inventory]``: what the devices are made of. Empty: unknown, and so are their grams."""

    file: str = ""


class IntensityConfig(_Table, frozen=True, kw_only=True):
    """``[intensity]``: the shipped yearly table, with rows of ``table`` over it."""

    table: str = ""


class CollectorConfig(_Table, frozen=True, kw_only=True):
    """The whole file. ``fleet`` "+" takes every fleet. ``client_id`` names the session at the broker: keep it."""

    state_dir: str = "collector-state"
    fleet: str = "+"
    client_id: str = "edgejoule-collector"
    broker: BrokerSettings = BrokerSettings()
    journal: JournalConfig = JournalConfig()
    lake: LakeConfig = LakeConfig()
    influxdb: InfluxConfig | None = None
    inventory: InventoryConfig = InventoryConfig()
    intensity: IntensityConfig = IntensityConfig()

    @property
    def journal_path(self) -> Path:
        """Return where the journal is."""
        return journal_path(Path(self.state_dir))

    @property
    def lake_dir(self) -> Path | None:
        """Return where the lake is, None when there is none."""
        if not self.lake.enabled:
            return None
        return Path(self.lake.dir) if self.lake.dir else Path(self.state_dir) / "lake"


def journal_path(state_dir: Path) -> Path:
    """Return where a collector with this state directory keeps its journal."""
    return state_dir / "journal.sqlite3"


def read_config(path: Path) -> CollectorConfig:
    """Read the file, make its paths absolute and check what can be checked. Raises ConfigurationError."""
    return parse_config(read_text(path, remedy=TOML_REMEDY), str(path), path.absolute().parent)


def parse_config(text: str, where: str, base: Path) -> CollectorConfig:
    """Decode the text of a configuration whose relative paths start at ``base``. Raises ConfigurationError."""
    config = _absolute(decode_toml(text, CollectorConfig, where), base)
    if not config.client_id:
        raise ConfigurationError(f"{where}: client_id is empty; the session at the broker needs a name that stays")
    for name, value in (("state_dir", config.state_dir), ("fleet", config.fleet)):
        if not value:
            raise ConfigurationError(f"{where}: {name} is empty; name one, or leave the line out for the default")
    if config.influxdb is not None and config.influxdb.api == "v1" and not config.influxdb.database:
        raise ConfigurationError(f'{where}: influxdb.database is empty; api = "v1" writes to a database that exists')
    if config.fleet != "+" and any(letter in config.fleet for letter in "/+#"):
        raise ConfigurationError(f'{where}: fleet {config.fleet!r}: name one fleet, or "+" for every fleet')
    if config.influxdb is not None and config.influxdb.api == "v2" and not config.influxdb.org:
        raise ConfigurationError(f'{where}: influxdb.org is empty; api = "v2" needs org, bucket and token_file')
    try:
        check_settings(config.broker)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    return config


def _absolute(config: CollectorConfig, base: Path) -> CollectorConfig:
    broker, influxdb = config.broker, config.influxdb
    broker_files = ("password_file", "ca_file", "cert_file", "key_file")
    replace = msgspec.structs.replace
    return replace(
        config,
        state_dir=_at(base, config.state_dir),
        broker=replace(broker, **{name: _at(base, getattr(broker, name)) for name in broker_files}),
        lake=replace(config.lake, dir=_at(base, config.lake.dir)),
        influxdb=influxdb
        and replace(
            influxdb,
            token_file=_at(base, influxdb.token_file),
            password_file=_at(base, influxdb.password_file),
        ),
        inventory=replace(config.inventory, file=_at(base, config.inventory.file)),
        intensity=replace(config.intensity, table=_at(base, config.intensity.table)),
    )


def _at(base: Path, name: str) -> str:
    return str(base / Path(name).expanduser()) if name else ""
