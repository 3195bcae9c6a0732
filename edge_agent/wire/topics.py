"""Topic names, version 1: ``edgejoule/v1/{fleet}/{device_id}/{channel}``, and ``edgejoule/v1/{fleet}/grid/{zone}``."""

from typing import Final, Literal, NamedTuple, get_args

from edge_agent.wire.errors import RejectedRecordError

ROOT: Final = "edgejoule/v1"
UpChannel = Literal["windows", "birth", "status", "health", "bench", "reply", "fetch"]
DownChannel = Literal["ack", "cmd/run", "cmd/blob"]
UP_CHANNELS: Final[tuple[UpChannel, ...]] = get_args(UpChannel)
RETAINED_CHANNELS: Final[frozenset[str]] = frozenset({"birth", "status", "ack"})
GRID: Final = "grid"
"""Where the zones' intensities are: in the place of a device, whose name it therefore cannot be."""
RESERVED_NAMES: Final = frozenset({GRID, "collector", "operator"})
"""What no device may be called: a topic's level, and identities that the access list knows."""


class UpTopic(NamedTuple):
    """A parsed upward topic."""

    fleet: str
    device_id: str
    channel: UpChannel


def topic_for(fleet: str, device_id: str, channel: UpChannel | DownChannel) -> str:
    """Return the topic of ``channel`` for one device."""
    return f"{ROOT}/{fleet}/{device_id}/{channel}"


def up_filter(fleet: str, channel: UpChannel) -> str:
    """Return the subscription filter for ``channel`` of every device in ``fleet`` (``+`` for every fleet)."""
    return f"{ROOT}/{fleet}/+/{channel}"


def grid_topic(fleet: str, zone: str) -> str:
    """Return the topic of one zone's intensity and forecast."""
    return f"{ROOT}/{fleet}/{GRID}/{zone}"


def parse_up_topic(topic: str) -> UpTopic:
    """Split an upward topic. Raises RejectedRecordError for any other."""
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT or parts[4] not in UP_CHANNELS or not all(parts):
        raise RejectedRecordError(f"topic {topic!r} is not {ROOT}/<fleet>/<device>/<channel>")
    return UpTopic(parts[2], parts[3], parts[4])
