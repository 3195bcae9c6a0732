"""What a version wants of the system: its unit, what this meter and these secrets need, the meter's name, the time."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import board
from .configuration import secret_names, secret_source
from .layout import CONFIRM_UNIT, DEFAULT_ETC, DEFAULT_ROOT, RENEW_UNITS, UNIT, Layout
from .problems import InstallError
from .snapshot import Wanted

if TYPE_CHECKING:
    from typing import Mapping

    from .snapshot import Files

USUAL_CLASSES = ("ttyUSB", "ttyACM")
CREDENTIALS_SINCE = 247
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  nothing is written there
"""What ProtectHome= and PrivateTmp= of the unit take away."""
_BY_ID = re.compile(r"(?:/dev/serial/by-id/)?usb-(.+)-if([0-9a-f]{2})(?:-port\d+)?\Z")
_PLAIN = re.compile(r"[A-Za-z0-9_.:#+=@-]{1,200}\Z")
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}\Z")
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}\Z")
_UNIT_WORD = re.compile(r"[A-Za-z0-9_./@:+-]+\Z")


@dataclass(frozen=True)
class Wishes:
    """What was asked for beyond bundle and configuration; what was not leaves the present file alone.

    ``meter``: a serial number, or a name below ``/dev/serial/by-id``. ``devices``: further classes of devices.
    """

    meter: str | None = None
    ntp: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


def wanted_files(
    layout: Layout, release: str, content: bytes, config: Mapping[str, Any], wishes: Wishes, fresh: Files
) -> dict[Path, Wanted | None]:
    """Return the files for a version and a configuration, with the ``fresh`` secrets that go with it.

    Raises InstallError for what cannot be.
    """
    _check_paths(layout)
    data = board_data(layout.version(release))
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin") or "/usr/bin/python3"
    wanted: dict[Path, Wanted | None] = {}
    for name in (UNIT, CONFIRM_UNIT, *RENEW_UNITS):
        template = data / name
        if template.is_file():
            wanted[layout.units / name] = _text(_placed(template.read_text(encoding="utf-8"), layout, python))
    meter_drop_in = layout.drop_ins / "10-meter.conf"
    if wishes.devices or not (_is_away(config) and meter_drop_in.exists()):
        wanted[meter_drop_in] = _meter_drop_in(config, wishes.devices)
    check_credentials(secret_names(content), board.systemd_version())
    wanted[layout.drop_ins / "20-credentials.conf"] = _credentials_drop_in(layout, content, fresh)
    if wishes.meter is not None:
        template = data / "70-edgejoule-meter.rules"
        wanted[layout.udev_rule] = _text(udev_rule(template.read_text(encoding="utf-8"), wishes.meter))
    wanted.update(_time_files(layout, data, wishes.ntp))
    return wanted


def board_data(version: Path) -> Path:
    """Return the folder of the templates that a version brings."""
    found = sorted((version / "venv").glob("lib/python3*/site-packages/edgejoule/_board"))
    if not found:
        raise InstallError("build", f"{version}: brings no unit", "nothing was changed; make the bundle again")
    return found[0]


def udev_rule(template: str, meter: str) -> str:
    """Return the rule that names the meter with this serial number or this by-id name. Raises InstallError."""
    by_id = _BY_ID.match(meter)
    if by_id:
        serial, number = by_id.groups()
        match = f'ENV{{ID_SERIAL}}=="{_plain(serial)}", ENV{{ID_USB_INTERFACE_NUM}}=="{number}"'
    else:
        match = f'ENV{{ID_SERIAL_SHORT}}=="{_plain(meter)}"'
    return template.replace("@METER@", match)


def _plain(text: str) -> str:
    if not _PLAIN.match(text):
        raise InstallError(
            "usage",
            f"{text!r}: is no serial number of a USB device, nor a name below /dev/serial/by-id",
            "see: ls /dev/serial/by-id",
        )
    return text


def _check_paths(layout: Layout) -> None:
    for path in (layout.root, layout.etc):
        if not _UNIT_WORD.match(str(path)):
            raise InstallError("usage", f"{path}: a unit cannot name it", "choose a folder without blanks")


def check_seen(layout: Layout) -> None:
    """Raise InstallError for a place that the service does not see, also where a link leads there."""
    for path in (layout.root, layout.etc):
        place = os.path.realpath(str(path))
        hidden = next((one for one in HIDDEN if place == one or place.startswith(one + "/")), None)
        if hidden is not None:
            leads = "" if place == str(path) else f" (a link to {place})"
            raise InstallError(
                "usage",
                f"{path}{leads}: the service sees nothing below {hidden}",
                "choose another folder, mount (mount --bind) instead of linking, or install with --no-service",
            )


def check_state_dir(config: Mapping[str, Any], allowed: str) -> None:
    """Raise InstallError unless the configuration keeps windows where the service may write."""
    state_dir = config.get("device", {}).get("state_dir")
    if state_dir != allowed:
        raise InstallError(
            "configuration",
            f"[device] state_dir = {state_dir!r}: the service may write {allowed} alone",
            "leave the key out, or install with --no-service",
        )


def _placed(text: str, layout: Layout, python: str) -> str:
    """Return a unit with the places of this board."""
    places = {str(DEFAULT_ETC): str(layout.etc), str(DEFAULT_ROOT): str(layout.root), "/usr/bin/python3": python}
    return re.sub("|".join(map(re.escape, places)), lambda found: places[found.group()], text)


def _meter_drop_in(config: Mapping[str, Any], further: tuple[str, ...]) -> Wanted | None:
    """Return what the configured meter and marker line need beyond USB serial adapters, None for nothing."""
    classes = [one for one in device_classes(config) if one not in USUAL_CLASSES]
    for one in further:
        if not _CLASS.match(one):
            raise InstallError("usage", f"{one!r}: is no class of devices", "see the names in /proc/devices")
    lines = [f"DeviceAllow=char-{one} rw" for one in dict.fromkeys([*classes, *further])]
    if str(config.get("meter", {}).get("port", "")).startswith("rfcomm://"):
        lines.append("RestrictAddressFamilies=AF_BLUETOOTH")
    if config.get("align", {}).get("gpio_chip"):
        lines.append("SupplementaryGroups=gpio")
    if not lines:
        return None
    head = "# What this board's meter and marker line need beyond the unit; written by the installer.\n[Service]\n"
    return _text(head + "".join(line + "\n" for line in lines))


def device_classes(config: Mapping[str, Any]) -> list[str]:
    """Return the classes of the serial ports and lines that a configuration names, as in /proc/devices.

    A name that is a link, such as /dev/serial0, is of the class of what it leads to now.
    """
    align = config.get("align", {})
    names = [config.get("meter", {}).get("port", ""), align.get("modem_port", ""), align.get("gpio_chip", "")]
    found = []
    for name in map(str, names):
        device = str(Path(name).resolve()) if name.startswith("/") else ""
        if device.startswith("/dev/pts/"):
            found.append("pts")
        elif device.startswith(("/dev/tty", "/dev/gpiochip")):
            found.append(re.sub(r"\d+\Z", "", device[len("/dev/") :]))
    return [one for one in dict.fromkeys(found) if _CLASS.match(one)]


def _is_away(config: Mapping[str, Any]) -> bool:
    """Tell whether the meter's port is a name that leads nowhere now: the meter is unplugged."""
    port = str(config.get("meter", {}).get("port", ""))
    return port.startswith("/") and not Path(port).exists()


def check_credentials(names: list[str], systemd: int) -> None:
    """Raise InstallError where a configuration names secrets that this systemd cannot hand over."""
    if names and 0 < systemd < CREDENTIALS_SINCE:
        raise InstallError(
            "configuration",
            f"systemd {systemd} cannot hand {names[0]} to the service ({CREDENTIALS_SINCE} is the first that can)",
            "name the secret's own file in agent.toml, readable by a group of its own, and give that group to the "
            "service: systemctl edit edgejoule-agent, SupplementaryGroups=",
        )


def _credentials_drop_in(layout: Layout, content: bytes, fresh: Files) -> Wanted | None:
    names = secret_names(content)
    if not names:
        return None
    lines = [f"LoadCredential={name}:{secret_source(layout, name, fresh)}" for name in names]
    head = (
        "# Secrets that the configuration names, readable by the service alone; written by the installer.\n[Service]\n"
    )
    return _text(head + "".join(line + "\n" for line in lines))


def _time_files(layout: Layout, data: Path, servers: tuple[str, ...]) -> dict[Path, Wanted | None]:
    """Return the drop-in of the time service that is here; an installed one is left alone unless servers are named."""
    for server in servers:
        if not _HOST.match(server):
            raise InstallError("usage", f"--ntp {server!r}: is no name and no address", "name a time server")
    if (layout.system / "chrony").is_dir():
        text = (data / "chrony-edgejoule.conf").read_text(encoding="utf-8")
        text += "".join(f"server {server} iburst\n" for server in servers)
        place, other = layout.chrony, layout.timesyncd
    else:
        text = (data / "timesyncd-edgejoule.conf").read_text(encoding="utf-8")
        text += "NTP={}\n".format(" ".join(servers)) if servers else ""
        place, other = layout.timesyncd, layout.chrony
    if place.is_file() and not servers:
        return {}
    return {place: _text(text), other: None}


def _text(text: str) -> Wanted:
    return Wanted(text.encode())
