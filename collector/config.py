"""The collector's configuration: one TOML file, read into frozen structs; unknown keys are refused.

Paths in the file are relative to the file. Secrets are named by file.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from collector.budget_config import BudgetConfig, check_budgets
from collector.intensity_config import GridForecastConfig, IntensityConfig
from collector.store_config import (
    InfluxConfig,
    LakeConfig,
    LakeWhere,
    Seconds,
    Table,
    absolute_options,
    check_influxdb,
    is_url,
    lake_where,
)
from collector.web_config import DEFAULT_LISTEN, WebConfig
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings, check_settings
from edge_agent.wire.text_file import read_text
from edge_agent.wire.toml_config import TOML_REMEDY, decode_toml


class JournalConfig(Table, frozen=True, kw_only=True):
    """``[journal]``. ``late_after_s``: a window that comes longer than this after its end is counted as late.

    ``keep_days``: windows that came longer ago and that every store has are removed; 0 keeps them for ever.
    """

    late_after_s: Seconds = 300.0
    keep_days: Annotated[float, Meta(ge=0.0, le=36_500.0)] = 30.0


class LedgerConfig(Table, frozen=True, kw_only=True):
    """``[ledger]``: how often its figures go to InfluxDB, where there is one."""

    interval_s: Seconds = 60.0


class MetricsConfig(Table, frozen=True, kw_only=True):
    """``[metrics]``: a page for Prometheus at ``listen``, "host:port"; empty: none.

    ``per_device``: figures of every device, not only of fleets.
    """

    listen: str = ""
    per_device: bool = True

    @property
    def address(self) -> tuple[str, int] | None:
        """Return host and port, None when there is to be no page. Raises ConfigurationError."""
        if not self.listen:
            return None
        host, _, port = self.listen.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and 0 < int(port) <= 65_535):
            raise ConfigurationError(f"metrics.listen {self.listen!r}: write host:port, such as 127.0.0.1:9464")
        return host.removeprefix("[").removesuffix("]"), int(port)


class OrdersConfig(Table, frozen=True, kw_only=True):
    """``[orders]``: what devices fetch by its hash, such as models, out of ``blob_dir``; empty: nothing.

    ``device_bytes_per_s``: how fast one device is served.
    """

    blob_dir: str = ""
    device_bytes_per_s: Annotated[float, Meta(ge=1024.0, le=1e9)] = 1_048_576.0


class InventoryConfig(Table, frozen=True, kw_only=True):
    """``[inventory]``: what the devices are made of. Empty: unknown, and so are their grams."""

    file: str = ""


class CollectorConfig(Table, frozen=True, kw_only=True):
    """The whole file. ``fleet`` "+" takes every fleet. ``client_id`` names the session at the broker: keep it.

    ``shared_group``: collectors that name the same one share the messages; each has its own ``client_id`` and
    ``state_dir``. Empty: this collector takes every message. ``budget``: of the fleets that have one.
    """

    state_dir: str = "collector-state"
    fleet: str = "+"
    client_id: str = "edgejoule-collector"
    shared_group: str = ""
    broker: BrokerSettings = BrokerSettings()
    journal: JournalConfig = JournalConfig()
    lake: LakeConfig = LakeConfig()
    influxdb: InfluxConfig | None = None
    ledger: LedgerConfig = LedgerConfig()
    metrics: MetricsConfig = MetricsConfig()
    web: WebConfig = WebConfig()
    orders: OrdersConfig = OrdersConfig()
    inventory: InventoryConfig = InventoryConfig()
    intensity: IntensityConfig = IntensityConfig()
    grid_forecast: GridForecastConfig = GridForecastConfig()
    budget: tuple[BudgetConfig, ...] = ()

    @property
    def journal_path(self) -> Path:
        """Return where the journal is."""
        return journal_path(Path(self.state_dir))

    @property
    def intensity_path(self) -> Path:
        """Return where the revisions of grid intensities are kept."""
        return Path(self.intensity.store) if self.intensity.store else Path(self.state_dir) / "intensity.sqlite3"

    @property
    def lake_dir(self) -> LakeWhere | None:
        """Return where the lake is, None when there is none."""
        return lake_where(self.lake, Path(self.state_dir))


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
    if config.influxdb is not None:
        check_influxdb(config.influxdb, where)
    check_budgets(config.budget, config.influxdb, config.fleet, config.shared_group, where)
    if config.fleet != "+" and any(letter in config.fleet for letter in "/+#"):
        raise ConfigurationError(f'{where}: fleet {config.fleet!r}: name one fleet, or "+" for every fleet')
    if any(letter in config.shared_group for letter in "/+#"):
        raise ConfigurationError(f"{where}: shared_group {config.shared_group!r}: name it without /, + and #")
    try:
        check_settings(config.broker)
        _ = config.metrics.address
        _ = config.web.address
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
        lake=replace(
            config.lake,
            dir=config.lake.dir if is_url(config.lake.dir) else _at(base, config.lake.dir),
            options=absolute_options(config.lake.options, base),
        ),
        influxdb=influxdb
        and replace(
            influxdb,
            token_file=_at(base, influxdb.token_file),
            password_file=_at(base, influxdb.password_file),
        ),
        web=replace(config.web, token_file=_at(base, config.web.token_file)),
        orders=replace(config.orders, blob_dir=_at(base, config.orders.blob_dir)),
        inventory=replace(config.inventory, file=_at(base, config.inventory.file)),
        intensity=_absolute_intensity(config.intensity, base),
    )


def _absolute_intensity(intensity: IntensityConfig, base: Path) -> IntensityConfig:
    """Make the paths absolute; a source's ``url`` that is no address is the file of a series."""
    sources = (
        msgspec.structs.replace(
            source,
            url=source.url if is_url(source.url) else _at(base, source.url),
            key_file=_at(base, source.key_file),
        )
        for source in intensity.source
    )
    return msgspec.structs.replace(
        intensity,
        table=_at(base, intensity.table),
        impact_table=_at(base, intensity.impact_table),
        store=_at(base, intensity.store),
        source=tuple(sources),
    )


def _at(base: Path, name: str) -> str:
    return str(base / Path(name).expanduser()) if name else ""


def listening_at(config: CollectorConfig, listen: str) -> CollectorConfig:
    """Return ``config`` with a live page at ``listen``; "": where it says, or else at the usual place.

    Raises ConfigurationError.
    """
    replace = msgspec.structs.replace
    found = replace(config, web=replace(config.web, listen=listen or config.web.listen or DEFAULT_LISTEN))
    _ = found.web.address
    return found
