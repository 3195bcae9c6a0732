"""``fleet.toml`` as it is written: who the boards are, what holds for all, for a site, for one."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Identifier
from edge_agent.wire.toml_config import read_toml

Port = Annotated[int, Meta(ge=1, le=65535)]
SecretName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables: an unknown key is an error."""


class Settings(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand in ``[defaults]``, in a ``[[site]]`` and in a ``[[device]]``; the nearer one holds.

    ``agent``: any part of agent.toml; ``broker``, ``model``, ``zone`` are short for ``[agent.broker] url``,
    ``[agent.model] id`` and ``[agent.grid] zone``. ``secrets``: files here, by the names that they have on the board.
    ``allow_devices``: classes of /proc/devices that the service may use beside USB serial ports. ``inventory``: what
    ``edgejoule deploy inventory`` says to the collector, beside id, site, zone and device class.
    """

    user: str | None = None
    port: Port | None = None
    ssh_key: str | None = None
    target: str | None = None
    broker: str | None = None
    zone: str | None = None
    model: str | None = None
    meter_serial: str | None = None
    ntp: tuple[str, ...] | None = None
    allow_devices: tuple[str, ...] | None = None
    gate_windows: Annotated[int, Meta(ge=1, le=1000)] | None = None
    gate_seconds: Annotated[float, Meta(ge=1.0, le=86_400.0)] | None = None
    secrets: dict[SecretName, str] = {}
    agent: dict[str, Any] = {}
    inventory: dict[str, Any] = {}


class SiteRow(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[site]]``."""

    id: Identifier


class DeviceRow(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[device]]``. ``host``: its name or address for SSH, or a name in ssh_config; its id unless given."""

    id: Identifier
    host: str = ""
    site: str = ""


class RollOut(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[roll_out]``: ``waves``: how many boards in each, a number or a share ("10%"); what is left is the last.

    ``canaries``: the boards of a wave before the first. More than ``max_failed`` failures in a wave stop the roll-out.
    """

    waves: tuple[int | str, ...] = (1, "10%", "100%")
    canaries: tuple[Identifier, ...] = ()
    max_failed: Annotated[int, Meta(ge=0)] = 0
    parallel: Annotated[int, Meta(ge=1, le=200)] = 10


class PkiSection(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[pki]``: the authority that signs each board's certificate, a folder made by ``edgejoule pki init``."""

    directory: str
    passphrase_file: str = ""
    days: Annotated[int, Meta(ge=1, le=3650)] = 365


class FleetSection(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[fleet]``."""

    id: Identifier = "default"


class FleetFile(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    fleet: FleetSection = FleetSection()
    roll_out: RollOut = RollOut()
    pki: PkiSection | None = None
    defaults: Settings = Settings()
    site: tuple[SiteRow, ...] = ()
    device: tuple[DeviceRow, ...]


def read_fleet_file(path: Path) -> FleetFile:
    """Read the file and check that its names fit together. Raises ConfigurationError."""
    file = read_toml(path, FleetFile)
    if not file.device:
        raise ConfigurationError(f"{path}: no [[device]]; give each board one, with id and host")
    _once(path, "site", [row.id for row in file.site])
    _once(path, "device", [row.id for row in file.device])
    _once(path, "host", [_place(file, row) for row in file.device])
    sites = {row.id for row in file.site}
    for row in file.device:
        if row.site and row.site not in sites:
            raise ConfigurationError(
                f"{path}: device {row.id}: site {row.site!r} is none of {', '.join(sorted(sites)) or 'no sites'};"
                " correct it, or add a [[site]]"
            )
    unknown = set(file.roll_out.canaries) - {row.id for row in file.device}
    if unknown:
        raise ConfigurationError(f"{path}: roll_out.canaries: no device is called {', '.join(sorted(unknown))}")
    return file


def _place(file: FleetFile, row: DeviceRow) -> str:
    site = next((site for site in file.site if site.id == row.site), SiteRow(id="none"))
    return f"{row.host or row.id} port {row.port or site.port or file.defaults.port or 22}"


def _once(path: Path, what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"{path}: the {what} {twice[0]} stands there twice; keep one")
