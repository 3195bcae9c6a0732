"""An order to many devices: sent again until somebody answers, settled when there is nothing to wait for."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.orders import Command, RunBench, Stage
from edgejoule.orders.dispatch import (
    FIRST_REPEAT_S,
    GRACE_S,
    LONGEST_REPEAT_S,
    ONLINE_SPACING_S,
    Dispatch,
    Outcome,
    Sending,
)
from edgejoule.orders.display import OrderProgress, outcome_table
from edgejoule.output import stdout_console
from tests.fakes.order_replies import make_reply

VALID_S = 600.0
STAGES: tuple[Stage, ...] = ("refused", "accepted", "waiting", "running", "done", "failed", "rolled_back")


def make_sending(device_id: str = "pi4-01") -> Sending:
    command = Command(
        command_id="bench-1",
        fleet="lab",
        device_id=device_id,
        issued_unix_ns=1,
        expires_unix_ns=2,
        action=RunBench(),
    )
    return Sending(command, b"signed", expires_s=VALID_S)


def sent_at(dispatch: Dispatch, until_s: float) -> list[float]:
    """Return when the first device would be sent its command, looking as often as ``next_s`` says."""
    times, now_s = [], 0.0
    while not dispatch.settled(now_s) and now_s <= until_s:
        times += [now_s for _ in dispatch.due(now_s)]
        now_s = max(dispatch.next_s(now_s), now_s + 0.01)
    return times


def outcome(dispatch: Dispatch, now_s: float = 1.0) -> Outcome:
    return dispatch.outcomes(now_s)[0].outcome


def test_it_is_sent_again_ever_more_slowly_while_it_is_valid_and_nobody_answers() -> None:
    dispatch = Dispatch([make_sending()])
    times = sent_at(dispatch, 10 * VALID_S)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[:3] == [FIRST_REPEAT_S, 2 * FIRST_REPEAT_S, 4 * FIRST_REPEAT_S]
    assert set(pauses[3:]) == {LONGEST_REPEAT_S}
    assert times[-1] <= VALID_S
    assert outcome(dispatch, VALID_S + GRACE_S) == "waiting"
    assert outcome(dispatch, VALID_S + GRACE_S + 0.1) == "silent"
    assert not dispatch.well(VALID_S + GRACE_S + 0.1)


def test_a_device_that_comes_online_hears_of_it_at_once_and_not_twice_at_once() -> None:
    dispatch = Dispatch([make_sending("a"), make_sending("b")])
    assert len(dispatch.due(0.0)) == 2
    dispatch.online("lab", "a", 0.5)
    assert dispatch.due(0.5) == []
    assert dispatch.next_s(0.5) == ONLINE_SPACING_S
    assert [one.command.device_id for one in dispatch.due(ONLINE_SPACING_S)] == ["a"]
    dispatch.online("lab", "a", 2.0)
    dispatch.online("another", "b", 2.0)
    dispatch.online("lab", "stranger", 2.0)
    assert [one.command.device_id for one in dispatch.due(2.0)] == ["a"]


def test_without_wait_it_is_settled_with_the_first_word_and_with_wait_with_the_last() -> None:
    for wait in (False, True):
        dispatch = Dispatch([make_sending()], wait=wait)
        dispatch.due(0.0)
        assert dispatch.take("lab", make_reply("accepted"))
        assert not dispatch.take("lab", make_reply("accepted")), "no news"
        assert dispatch.due(FIRST_REPEAT_S) == [], "who has accepted is not sent it again"
        assert dispatch.settled(1.0) is not wait
        assert dispatch.well(1.0) is not wait
        assert dispatch.take("lab", make_reply("done"))
        assert dispatch.settled(1.0)
        assert dispatch.well(1.0)


def test_what_time_may_mend_is_tried_again_and_a_plain_no_is_not() -> None:
    dispatch = Dispatch([make_sending()])
    dispatch.due(0.0)
    dispatch.take("lab", make_reply("refused", refusal="busy"))
    assert (outcome(dispatch), dispatch.settled(1.0)) == ("waiting", False)
    assert len(dispatch.due(FIRST_REPEAT_S)) == 1
    assert outcome(dispatch, VALID_S + GRACE_S + 1) == "refused"
    dispatch.take("lab", make_reply("refused", refusal="not_allowed"))
    assert (outcome(dispatch), dispatch.settled(1.0)) == ("refused", True)
    busy_first = Dispatch([make_sending()])
    busy_first.take("lab", make_reply("refused", refusal="busy"))
    assert busy_first.take("lab", make_reply("accepted"))
    assert outcome(busy_first) == "under_way"


def test_replies_of_others_change_nothing() -> None:
    dispatch = Dispatch([make_sending()])
    assert not dispatch.take("lab", make_reply("done", command_id="another"))
    assert not dispatch.take("lab", make_reply("done", device_id="b"))
    assert not dispatch.take("another", make_reply("done"))
    assert outcome(dispatch) == "waiting"


def test_after_a_lost_connection_who_is_not_done_is_asked_once_where_it_is() -> None:
    dispatch = Dispatch([make_sending("a"), make_sending("b"), make_sending("c")], wait=True)
    dispatch.due(0.0)
    dispatch.take("lab", make_reply("running", device_id="a"))
    dispatch.take("lab", make_reply("done", device_id="b"))
    dispatch.ask_again()
    late_s = 2 * VALID_S
    assert [one.command.device_id for one in dispatch.due(late_s)] == ["a"], "c is silent, b is done"
    assert dispatch.due(late_s) == []


@given(st.lists(st.sampled_from(STAGES), max_size=12))
def test_whatever_the_order_of_replies_it_goes_forward_and_ends_once(stages: list[Stage]) -> None:
    dispatch = Dispatch([make_sending()], wait=True)
    ended = None
    for stage in stages:
        dispatch.take("lab", make_reply(stage, refusal="replayed" if stage == "refused" else None))
        now = outcome(dispatch)
        if ended is not None:
            assert now == ended
        if now in {"done", "failed", "rolled_back"}:
            ended = now
            assert dispatch.settled(1.0)
    if "accepted" in stages:
        assert outcome(dispatch) != "refused"


def test_what_a_device_says_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    dispatch = Dispatch([make_sending()])
    said = "\x1b[2J[red]gone"
    dispatch.take("lab", make_reply("done", reason=said, result={"a\x1b": "b\r"}))
    with OrderProgress() as progress:
        progress.show(dispatch, "no broker")
    stdout_console().print(outcome_table(dispatch.outcomes(1.0)))
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert "\x1b[2J" not in text
        assert "\\x1b[2J[red]gone" in text
    assert "a\\x1b = b\\r" in shown.out
    assert "no connection: no broker" in shown.err
