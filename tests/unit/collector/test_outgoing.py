"""What waits to be sent: acknowledgements at once and in order, store-acks as the broker takes them."""

import pytest

from collector.outgoing import LAST_PACKET_ID, MAX_ONCE_BYTES, MAX_PUBLISHES_IN_FLIGHT, Outgoing
from edge_agent.wire.mqtt_packets import Packet, PacketReader, Protocol, PubAck, Publish

PROTOCOLS = list(Protocol)


def sent(outgoing: Outgoing, protocol: Protocol) -> list[Packet]:
    return PacketReader(protocol).feed(outgoing.collect())


def idle(outgoing: Outgoing) -> bool:
    return outgoing.idle


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_acknowledgements_go_out_in_order_before_store_acks(protocol: Protocol) -> None:
    outgoing = Outgoing(protocol)
    assert idle(outgoing)
    outgoing.publish("a/ack", b"1")
    outgoing.acknowledge([3, 1])
    outgoing.acknowledge([])
    outgoing.acknowledge([2])
    assert not idle(outgoing)
    assert sent(outgoing, protocol) == [
        PubAck(3),
        PubAck(1),
        PubAck(2),
        Publish("a/ack", b"1", 1, True, False, 1),
    ]
    assert outgoing.collect() == b""
    assert not idle(outgoing), "the broker has not answered"
    assert outgoing.confirmed(1) == "a/ack"
    assert outgoing.confirmed(1) == ""
    assert idle(outgoing)


def test_of_one_topic_only_the_newest_waits() -> None:
    outgoing = Outgoing(Protocol.V5)
    outgoing.receive_maximum = 1
    for number in range(5):
        outgoing.publish("a/ack", b"%d" % number)
        outgoing.publish("b/ack", b"%d" % number)
    (first,) = sent(outgoing, Protocol.V5)
    assert isinstance(first, Publish)
    assert (first.topic, first.payload) == ("a/ack", b"4")
    assert sent(outgoing, Protocol.V5) == [], "the broker takes one at a time"
    outgoing.publish("b/ack", b"newest")
    outgoing.confirmed(first.packet_id)
    (second,) = sent(outgoing, Protocol.V5)
    assert isinstance(second, Publish)
    assert (second.topic, second.payload) == ("b/ack", b"newest")


def test_packet_ids_go_round_and_leave_out_what_is_in_flight() -> None:
    outgoing = Outgoing(Protocol.V311)
    outgoing.publish("stays", b"")
    (stays,) = sent(outgoing, Protocol.V311)
    assert isinstance(stays, Publish)
    seen = set()
    for number in range(LAST_PACKET_ID + 10):
        outgoing.publish("goes", b"%d" % number)
        (goes,) = sent(outgoing, Protocol.V311)
        assert isinstance(goes, Publish)
        seen.add(goes.packet_id)
        outgoing.confirmed(goes.packet_id)
    assert seen == set(range(1, LAST_PACKET_ID + 1)) - {stays.packet_id}


def test_never_more_in_flight_than_agreed() -> None:
    outgoing = Outgoing(Protocol.V5)
    for number in range(300):
        outgoing.publish(f"t{number}", b"")
    total = 0
    while packets := sent(outgoing, Protocol.V5):
        assert len(packets) <= MAX_PUBLISHES_IN_FLIGHT
        total += len(packets)
        for packet in packets:
            assert isinstance(packet, Publish)
            outgoing.confirmed(packet.packet_id)
    assert total == 300


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_sent_once_waits_for_room_and_is_refused_beyond_its_bound(protocol: Protocol) -> None:
    outgoing = Outgoing(protocol)
    assert outgoing.send("a/cmd/blob", b"1")
    assert idle(outgoing), "nobody waits for it at the end"
    assert outgoing.collect(0) == b""
    assert sent(outgoing, protocol) == [Publish("a/cmd/blob", b"1", 0, False, False, 0)]
    piece = b"x" * 100_000
    count = 0
    while outgoing.send("a/cmd/blob", piece):
        count += 1
    assert count == MAX_ONCE_BYTES // (len(piece) + 20)
    outgoing.publish("a/ack", b"ack")
    packets = PacketReader(protocol).feed(outgoing.collect(1))
    assert [packet.topic for packet in packets if isinstance(packet, Publish)] == ["a/cmd/blob", "a/ack"]
    assert outgoing.send("a/cmd/blob", piece), "one has gone"
