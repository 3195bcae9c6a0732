"""A device that hears orders over a real broker, checks who signed them, and replies as it was told to."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_agent.connection import Connection
from edge_agent.remote.operators import load_operators
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.orders import BlobChunk, BlobRequest, Command, CommandReply, SignedCommand, Stage
from edge_agent.wire.records import Status, StoreAck
from edge_agent.wire.topics import topic_for
from tests.fakes.windows import FLEET, T0_UNIX_NS

BOOT = "boot"


class OrderedDevice:
    """``stages``: what it replies to each accepted order, at once; None: to nothing, until ``say`` is called."""

    def __init__(
        self,
        broker: BrokerSettings,
        operators: Path,
        device_id: str,
        stages: Sequence[Stage] | None = ("accepted", "done"),
    ) -> None:
        self.device_id = device_id
        self.stages = stages
        self.commands: list[Command] = []
        self.chunks: list[BlobChunk] = []
        self.acked: set[str] = set()
        self._operators = load_operators(operators)
        topics = [self.topic("cmd/run"), self.topic("cmd/blob"), self.topic("ack")]
        self._connection = Connection(broker, f"dev-{device_id}", topics, self._take, lambda: None)

    def topic(self, channel: str) -> str:
        return topic_for(FLEET, self.device_id, channel)  # type: ignore[arg-type]

    def open(self) -> None:
        gone = Status(device_id=self.device_id, boot_id=BOOT, online=False, t_unix_ns=T0_UNIX_NS)
        self._connection.open(self.topic("status"), encode(gone))
        here = Status(device_id=self.device_id, boot_id=BOOT, online=True, t_unix_ns=T0_UNIX_NS)
        self._connection.publish(self.topic("status"), encode(here), retain=True)

    def close(self) -> None:
        self._connection.close()

    def say(self, command: Command, *stages: Stage) -> None:
        for stage in stages:
            reply = CommandReply(
                device_id=self.device_id,
                boot_id=BOOT,
                reply_id=f"{command.command_id}.{stage}",
                command_id=command.command_id,
                kind=str(command.action.__struct_config__.tag),
                stage=stage,
                t_unix_ns=T0_UNIX_NS,
                clock_state="synchronised",
                refusal="not_allowed" if stage == "refused" else None,
                reason="as the test says",
            )
            self._connection.publish(self.topic("reply"), encode(reply))

    def fetch(self, sha256: str, offset: int, max_bytes: int) -> None:
        request = BlobRequest(device_id=self.device_id, sha256=sha256, offset=offset, max_bytes=max_bytes)
        self._connection.publish(self.topic("fetch"), encode(request))

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001  the connection's call
        if topic == self.topic("cmd/blob"):
            self.chunks.append(decode(payload, BlobChunk))
        elif topic == self.topic("ack"):
            self.acked |= set(decode(payload, StoreAck).reply_ids)
        else:
            assert not retained
            signed = decode(payload, SignedCommand)
            assert self._operators[signed.key_id].has_signed(signed.command, signed.signature)
            command = decode(signed.command, Command)
            self.commands.append(command)
            if self.stages is not None:
                self.say(command, *self.stages)


@contextlib.contextmanager
def ordered_devices(
    broker: BrokerSettings, operators: Path, *device_ids: str, stages: Sequence[Stage] | None = ("accepted", "done")
) -> Iterator[list[OrderedDevice]]:
    """Connect them for the length of the block."""
    with contextlib.ExitStack() as opened:
        devices = [OrderedDevice(broker, operators, device_id, stages) for device_id in device_ids]
        for device in devices:
            opened.callback(device.close)
            device.open()
        yield devices
