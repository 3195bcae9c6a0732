"""One connection of one device to the broker, on asyncio: no thread and no task of its own, only callbacks.

A clean session that listens on the device's ``ack`` topic. What the broker has not acknowledged when the connection
ends is the device's to send again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

from edge_agent.wire.errors import BrokerUnavailableError
from edge_agent.wire.mqtt import (
    BrokerAddress,
    explain_connect_error,
    explain_early_end,
    explain_refusal,
    explain_refused_message,
    explain_silence,
)
from edge_agent.wire.mqtt_packets import (
    PINGREQ,
    ConnAck,
    ConnectOptions,
    Disconnect,
    PacketReader,
    PubAck,
    Publish,
    SubAck,
    encode_connect,
    encode_disconnect,
    encode_pubacks,
    encode_publish,
    encode_subscribe,
)
from edge_agent.wire.mqtt_reasons import FIRST_FAILURE, connack_words, reason_words

CONNECT_TIMEOUT_S: Final = 10.0
MAX_UNACKED: Final = 16
"""Messages that the broker has not acknowledged; mosquitto takes 20 at once, unless told otherwise."""
_SUBSCRIBE_ID: Final = 65_535


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, and how."""

    address: BrokerAddress
    tls: SSLContext | None


class Link(asyncio.Protocol):
    """See the module's text. ``on_message`` gets payloads, ``on_end`` one line on why it is over."""

    def __init__(
        self,
        options: ConnectOptions,
        ack_topic: str,
        on_message: Callable[[bytes], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._options = options
        self._ack_topic = ack_topic
        self._on_message = on_message
        self._on_end = on_end
        self._reader = PacketReader(options.protocol)
        self._transport: asyncio.Transport | None = None
        self._welcome: asyncio.Future[ConnAck] = asyncio.get_running_loop().create_future()
        self._queue: deque[tuple[str, bytes, bool]] = deque()
        self._unacked: dict[int, str] = {}
        self._limit = MAX_UNACKED
        self._packet_id = 0
        self._paused = False
        self._ended = False
        self._quiet = asyncio.Event()
        self._closed = asyncio.Event()
        self.end_reason = ""
        self.refusals = 0
        self.refusal = ""
        self.sent_bytes = 0

    @property
    def ended(self) -> bool:
        """Return whether the connection is gone."""
        return self._ended

    @property
    def idle(self) -> bool:
        """Return whether the broker has acknowledged everything."""
        return not self._queue and not self._unacked

    @property
    def has_room(self) -> bool:
        """Return whether one more message would go out at once."""
        return not self._queue and not self._paused and len(self._unacked) < self._limit and not self._ended

    async def quiet(self) -> None:
        """Wait until the broker has acknowledged everything, or the connection is gone."""
        if not self.idle and not self._ended:
            self._quiet.clear()
            await self._quiet.wait()

    async def closed(self) -> None:
        """Wait until the connection is gone."""
        await self._closed.wait()

    async def opened(self, target: Target) -> None:
        """Wait for the broker's welcome. Raises BrokerUnavailableError with the remedy, and leaves nothing open."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                answer = await self._welcome
        except TimeoutError as error:
            self.cut()
            raise BrokerUnavailableError(explain_silence(target.address)) from error
        except ConnectionError as error:
            raise BrokerUnavailableError(explain_early_end(target.address)) from error
        if answer.reason_code:
            self.cut()
            words = connack_words(answer.reason_code, answer.reason_text)
            raise BrokerUnavailableError(explain_refusal(words))
        self._limit = min(MAX_UNACKED, answer.receive_maximum)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send at QoS 1, now or when the broker has acknowledged enough of what came before."""
        self._queue.append((topic, payload, retain))
        self._pump()

    def ping(self) -> None:
        """Say that we are there."""
        self._write(PINGREQ)

    def cut(self) -> None:
        """End the connection without a word, as a lost network does: the broker sends the will."""
        if self._transport is not None:
            self._transport.abort()

    def hold(self, *, reading: bool) -> None:
        """Read, or do not, as a device that is too busy does not."""
        if self._transport is not None and not self._ended:
            (self._transport.resume_reading if reading else self._transport.pause_reading)()

    def say_goodbye(self) -> None:
        """End the connection in good order: the broker forgets the will."""
        if self._transport is not None and not self._ended:
            self._write(encode_disconnect(self._options.protocol))
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the broker."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._write(encode_connect(self._options))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._ended = True
        self._quiet.set()
        self._closed.set()
        self.end_reason = self.end_reason or (str(exc) if exc else "the connection was closed")
        if not self._welcome.done():
            self._welcome.set_exception(ConnectionResetError(self.end_reason))
            self._welcome.exception()  # nobody may wait any more
        self._on_end(self.end_reason)

    def pause_writing(self) -> None:
        """Remember that the network takes no more for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Take what the broker sends. What is no MQTT ends the connection."""
        try:
            packets = self._reader.feed(data)
        except ValueError as error:
            self.end_reason = str(error)
            self.cut()
            return
        acks: list[int] = []
        payloads: list[bytes] = []
        for packet in packets:
            if isinstance(packet, Publish):
                payloads.append(packet.payload)
                acks += [packet.packet_id] if packet.qos else []
            else:
                self._take(packet)
        if acks:
            self._write(encode_pubacks(acks, self._options.protocol))
        self._pump()
        if self.idle:
            self._quiet.set()
        for payload in payloads:
            self._on_message(payload)

    def _take(self, packet: object) -> None:
        if isinstance(packet, PubAck):
            self._note_refusal(packet.reason_code, self._unacked.pop(packet.packet_id, "a message"))
        elif isinstance(packet, ConnAck) and not self._welcome.done():
            self._welcome.set_result(packet)
            if not packet.reason_code:
                self._write(encode_subscribe(_SUBSCRIBE_ID, [(self._ack_topic, 1)], self._options.protocol))
        elif isinstance(packet, SubAck):
            self._note_refusal(max(packet.reason_codes, default=0), self._ack_topic)
        elif isinstance(packet, Disconnect):
            self.end_reason = f"the broker said goodbye: {reason_words(packet.reason_code, packet.reason_text)}"

    def _note_refusal(self, code: int, topic: str) -> None:
        if code >= FIRST_FAILURE:
            self.refusals += 1
            self.refusal = explain_refused_message(reason_words(code), topic, "--username")

    def _pump(self) -> None:
        while self._queue and not self._paused and len(self._unacked) < self._limit and not self._ended:
            topic, payload, retain = self._queue.popleft()
            self._packet_id = self._packet_id % (_SUBSCRIBE_ID - 1) + 1
            self._unacked[self._packet_id] = topic
            packet = encode_publish(topic, payload, self._options.protocol, 1, retain, self._packet_id)
            self.sent_bytes += len(packet)
            self._write(packet)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


async def open_link(
    target: Target,
    options: ConnectOptions,
    ack_topic: str,
    on_message: Callable[[bytes], None],
    on_end: Callable[[str], None],
) -> Link:
    """Connect, log in and subscribe. Raises BrokerUnavailableError with the remedy in its text."""
    link = Link(options, ack_topic, on_message, on_end)
    address = target.address
    name = address.host if target.tls else None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().create_connection(
                lambda: link, address.host, address.port, ssl=target.tls, server_hostname=name
            )
    except OSError as error:
        raise BrokerUnavailableError(explain_connect_error(error, address)) from error
    try:
        await link.opened(target)
    except asyncio.CancelledError:
        link.cut()
        raise
    return link
