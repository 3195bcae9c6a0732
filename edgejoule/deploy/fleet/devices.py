"""What each board shall be: defaults, site and device merged, and its agent.toml written and checked."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from edge_agent.config import AgentConfig
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import parse_broker_url
from edge_agent.wire.toml_config import convert_document
from edgejoule.deploy.fleet.fleet_file import DeviceRow, FleetFile, Settings, SiteRow, read_fleet_file
from edgejoule.deploy.fleet.hands import Login
from edgejoule.deploy.fleet.toml_text import toml_text

AUTO: Final = "auto"
CREDENTIALS: Final = "/run/credentials/edgejoule-agent.service"
METER_LINK: Final = "/dev/edgejoule-meter"
GATE_WINDOWS: Final = 1
GATE_S: Final = 180.0
_HEAD: Final = """\
# Written by edgejoule deploy apply from the fleet file: change it there, or it will not be replaced any more.
"""


class Wishes(msgspec.Struct, frozen=True):
    """What the installer does on the board beside the configuration."""

    meter_serial: str | None
    ntp: tuple[str, ...]
    allow_devices: tuple[str, ...]


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One board as it shall be. ``target``: "auto", or the id of one. ``secrets``: files here, by name there.

    ``inventory``: its row in the collector's inventory.
    """

    id: str
    site: str
    login: Login
    target: str
    config: bytes
    wishes: Wishes
    secrets: Mapping[str, Path]
    inventory: Mapping[str, Any]
    gate_windows: int
    gate_seconds: float


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The file, and every device of it in its order."""

    path: Path
    file: FleetFile
    devices: tuple[Device, ...]


def load_fleet(path: Path) -> Fleet:
    """Read a fleet file and make every board's configuration. Raises ConfigurationError with the place."""
    file = read_fleet_file(path)
    return Fleet(path=path, file=file, devices=tuple(_device(path, file, row) for row in file.device))


def _device(path: Path, file: FleetFile, row: DeviceRow) -> Device:
    site = next((site for site in file.site if site.id == row.site), SiteRow(id="none"))
    levels: tuple[Settings, ...] = (file.defaults, site, row)
    where = f"{path}: device {row.id}"
    key = _nearest(levels, "ssh_key")
    wishes = Wishes(
        _nearest(levels, "meter_serial"),
        tuple(_nearest(levels, "ntp") or ()),
        tuple(_nearest(levels, "allow_devices") or ()),
    )
    document = _document(where, file, row, levels, wishes)
    return Device(
        id=row.id,
        site=row.site,
        login=Login(
            host=row.host or row.id,
            port=_nearest(levels, "port"),
            user=_nearest(levels, "user"),
            key=None if key is None else str(path.parent / Path(key).expanduser()),
        ),
        target=_nearest(levels, "target") or AUTO,
        config=(_HEAD + _wishes_line(wishes) + "\n" + toml_text(document)).encode(),
        wishes=wishes,
        secrets=_secrets(where, path, levels),
        inventory=_inventory(row, levels, document),
        gate_windows=_nearest(levels, "gate_windows") or GATE_WINDOWS,
        gate_seconds=_nearest(levels, "gate_seconds") or GATE_S,
    )


def _nearest(levels: tuple[Settings, ...], name: str) -> Any:
    """Return what the nearest level says that says anything."""
    return next((value for level in reversed(levels) if (value := getattr(level, name)) is not None), None)


def _document(
    where: str, file: FleetFile, row: DeviceRow, levels: tuple[Settings, ...], wishes: Wishes
) -> dict[str, Any]:
    """Return the board's agent.toml, checked. Raises ConfigurationError."""
    document: dict[str, Any] = _implied(file, wishes)
    for level in levels:
        document = merged(merged(document, _short(level)), level.agent)
    named = document.get("device", {})
    named = named if isinstance(named, dict) else {}
    for key, value in (("id", row.id), ("fleet", file.fleet.id)):
        if named.get(key, value) != value:
            raise ConfigurationError(
                f"{where}: agent.device.{key} = {named[key]!r}: leave it out, the fleet file says {value!r}"
            )
    document = merged({"device": {"id": row.id, "fleet": file.fleet.id}}, document)
    config = convert_document(document, AgentConfig, f"{where}: agent")
    try:
        address = parse_broker_url(config.broker.url)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    if (config.broker.ca_file or config.broker.cert_file) and not address.tls:
        why = "[pki] is set" if file.pki else "ca_file or cert_file is set"
        raise ConfigurationError(f"{where}: {why}, but the broker {config.broker.url!r} is not TLS: write mqtts://")
    return document


def _inventory(row: DeviceRow, levels: tuple[Settings, ...], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known here of what the collector's inventory asks; the row's own words hold."""
    known = {
        "id": row.id,
        "site": row.site,
        "zone": document.get("grid", {}).get("zone", ""),
        "device_class": document["device"].get("device_class", ""),
    }
    found = {key: value for key, value in known.items() if value}
    for level in levels:
        found = merged(found, level.inventory)
    return found


def _implied(file: FleetFile, wishes: Wishes) -> dict[str, Any]:
    """Return what other keys of the fleet file mean for agent.toml, should it say nothing else."""
    document: dict[str, Any] = {}
    if wishes.meter_serial is not None:
        document["meter"] = {"port": METER_LINK}
    if file.pki is not None:
        files = {"ca_file": "ca.crt", "cert_file": "device.crt", "key_file": "device.key"}
        document["broker"] = {key: f"{CREDENTIALS}/{name}" for key, name in files.items()}
    return document


def _short(level: Settings) -> dict[str, Any]:
    """Return the short forms of a level as parts of agent.toml."""
    places = {"broker": ("broker", "url"), "model": ("model", "id"), "zone": ("grid", "zone")}
    given = {name: getattr(level, name) for name in places}
    return {places[name][0]: {places[name][1]: value} for name, value in given.items() if value is not None}


def _wishes_line(wishes: Wishes) -> str:
    """Return a comment that differs when they do: so a board shows that it was set up by other ones."""
    said = {name: value for name, value in msgspec.structs.asdict(wishes).items() if value}
    return f"# Set up with: {msgspec.json.encode(said, order='sorted').decode()}\n" if said else ""


def _secrets(where: str, path: Path, levels: tuple[Settings, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for level in levels:
        found.update({name: path.parent / Path(place).expanduser() for name, place in level.secrets.items()})
    for name, place in found.items():
        if not place.is_file():
            raise ConfigurationError(f"{where}: secrets.{name}: there is no file {place}; write it, mode 0600")
        if not os.access(place, os.R_OK):
            raise ConfigurationError(f"{where}: secrets.{name}: {place} is not yours to read; see its owner and mode")
    return found


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both; where both have a table it is merged, else what is above holds."""
    both = dict(below)
    for key, value in above.items():
        present = both.get(key)
        tables = isinstance(present, Mapping) and isinstance(value, Mapping)
        both[key] = merged(present, value) if tables and present is not None else value
    return both
