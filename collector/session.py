"""The collector's session at a broker: its name, what it subscribes to, and whether it outlives a connection."""

from dataclasses import dataclass
from typing import Final

from edge_agent.wire.errors import BrokerUnavailableError
from edge_agent.wire.mqtt_version import ConnectEnd
from edge_agent.wire.topics import UpChannel, up_filter

CONNECT_TIMEOUT_S: Final = 5.0
CONNACK_TIMEOUT_S: Final = 10.0
GOODBYE_TIMEOUT_S: Final = 2.0
KEPT_SESSION_EXPIRY_S: Final = 30 * 86_400
RECEIVE_MAXIMUM: Final = 4000
"""How many messages a broker sends ahead of our acknowledgements: a few commits full, so that it never waits."""
QOS: Final = 1
ID_CLASH: Final = ("collector", "client_id: give each collector its own")
GOES_BY: Final = "what its access list knows for the collector ([broker] username)"
EVERY_COLLECTOR: Final[tuple[UpChannel, ...]] = ("birth", "status", "health")
ONE_COLLECTOR: Final[tuple[UpChannel, ...]] = ("windows", "bench", "reply")


class ConnectFailedError(BrokerUnavailableError):
    """A CONNECT ended without success; ``end`` says how, as far as that may be for the version of MQTT."""

    def __init__(self, words: str, end: ConnectEnd | None = None) -> None:
        super().__init__(words)
        self.end = end


@dataclass(frozen=True, slots=True)
class Session:
    """``fleet`` "+" is every fleet. ``shared_group`` "": a collector alone, whose session waits for it at the broker.

    With a group, windows, benches and replies go to one collector of the group each, and what says how a device is
    goes to all of them (also because no broker sends a retained message to a shared subscription; MQTT 5.0, section
    4.8.2). The session then ends with the connection: a broker goes on to send to a member that is gone but has a
    session. ``files``: it answers devices that fetch files; their questions are not kept for a collector that is away.
    """

    client_id: str
    fleet: str
    shared_group: str = ""
    files: bool = False

    @property
    def kept(self) -> bool:
        """Return whether the broker keeps the session while no collector is connected."""
        return not self.shared_group

    @property
    def filters(self) -> list[tuple[str, int]]:
        """Return the topic filters, each with its QoS."""
        share = f"$share/{self.shared_group}/" if self.shared_group else ""
        return [
            *((share + up_filter(self.fleet, channel), QOS) for channel in ONE_COLLECTOR),
            *([(share + up_filter(self.fleet, "fetch"), 0)] if self.files else []),
            *((up_filter(self.fleet, channel), QOS) for channel in EVERY_COLLECTOR),
        ]
