"""Between network and writer: bounded by count and bytes, whole batches in order, and nobody is kept waiting."""

import threading
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from collector.intake import MESSAGE_OVERHEAD_BYTES, Batch, Intake
from edge_agent.wire.mqtt_packets import Publish


class NoConnection:
    """Is acknowledged, and says nothing."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.end_reason = ""

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        _ = packet_ids

    def publish(self, topic: str, payload: bytes) -> None:
        _ = topic, payload

    def send(self, topic: str, payload: bytes) -> bool:
        del topic, payload
        return False

    def close(self) -> None:
        return


CONNECTION = NoConnection()


def full(intake: Intake) -> bool:
    return intake.full


def batch_of(count: int, payload_bytes: int = 10, first_id: int = 1) -> Batch:
    messages = [Publish("t", b"x" * payload_bytes, 1, False, False, first_id + number) for number in range(count)]
    return Batch(CONNECTION, messages, 0)


def ids(batches: list[Batch]) -> list[int]:
    return [message.packet_id for batch in batches for message in batch.messages]


@given(
    st.lists(st.one_of(st.tuples(st.just("put"), st.integers(1, 9)), st.tuples(st.just("take"), st.integers(1, 12))))
)
def test_what_goes_in_comes_out_once_in_order_and_the_books_are_right(steps: list[tuple[str, int]]) -> None:
    intake = Intake(max_messages=20, max_bytes=10_000)
    put_in, taken, sizes = 0, 0, 0
    for what, number in steps:
        if what == "put":
            batch = batch_of(number, payload_bytes=number, first_id=put_in + 1)
            intake.put(batch)
            put_in += number
            sizes += batch.size_bytes()
        else:
            batches = intake.take(number, 0.0)
            came = ids(batches)
            assert came == list(range(taken + 1, taken + 1 + len(came)))
            assert len(came) >= min(number, put_in - taken)
            assert len(came) - len(batches[-1].messages if batches else []) < number
            taken += len(came)
            sizes -= sum(batch.size_bytes() for batch in batches)
        assert intake.held_bytes == sizes
        assert intake.full == (put_in - taken >= 20 or sizes >= 10_000)
        assert intake.empty == (put_in == taken)


def test_it_is_full_by_count_or_by_bytes() -> None:
    by_count = Intake(max_messages=3, max_bytes=1 << 30)
    by_count.put(batch_of(2))
    assert not full(by_count)
    by_count.put(batch_of(2))
    assert full(by_count)
    by_bytes = Intake(max_messages=1000, max_bytes=1000 + MESSAGE_OVERHEAD_BYTES)
    by_bytes.put(batch_of(1, payload_bytes=900))
    assert not full(by_bytes)
    by_bytes.put(batch_of(1, payload_bytes=900))
    assert full(by_bytes)
    by_bytes.take(1, 0.0)
    assert not full(by_bytes)


def test_who_waits_for_messages_or_for_room_is_woken() -> None:
    intake = Intake(max_messages=1)
    woken: list[object] = []
    taker = threading.Thread(target=lambda: woken.append(ids(intake.take(5, 60.0))))
    taker.start()
    intake.put(batch_of(1))
    taker.join(30)
    assert woken == [[1]]
    intake.put(batch_of(1))
    waiter = threading.Thread(target=lambda: woken.append(intake.wait_for_room(60.0)))
    waiter.start()
    assert not intake.wait_for_room(0.0)
    intake.take(1, 0.0)
    waiter.join(30)
    assert woken == [[1], True]


def test_closed_it_takes_nothing_more_and_gives_what_it_has() -> None:
    intake = Intake(max_messages=1)
    intake.put(batch_of(2))
    intake.close()
    intake.put(batch_of(3))
    assert intake.wait_for_room(60.0), "nobody waits for room that is not needed any more"
    assert ids(intake.take(10, 60.0)) == [1, 2]
    assert intake.take(10, 60.0) == []
