"""To which devices an order goes: those that are named, those of a site, or all that the broker knows of a fleet."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.wire.errors import ConfigurationError, RejectedRecordError
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import Identifier
from edge_agent.wire.topics import RESERVED_NAMES, parse_up_topic, up_filter
from edgejoule.orders.link import Link

QUIET_S: Final = 1.0
LONGEST_S: Final = 15.0


def named(devices: Sequence[str]) -> list[str]:
    """Return the ids, each once. Raises ConfigurationError for what no device can be called."""
    for device_id in devices:
        try:
            msgspec.convert(device_id, Identifier)
        except msgspec.ValidationError as error:
            raise ConfigurationError(
                f"--device {device_id!r}: no device is called so; give its [device] id"
            ) from error
        if device_id in RESERVED_NAMES:
            raise ConfigurationError(f"--device {device_id!r}: no device may be called so; give its [device] id")
    return list(dict.fromkeys(devices))


def of_sites(inventory: str, sites: Sequence[str]) -> list[str]:
    """Return the devices that the inventory has at these sites. Raises ConfigurationError: none, or no inventory."""
    if not inventory:
        raise ConfigurationError("--site: which devices stand there says the collector's inventory: --inventory FILE")
    from collector.inventory import read_inventory  # noqa: PLC0415  only for who names a site

    devices = read_inventory(Path(inventory)).devices
    for site in sites:
        if not any(entry.site == site for entry in devices.values()):
            known = ", ".join(sorted({entry.site for entry in devices.values() if entry.site})) or "none"
            raise ConfigurationError(f"--site {site!r}: {inventory} has no device there; its sites: {known}")
    return sorted(device_id for device_id, entry in devices.items() if entry.site in sites)


def of_fleet(broker: BrokerSettings, fleet: str) -> list[str]:
    """Return every device of which the broker keeps a birth. Raises BrokerUnavailableError, ConfigurationError."""
    found: set[str] = set()
    with Link(broker, [up_filter(fleet, "birth")]) as link:
        ends_s = time.monotonic() + LONGEST_S
        while time.monotonic() < ends_s:
            link.keep_up(time.monotonic())
            came = list(link.receive(QUIET_S))
            if not came:
                break
            for message in came:
                try:
                    found.add(parse_up_topic(message.topic).device_id)
                except RejectedRecordError:
                    continue
    if not found:
        raise ConfigurationError(f"--all: the broker keeps no birth of a device of fleet {fleet!r}; name --device")
    return sorted(found)
