"""Which MQTT version to speak with a broker: the configured one, or MQTT 5 and then 3.1.1.

A broker that knows no MQTT 5 answers the CONNECT with "unsupported protocol version" or only closes the connection.
What worked is remembered for the life of this process, so that the detour is taken once.
"""

import threading
from typing import Final, Literal

from edge_agent.wire.mqtt import BrokerAddress, BrokerSettings, MqttVersion, parse_broker_url

ConnectEnd = Literal["version_refused", "closed"]
"""How a CONNECT ended without success: the broker named the version as the reason, or it closed without a word."""

_lock: Final = threading.Lock()
_worked: Final[dict[BrokerAddress, MqttVersion]] = {}


def first_version(settings: BrokerSettings) -> MqttVersion:
    """Return the version of the next CONNECT: the configured one, what worked before, or MQTT 5."""
    if settings.protocol != "auto":
        return settings.protocol
    with _lock:
        return _worked.get(parse_broker_url(settings.url), "5")


def other_version(settings: BrokerSettings, tried: MqttVersion, end: ConnectEnd) -> MqttVersion | None:
    """Return the version to try at once, on a new connection, after ``tried`` ended so; None when there is none.

    A connection closed without a word proves nothing about a version that worked before, as the broker may be
    stopping: it is only forgotten, so that the next connection finds out anew.
    """
    if settings.protocol != "auto":
        return None
    address = parse_broker_url(settings.url)
    with _lock:
        if end == "closed" and _worked.get(address) == tried:
            del _worked[address]
            return None
    return "3.1.1" if tried == "5" else "5"


def note_worked(settings: BrokerSettings, version: MqttVersion) -> bool:
    """Remember that the broker took ``version``; return whether that is news that differs from what one expects.

    That is so the first time that "auto" ends with 3.1.1: worth one line in the log.
    """
    if settings.protocol != "auto":
        return False
    address = parse_broker_url(settings.url)
    with _lock:
        before = _worked.get(address, "5")
        _worked[address] = version
    return version != before and version == "3.1.1"
