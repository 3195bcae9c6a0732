"""``--limit site=berlin --limit device=berlin-01,berlin-02``: of which boards is spoken. Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.fleet.devices import Device

_KEYS: Final = ("site", "device", "target")


def limited(devices: Sequence[Device], limits: Sequence[str]) -> tuple[Device, ...]:
    """Return the devices that fit: one of the values of each key that is named. Values may hold ``*``.

    Raises ConfigurationError for an unknown key, and for a value that fits nobody.
    """
    wanted: dict[str, list[str]] = {}
    for limit in limits:
        key, equals, values = limit.partition("=")
        if key not in _KEYS or not equals or not values:
            raise ConfigurationError(f"--limit {limit!r}: write site=NAME or device=NAME[,NAME], * for any letters")
        wanted.setdefault(key, []).extend(values.split(","))
    for key, named in wanted.items():
        for value in named:
            if not any(fnmatchcase(_value(device, key), value) for device in devices):
                there = ", ".join(sorted({_value(device, key) for device in devices} - {""}))
                raise ConfigurationError(f"--limit {key}={value}: fits no device; there are: {there}")
    return tuple(device for device in devices if _fits(device, wanted))


def _fits(device: Device, wanted: dict[str, list[str]]) -> bool:
    return all(any(fnmatchcase(_value(device, key), value) for value in values) for key, values in wanted.items())


def _value(device: Device, key: str) -> str:
    return device.id if key == "device" else str(getattr(device, key))
