"""MQTT's bytes, client side: packets to bytes and bytes to packets, versions 5 and 3.1.1. No socket and no clock.

For whoever moves thousands of messages per second: many packets per call, properties that nobody reads are stepped
over. QoS 0 and 1 only. Section numbers are those of the OASIS standard MQTT 5.0; 3.1.1 differs where said.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from edge_agent.wire.mqtt_fields import (
    U16,
    ProtocolError,
    encode_binary,
    encode_text,
    encode_varint,
    read_properties,
    read_u16,
    read_varint,
    skip_properties,
)

__all__ = [
    "KEPT_BYTES",
    "MAX_PACKET_BYTES",
    "PINGREQ",
    "ConnAck",
    "ConnectOptions",
    "Disconnect",
    "Packet",
    "PacketReader",
    "PingResp",
    "Protocol",
    "ProtocolError",
    "PubAck",
    "Publish",
    "SubAck",
    "encode_connect",
    "encode_disconnect",
    "encode_pubacks",
    "encode_publish",
    "encode_subscribe",
]
PINGREQ: Final = b"\xc0\x00"
MAX_PACKET_BYTES: Final = 1 << 20
"""A longer PUBLISH is skipped while it comes in; its start is kept."""
KEPT_BYTES: Final = 1 << 18
"""How much of the start of such a packet is kept: the topic, and as much as a dead letter holds."""


class Protocol(IntEnum):
    """The protocol level in CONNECT (section 3.1.2.2)."""

    V311 = 4
    V5 = 5


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """What CONNECT says. ``session_expiry_s`` and ``receive_maximum`` (0: not said) exist in version 5 only.

    ``clean_start`` false with 3.1.1 asks for a session that stays until somebody cleans it.
    """

    client_id: str
    protocol: Protocol
    clean_start: bool
    keepalive_s: int
    username: str = ""
    password: str | None = None
    session_expiry_s: int = 0
    receive_maximum: int = 0
    will_topic: str = ""
    will_payload: bytes = b""
    will_qos: int = 1
    will_retain: bool = False


class Publish(NamedTuple):
    """A message. ``packet_id`` is 0 at QoS 0. ``cut_bytes``: how much of the end of a huge payload was skipped."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int
    cut_bytes: int = 0


class ConnAck(NamedTuple):
    """The broker's answer to CONNECT; ``reason_code`` 0 is a welcome. What 3.1.1 does not know has its default.

    ``receive_maximum``: how many QoS 1 messages the broker takes before it has acknowledged any.
    ``server_keepalive_s``: what counts instead of what was asked for, None if the broker agrees.
    """

    session_present: bool
    reason_code: int
    reason_text: str = ""
    receive_maximum: int = 65_535
    server_keepalive_s: int | None = None
    shared_subscriptions: bool = True


class SubAck(NamedTuple):
    """One reason code per filter: the granted QoS, or 0x80 and above for a refusal."""

    packet_id: int
    reason_codes: tuple[int, ...]


class PubAck(NamedTuple):
    """The broker has a message; 0x80 and above: it refuses it."""

    packet_id: int
    reason_code: int = 0


class PingResp(NamedTuple):
    """The broker is there."""


class Disconnect(NamedTuple):
    """The broker ends the connection and says why (version 5 only)."""

    reason_code: int
    reason_text: str = ""


Packet = Publish | ConnAck | SubAck | PubAck | PingResp | Disconnect


def encode_connect(options: ConnectOptions) -> bytes:
    """Return CONNECT (section 3.1). Raises ValueError for what does not fit into it."""
    v5 = options.protocol is Protocol.V5
    flags = 0x02 if options.clean_start else 0
    payload = encode_text(options.client_id)
    if options.will_topic:
        flags |= 0x04 | options.will_qos << 3 | options.will_retain << 5
        payload += b"\x00" if v5 else b""
        payload += encode_text(options.will_topic) + encode_binary(options.will_payload)
    if options.username:
        flags |= 0x80
        payload += encode_text(options.username)
    if options.password is not None:
        flags |= 0x40
        payload += encode_text(options.password)
    head = encode_text("MQTT") + bytes((options.protocol, flags)) + U16.pack(options.keepalive_s)
    return _packet(0x10, head + (_connect_properties(options) if v5 else b"") + payload)


def _connect_properties(options: ConnectOptions) -> bytes:
    properties = b""
    if options.session_expiry_s:
        properties += struct.pack(">BI", 0x11, options.session_expiry_s)
    if options.receive_maximum:
        properties += struct.pack(">BH", 0x21, options.receive_maximum)
    return encode_varint(len(properties)) + properties


def encode_subscribe(packet_id: int, filters: Sequence[tuple[str, int]], protocol: Protocol) -> bytes:
    """Return SUBSCRIBE (section 3.8) for pairs of a topic filter and the highest QoS wanted."""
    properties = b"\x00" if protocol is Protocol.V5 else b""
    wanted = b"".join(encode_text(name) + bytes((qos,)) for name, qos in filters)
    return _packet(0x82, U16.pack(packet_id) + properties + wanted)


def encode_publish(
    topic: str,
    payload: bytes,
    protocol: Protocol,
    qos: int = 1,
    retain: bool = False,  # noqa: FBT001, FBT002  a flag of the packet, and its order is the packet's
    packet_id: int = 0,
    dup: bool = False,  # noqa: FBT001, FBT002
) -> bytes:
    """Return PUBLISH (section 3.3); above QoS 0 it needs a ``packet_id``. Raises ValueError for what does not fit."""
    if qos not in (0, 1) or bool(packet_id) != bool(qos):
        raise ValueError(f"qos {qos} with packet id {packet_id}: QoS 0 has none, QoS 1 has 1 to 65535")
    number = U16.pack(packet_id) if qos else b""
    properties = b"\x00" if protocol is Protocol.V5 else b""
    return _packet(0x30 | dup << 3 | qos << 1 | retain, encode_text(topic) + number + properties + payload)


def encode_pubacks(packet_ids: Sequence[int], protocol: Protocol) -> bytes:
    """Return one PUBACK per id, in that order, as one piece. "Success" has the same short form in both versions."""
    _ = protocol
    words = [0x4002] * (2 * len(packet_ids))
    words[1::2] = packet_ids
    return struct.pack(f">{len(words)}H", *words)


def encode_disconnect(protocol: Protocol) -> bytes:
    """Return a normal DISCONNECT: the broker does not send the will. Its short form is the same in both versions."""
    _ = protocol
    return b"\xe0\x00"


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + encode_varint(len(body)) + body


class PacketReader:
    """Bytes as they come, cut anywhere, to packets.

    What is held is less than one packet of at most ``max_packet_bytes``. A longer PUBLISH is not put together: the
    start of its payload is kept, and ``cut_bytes`` says how much is not.
    """

    def __init__(self, protocol: Protocol, max_packet_bytes: int = MAX_PACKET_BYTES) -> None:
        self._v5 = protocol is Protocol.V5
        self._max_packet_bytes = max_packet_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._needed_bytes = 2
        self._long: _LongPublish | None = None

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that end in ``data``. Raises ProtocolError, after which the reader is of no use."""
        packets: list[Packet] = []
        try:
            while data:
                data = self._finish_long(data, packets) if self._long else self._read(data, packets)
        except (IndexError, struct.error) as error:
            raise ProtocolError("the broker sent a packet that ends before its own fields do") from error
        return packets

    def _finish_long(self, data: bytes, packets: list[Packet]) -> bytes:
        """Skip through a long packet; return what follows it."""
        assert self._long is not None
        rest = self._long.take(data)
        if not self._long.missing_bytes:
            packets.append(self._long.publish(self._v5))
            self._long = None
        return rest

    def _read(self, data: bytes, packets: list[Packet]) -> bytes:
        """Read whole packets and hold what is left of the last; return what follows the head of a long one."""
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes < self._needed_bytes:
            return b""
        buffer = data if len(self._held) == 1 else b"".join(self._held)
        self._needed_bytes = 2
        rest = buffer[self._read_whole(buffer, packets) :]
        self._held, self._held_bytes = ([], 0) if self._long or not rest else ([rest], len(rest))
        return rest if self._long else b""

    def _read_whole(self, buffer: bytes, packets: list[Packet]) -> int:
        """Append every packet that is complete; return how many bytes were read."""
        position, end, v5 = 0, len(buffer), self._v5
        while end - position >= 2:
            length, start = buffer[position + 1], position + 2
            if length > 127:
                try:
                    length, start = read_varint(buffer, position + 1)
                except IndexError:
                    self._needed_bytes = end - position + 1
                    break
                if length > self._max_packet_bytes:
                    self._long = _LongPublish(buffer[position], length)
                    return start
            stop = start + length
            if stop > end:
                self._needed_bytes = stop - position
                break
            first = buffer[position]
            packets.append(
                _publish(first, buffer, start, stop, v5)
                if first & 0xF0 == 0x30
                else _other_packet(first, buffer[start:stop], v5=v5)
            )
            position = stop
        return position


def _publish(first: int, buffer: bytes, start: int, stop: int, v5: bool) -> Publish:  # noqa: FBT001  called per message
    """Read PUBLISH whose body is ``buffer[start:stop]`` (section 3.3)."""
    topic_end = body = start + 2 + (buffer[start] << 8 | buffer[start + 1])
    qos = first >> 1 & 3
    packet_id = 0
    if qos == 1:
        packet_id = buffer[body] << 8 | buffer[body + 1]
        body += 2
        if not packet_id:
            raise ProtocolError("the broker sent a QoS 1 message without a packet id")
    elif qos:
        raise ProtocolError(f"the broker sent a message with QoS {qos}, and only QoS 0 and 1 were asked for")
    if v5:
        length = buffer[body]
        body += 1
        if length > 127:
            length, body = read_varint(buffer, body - 1)
        body += length
    if body > stop:
        raise ProtocolError("the broker sent a message whose topic or properties are longer than its packet")
    topic = str(buffer[start + 2 : topic_end], "utf-8", "backslashreplace")
    return Publish(topic, buffer[body:stop], qos, first & 1 == 1, first & 8 == 8, packet_id)


class _LongPublish:
    """A PUBLISH that is too long to be put together, on its way in."""

    def __init__(self, first: int, length_bytes: int) -> None:
        if first & 0xF0 != 0x30:
            raise ProtocolError(f"the broker sent a packet of type {first >> 4} and {length_bytes} bytes: is it MQTT?")
        self._first = first
        self._length_bytes = length_bytes
        self._kept = bytearray()
        self.missing_bytes = length_bytes

    def take(self, data: bytes) -> bytes:
        """Keep the start, skip the rest; return what is behind the packet."""
        mine = min(len(data), self.missing_bytes)
        self._kept += data[: min(mine, KEPT_BYTES - len(self._kept))]
        self.missing_bytes -= mine
        return data[mine:]

    def publish(self, v5: bool) -> Publish:  # noqa: FBT001
        """Return the message with what was kept of it; properties that alone are longer leave no payload."""
        whole = _publish(self._first, bytes(self._kept), 0, self._length_bytes, v5)
        return whole._replace(cut_bytes=self._length_bytes - len(self._kept))


def _other_packet(first: int, body: bytes, *, v5: bool) -> Packet:
    """Read any packet but PUBLISH that a broker may send to this client."""
    if first == 0x40:
        return PubAck(read_u16(body), body[2] if len(body) > 2 else 0)
    if first == 0xD0:
        return PingResp()
    if first == 0x90:
        codes = 2 if not v5 else skip_properties(body, 2)
        return SubAck(read_u16(body), tuple(body[codes:]))
    if first == 0x20:
        return _connack(body, v5=v5)
    if first == 0xE0 and v5:
        properties = read_properties(body, 1) if len(body) > 1 else {}
        return Disconnect(body[0] if body else 0, _reason_text(properties))
    raise ProtocolError(f"the broker sent a packet that a client is never sent (first byte {first:#04x}): is it MQTT?")


def _connack(body: bytes, *, v5: bool) -> ConnAck:
    properties = read_properties(body, 2) if v5 and len(body) > 2 else {}
    receive_maximum = properties.get(0x21, 65_535)
    keepalive_s = properties.get(0x13)
    return ConnAck(
        session_present=body[0] & 1 == 1,
        reason_code=body[1],
        reason_text=_reason_text(properties),
        receive_maximum=receive_maximum if isinstance(receive_maximum, int) else 0,
        server_keepalive_s=keepalive_s if isinstance(keepalive_s, int) else None,
        shared_subscriptions=properties.get(0x2A, 1) != 0,
    )


def _reason_text(properties: dict[int, int | bytes]) -> str:
    text = properties.get(0x1F, b"")
    return text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else ""
