"""MQTT's bytes: read whole, byte by byte and damaged; written as paho writes them."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.wire.mqtt_packets import (
    KEPT_BYTES,
    MAX_PACKET_BYTES,
    PINGREQ,
    ConnAck,
    ConnectOptions,
    Disconnect,
    Packet,
    PacketReader,
    PingResp,
    Protocol,
    ProtocolError,
    PubAck,
    Publish,
    SubAck,
    encode_connect,
    encode_disconnect,
    encode_pubacks,
    encode_publish,
    encode_subscribe,
)

PROTOCOLS = list(Protocol)
TOPIC = "edgejoule/v1/lab/pi4-01/windows"


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[first:last] for first, last in pairwise(edges)]


def read(
    data: bytes, protocol: Protocol, cuts: list[int] | None = None, limit: int = MAX_PACKET_BYTES
) -> list[Packet]:
    reader = PacketReader(protocol, limit)
    return [packet for piece in in_pieces(data, cuts or []) for packet in reader.feed(piece)]


def packed(properties: Properties) -> bytes:
    data = properties.pack()  # type: ignore[no-untyped-call]
    assert isinstance(data, bytes)
    return data


def every_byte(data: bytes) -> list[int]:
    return list(range(len(data)))


messages = st.builds(
    lambda topic, payload, packet_id, retain, dup: Publish(topic, payload, min(packet_id, 1), retain, dup, packet_id),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.binary(max_size=400),
    st.integers(0, 65_535),
    st.booleans(),
    st.booleans(),
)


def encoded(message: Publish, protocol: Protocol) -> bytes:
    return encode_publish(
        message.topic, message.payload, protocol, message.qos, message.retain, message.packet_id, message.dup
    )


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 4000), max_size=12), st.sampled_from(PROTOCOLS))
def test_messages_come_out_as_they_went_in_however_they_are_cut(
    sent: list[Publish], cuts: list[int], protocol: Protocol
) -> None:
    data = b"".join(encoded(message, protocol) for message in sent)
    assert read(data, protocol, cuts) == sent
    assert read(data, protocol, every_byte(data)) == sent


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6), st.sampled_from(PROTOCOLS))
def test_garbage_is_read_or_refused_but_never_breaks_the_reader(
    data: bytes, cuts: list[int], protocol: Protocol
) -> None:
    with contextlib.suppress(ProtocolError):
        read(data, protocol, cuts, limit=64)


@given(st.lists(messages, min_size=1, max_size=3), st.data(), st.sampled_from(PROTOCOLS))
def test_a_damaged_stream_never_breaks_the_reader(
    sent: list[Publish], data: st.DataObject, protocol: Protocol
) -> None:
    stream = bytearray(b"".join(encoded(message, protocol) for message in sent))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        read(bytes(stream), protocol)


@given(st.integers(0, 300), st.lists(st.integers(0, 4000), max_size=12), st.sampled_from(PROTOCOLS))
def test_a_message_over_the_limit_leaves_its_neighbours_whole(
    over_bytes: int, cuts: list[int], protocol: Protocol
) -> None:
    small = Publish(TOPIC, b"small", 1, False, False, 7)
    body = 2 + len(TOPIC) + 2 + (1 if protocol is Protocol.V5 else 0)
    limit = 600
    large = Publish(TOPIC, b"x" * (limit - body + over_bytes), 1, True, False, 8)
    data = b"".join(encoded(message, protocol) for message in (small, large, large, small))
    assert read(data, protocol, cuts, limit) == [small, large, large, small]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_of_a_huge_message_the_start_is_kept_and_never_more(protocol: Protocol) -> None:
    size_bytes = 3 * MAX_PACKET_BYTES
    data = encode_publish(TOPIC, b"y" * size_bytes, protocol, packet_id=3)
    reader = PacketReader(protocol)
    packets: list[Packet] = []
    for start in range(0, len(data), 100_000):
        packets += reader.feed(data[start : start + 100_000])
        assert sum(map(len, reader._held)) <= MAX_PACKET_BYTES
        assert reader._long is None or len(reader._long._kept) <= KEPT_BYTES
    (huge,) = packets
    assert isinstance(huge, Publish)
    assert (huge.topic, huge.packet_id) == (TOPIC, 3)
    assert huge.payload == b"y" * len(huge.payload)
    assert 65_536 < len(huge.payload) <= KEPT_BYTES
    assert len(huge.payload) + huge.cut_bytes == size_bytes


def test_of_a_huge_message_whose_properties_are_huge_the_topic_is_known() -> None:
    name = b"\x26" + b"\x00\x01k" + b"\xff\xff" + b"v" * 65_535
    properties = name * 30
    length = len(properties)
    body = b"\x00\x01t\x00\x05" + bytes((length & 127 | 128, length >> 7 & 127 | 128, length >> 14)) + properties
    remaining = len(body)
    head = bytes((0x32, remaining & 127 | 128, remaining >> 7 & 127 | 128, remaining >> 14))
    (packet,) = read(head + body, Protocol.V5, [5, 100_000, 800_000])
    assert packet == Publish("t", b"", 1, False, False, 5, cut_bytes=remaining - KEPT_BYTES)


def test_properties_of_a_message_are_stepped_over() -> None:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = [("key", "v" * 200)]
    properties.MessageExpiryInterval = 5
    body = b"\x00\x01t" + b"\x00\x09" + packed(properties) + b"payload"
    data = bytes((0x32, len(body) & 127 | 128, len(body) >> 7)) + body
    assert read(data, Protocol.V5) == [Publish("t", b"payload", 1, False, False, 9)]


def test_a_topic_that_is_not_utf_8_is_shown_as_bytes_not_lost() -> None:
    assert read(b"\x30\x04\x00\x02a\xff", Protocol.V311) == [Publish("a\\xff", b"", 0, False, False, 0)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x30\x01\x00", "ends before"),
        (b"\x30\x03\x00\x09a", "longer than its packet"),
        (b"\x30\x03\x00\x09a" + PINGREQ * 9, "longer than its packet"),
        (b"\x32\x05\x00\x01a\x00\x00", "without a packet id"),
        (b"\x34\x05\x00\x01a\x00\x01", "QoS 2"),
        (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
        (b"\x20\x01\x00", "ends before"),
        (b"\x90\x01\x00", "ends before"),
        (b"\x40\x00", "ends before"),
        (b"HTTP/1.1 400 Bad Request" * 4, "never sent"),
        (b"\x50\x02\x00\x01", "never sent"),
        (b"\xe0\x00", "never sent"),
        (b"\x90\xff\xff\xff\x7f", "is it MQTT"),
    ],
)
def test_what_is_no_mqtt_is_refused_in_one_line(data: bytes, words: str) -> None:
    for cuts in ([], every_byte(data)):
        with pytest.raises(ProtocolError, match=words) as caught:
            read(data, Protocol.V311, cuts)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "properties",
    [b"\x05", b"\x80", b"\x01\x77", b"\x03\x26\x00\x05", b"\x02\x0b\x80", b"\x04\x1f\x00\x09x", b"\x01\x11"],
)
def test_properties_that_do_not_fit_are_refused(properties: bytes) -> None:
    body = b"\x00\x00" + properties
    with pytest.raises(ProtocolError):
        read(b"\x20" + bytes((len(body),)) + body, Protocol.V5)


def test_what_a_broker_answers_is_read_in_version_3_1_1() -> None:
    data = b"\x20\x02\x01\x00" + b"\x90\x04\x00\x05\x01\x80" + b"\x40\x02\x00\x06" + b"\xd0\x00"
    expected = [ConnAck(session_present=True, reason_code=0), SubAck(5, (1, 0x80)), PubAck(6), PingResp()]
    assert read(data, Protocol.V311) == expected
    assert read(data, Protocol.V311, every_byte(data)) == expected


def test_what_a_broker_answers_is_read_in_version_5() -> None:
    properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = 20
    properties.ServerKeepAlive = 60
    properties.AssignedClientIdentifier = "given"
    properties.SharedSubscriptionAvailable = 0
    properties.MaximumPacketSize = 1000
    properties.ReasonString = "because"
    properties.UserProperty = [("a", "b"), ("c", "d")]
    body = b"\x00\x87" + packed(properties)
    data = b"\x20" + bytes((len(body),)) + body
    data += b"\x90\x05\x00\x05\x00\x01\x80" + b"\x40\x03\x00\x06\x10" + b"\x40\x04\x00\x07\x87\x00"
    data += b"\xe0\x00" + b"\xe0\x01\x8e" + b"\xe0\x08\x8b\x06\x1f\x00\x03bye"
    assert read(data, Protocol.V5) == [
        ConnAck(False, 0x87, "because", 20, 60, shared_subscriptions=False),
        SubAck(5, (1, 0x80)),
        PubAck(6, 0x10),
        PubAck(7, 0x87),
        Disconnect(0),
        Disconnect(0x8E),
        Disconnect(0x8B, "bye"),
    ]


@given(st.lists(st.integers(1, 65_535), max_size=50), st.sampled_from(PROTOCOLS))
def test_many_acknowledgements_are_one_piece_in_their_order(ids: list[int], protocol: Protocol) -> None:
    assert read(encode_pubacks(ids, protocol), protocol) == [PubAck(number) for number in ids]


def test_what_does_not_fit_into_a_packet_is_refused() -> None:
    with pytest.raises(ValueError, match="65535"):
        encode_publish("t" * 65_536, b"", Protocol.V5, packet_id=1)
    with pytest.raises(ValueError, match="QoS 1"):
        encode_publish("t", b"", Protocol.V5)
    with pytest.raises(ValueError, match="268435455"):
        encode_publish("t", bytes(268_435_455), Protocol.V311, packet_id=1)


class Listener:
    """Takes what one client sends and answers what it is told to; its bytes are kept."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(30)
        self.port: int = self._server.getsockname()[1]
        self.taken = b""
        self._answers: list[tuple[bytes, bytes]] = []
        self._thread = threading.Thread(target=self._run)

    def answer(self, first: bytes, reply: bytes) -> None:
        """Reply when something that begins so has come."""
        self._answers.append((first, reply))

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            connection.settimeout(30)
            while data := connection.recv(65_536):
                self.taken += data
                for first, reply in self._answers:
                    if data.startswith(first):
                        connection.sendall(reply)

    def join(self) -> None:
        self._thread.join()
        self._server.close()


@contextlib.contextmanager
def paho_talks(protocol: Protocol, listener: Listener) -> Iterator[Client]:
    """Run a real paho client against the listener, driven from this thread."""
    v5 = protocol is Protocol.V5
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id="me",
        clean_session=None if v5 else False,
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
    )
    client.username_pw_set("user", "secret")
    client.will_set("will/topic", b"gone", qos=1, retain=True)
    listener.answer(b"\x10", b"\x20\x03\x00\x00\x00" if v5 else b"\x20\x02\x00\x00")
    listener.start()
    if v5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        properties.ReceiveMaximum = 100
        client.connect("127.0.0.1", listener.port, 30, clean_start=False, properties=properties)
    else:
        client.connect("127.0.0.1", listener.port, 30)
    while not client.is_connected():
        client.loop(0.1)
    try:
        yield client
    finally:
        client.disconnect()
        listener.join()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_our_bytes_are_those_that_paho_writes(protocol: Protocol) -> None:
    listener = Listener()
    with paho_talks(protocol, listener) as client:
        client.subscribe([("a/+", 1), ("b/#", 0)])
        client.publish("up/topic", b"x" * 200, qos=1, retain=True)
        client.publish("up/topic", b"y", qos=0)
        client.ack(17, 1)
    options = ConnectOptions(
        client_id="me",
        protocol=protocol,
        clean_start=False,
        keepalive_s=30,
        username="user",
        password="secret",
        session_expiry_s=3600,
        receive_maximum=100,
        will_topic="will/topic",
        will_payload=b"gone",
        will_retain=True,
    )
    ours = (
        encode_connect(options)
        + encode_subscribe(1, [("a/+", 1), ("b/#", 0)], protocol)
        + encode_publish("up/topic", b"x" * 200, protocol, 1, retain=True, packet_id=2)
        + encode_publish("up/topic", b"y", protocol, 0)
        + encode_pubacks([17], protocol)
        + encode_disconnect(protocol)
    )
    assert listener.taken == ours
