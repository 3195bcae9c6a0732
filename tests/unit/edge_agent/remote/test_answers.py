"""Answers to commands: on disk first, each once, and never more than a flood deserves."""

import math
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge_agent.remote import answers as module
from edge_agent.remote.answers import Answers, Voice
from edge_agent.remote.counts import OrderCounts
from edge_agent.remote.guard import MAX_SIGNED_BYTES, Now
from edge_agent.remote.inbox import MAX_CHUNK_MESSAGE_BYTES, MAX_CHUNKS_WAITING, MAX_WAITING, Inbox
from edge_agent.reply_spool import ReplySpool
from edge_agent.wire.codec import decode
from edge_agent.wire.orders import CommandReply


class Rig:
    def __init__(self, directory: Path) -> None:
        self.spool = ReplySpool(directory)
        self.now_s = 0.0
        self.once: list[CommandReply] = []
        voice = Voice(
            device_id="pi4-01",
            boot_id="boot",
            now=lambda: Now(1_800_000_000 * 10**9, "synchronised"),
            monotonic_s=lambda: self.now_s,
            notify=lambda: None,
            publish_once=lambda payload: self.once.append(decode(payload, CommandReply)),
        )
        self.answers = Answers(self.spool, voice)


def test_an_answer_is_on_disk_and_found_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.answers.say("one", "batch", "running")
    assert rig.answers.final("one") is None
    rig.answers.say("one", "batch", "done", result={"inputs": 3})
    found = Rig(tmp_path).answers.final("one")
    assert found is not None
    assert (found.reply_id, found.stage, found.progress_ratio, found.result) == (
        "one.done",
        "done",
        1.0,
        {"inputs": 3},
    )
    assert rig.spool.pending_ids() == ["one.running", "one.done"]
    rig.spool.mark_stored("one.done")
    assert rig.answers.final("one") == found


def test_a_figure_that_is_no_number_costs_the_result_and_not_the_answer(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with capture_logs() as logs:
        rig.answers.say("one", "batch", "done", "x" * 1000, result={"ratio": math.nan, "text": "y" * 300_000})
    assert [line["event"] for line in logs] == ["reply_without_result"]
    found = rig.answers.final("one")
    assert found is not None
    assert found.result == {}
    assert len(found.reason) == 500


def test_a_full_disk_keeps_the_answer_in_memory_until_it_takes_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    in_the_way = tmp_path / "reply" / "pending" / "one.done.json"
    in_the_way.mkdir()
    with capture_logs():
        rig.answers.say("one", "batch", "done")
    assert rig.answers.all_kept is False
    in_the_way.rmdir()
    rig.answers.retry()
    assert rig.answers.final("one") is not None


def test_refusals_of_the_same_command_are_answered_once_a_minute(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for _ in range(5):
        rig.answers.refuse("one", "bench", "busy", "it is busy")
    assert rig.spool.pending_ids() == ["one.refused"]
    rig.spool.mark_stored("one.refused")
    rig.answers.refuse("one", "bench", "busy", "it is busy")
    assert rig.spool.pending_ids() == []
    rig.now_s += 61.0
    rig.answers.refuse("one", "bench", "busy", "it is busy")
    assert rig.spool.pending_ids() == ["one.refused"]


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path)
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    for number in range(10):
        rig.answers.refuse(f"c{number}", "bench", "busy", "it is busy")
    assert len(rig.spool.pending_ids()) == 3


def test_what_waits_is_bounded_in_memory_too_and_told_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    for number in range(10):
        (tmp_path / "reply" / "pending" / f"c{number}.refused.json.new").mkdir()
    with capture_logs() as logs:
        for number in range(10):
            assert rig.answers.too_many_wait == (number >= 3)
            rig.answers.refuse(f"c{number}", "bench", "busy", "it is busy")
            rig.answers.retry()
    assert [line["event"] for line in logs] == ["replies_not_kept"]


def test_the_last_answer_is_said_again_at_most_once_a_minute(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.answers.say_again("one")
    assert rig.once == []
    rig.now_s += 61.0
    rig.answers.say("one", "bench", "failed", "no meter")
    for _ in range(3):
        rig.answers.say_again("one")
    assert [reply.reply_id for reply in rig.once] == ["one.failed"]


def make_inbox(counts: OrderCounts) -> Inbox:
    return Inbox("demo", "pi4-01", counts, orders=True, zone="DE")


def test_the_inbox_holds_no_more_than_it_has_room_for() -> None:
    counts = OrderCounts()
    inbox = make_inbox(counts)
    for _ in range(MAX_WAITING + 7):
        inbox.take(inbox.run_topic, b"{}", False)
    inbox.take(inbox.run_topic, b"x" * (MAX_SIGNED_BYTES + 1), False)
    for _ in range(50):
        inbox.take(inbox.blob_topic, b"chunk", False)
    inbox.take(inbox.blob_topic, b"x" * (MAX_CHUNK_MESSAGE_BYTES + 1), False)
    inbox.take(inbox.grid_topic, b"old", True)
    inbox.take(inbox.grid_topic, b"new", True)
    inbox.take("another/topic", b"?", False)
    assert counts.commands_refused == {"busy": 7, "malformed": 1}
    heard = []
    while (message := inbox.next(0.0)) is not None:
        heard.append(message)
    assert len(heard) == MAX_WAITING + MAX_CHUNKS_WAITING + 1
    assert [message.payload for message in heard if message.topic == inbox.grid_topic] == [b"new"]


def test_an_endless_stream_of_one_kind_keeps_no_other_waiting() -> None:
    inbox = make_inbox(OrderCounts())
    inbox.take(inbox.run_topic, b"{}", False)
    heard = []
    for _ in range(3):
        inbox.take(inbox.blob_topic, b"chunk", False)
        message = inbox.next(0.0)
        assert message is not None
        heard.append(message.topic)
    assert inbox.run_topic in heard


def test_the_inbox_listens_only_where_the_configuration_says() -> None:
    counts = OrderCounts()
    assert make_inbox(counts).topics == (
        "edgejoule/v1/demo/pi4-01/cmd/run", "edgejoule/v1/demo/pi4-01/cmd/blob", "edgejoule/v1/demo/grid/DE",
    )  # fmt: skip
    assert Inbox("demo", "pi4-01", counts, orders=False).topics == ()
    inbox = make_inbox(counts)
    inbox.wake()
    assert inbox.next(60.0) is None
