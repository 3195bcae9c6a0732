"""Serial ports: are there any, may this user open them, and is the configured one among them."""

import getpass
import grp
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgejoule.doctor.finding import Finding, failure, ok, warning
from firmware_bridge.errors import FirmwareBridgeError
from firmware_bridge.stream import is_pseudo_terminal
from firmware_bridge.usb import SCHEME as USB
from firmware_bridge.usb import find_usb_port, list_usb_ports, parse_usb_url


class PortFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One port. ``user_in_group``: by the group file; ``active``: in this very login.

    ``problem``: why a USB device that is named by ``usb://`` is not to be had.
    """

    path: str
    description: str
    exists: bool = True
    may_open: bool = True
    is_terminal: bool = False
    group: str = "dialout"
    user_in_group: bool = False
    active: bool = False
    user: str = "USER"
    problem: str = ""


def gather_ports() -> list[PortFacts]:
    """List the machine's serial ports with hardware behind them; empty without pyserial."""
    try:
        from serial.tools import list_ports  # noqa: PLC0415  an optional dependency
    except ModuleNotFoundError:
        return []
    return [gather_port(port.device, port.description or "serial port") for port in sorted(list_ports.comports())]


def gather_port(path: str, description: str = "configured port") -> PortFacts:
    """Look at one port without opening it, so that no meter is disturbed."""
    if path.startswith(USB):
        try:
            found = find_usb_port(path, parse_usb_url(path), list_usb_ports())
        except FirmwareBridgeError as error:
            return PortFacts(path=path, description=description, exists=False, problem=str(error))
        return gather_port(found.device, path)
    place = Path(path)
    if not place.exists():
        return PortFacts(path=path, description=description, exists=False, user=getpass.getuser())
    group = _group_name(place.stat().st_gid)
    members = _members(group)
    user = getpass.getuser()
    return PortFacts(
        path=path,
        description=description,
        may_open=os.access(place, os.R_OK | os.W_OK),
        is_terminal=is_pseudo_terminal(path),
        group=group,
        user_in_group=user in members,
        active=place.stat().st_gid in os.getgroups(),
        user=user,
    )


def check_ports(ports: Sequence[PortFacts]) -> list[Finding]:
    """Judge the ports that were found; a machine without any may still be a collector's."""
    if not ports:
        return [
            warning(
                "serial ports",
                "no serial port with a device behind it",
                "on a measuring device: connect the meter and look at `dmesg`; on a collector none is needed",
            )
        ]
    return [_check_permission(port, failing=False) for port in ports]


def check_configured_port(port: PortFacts) -> Finding:
    """Judge the port that the agent's configuration names."""
    if port.problem:
        return failure("meter port", port.problem, "connect the meter; edgejoule meter list names what is there")
    if "://" in port.path:
        return ok("meter port", f"{port.path} is no port of this machine; it is tried when the agent starts")
    if not port.exists:
        remedy = "connect the meter, or correct [meter] port; /dev/serial/by-id/ has names that stay the same"
        return failure("meter port", f"{port.path} does not exist", remedy)
    if port.is_terminal and port.may_open:
        return warning(
            "meter port",
            f"{port.path} is a pseudo-terminal: what it says is simulated",
            "name a real meter's port in [meter] port",
        )
    return _check_permission(port, failing=True)


def _check_permission(port: PortFacts, *, failing: bool) -> Finding:
    topic = "meter port" if failing else "serial ports"
    name = f"{port.path} ({port.description})"
    if port.may_open:
        return ok(topic, f"{name} can be opened")
    judge = failure if failing else warning
    return judge(topic, f"{name} may not be opened by {port.user}", _remedy(port))


def _remedy(port: PortFacts) -> str:
    if port.user_in_group and not port.active:
        return f"{port.user} is in group {port.group} but this login is older: log out and in again"
    if port.user_in_group:
        return f"give group {port.group} read and write access: sudo chmod g+rw {port.path}, or a udev rule"
    return f"sudo usermod -aG {port.group} {port.user}, then log out and in again"


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _members(group: str) -> list[str]:
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return []
