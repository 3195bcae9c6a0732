"""The talk before a stream ends by itself where no answer comes, and where what comes is none."""

from collections.abc import Callable

import pytest

from firmware_bridge.protocol.dialogue import Dialogue


def said(dialogue: Dialogue, until_s: float, hear: Callable[[float], bool]) -> list[tuple[float, bytes]]:
    """Return what a host sends that asks each 20 ms; ``hear``: whether bytes come at a time."""
    sent = []
    for step in range(round(until_s / 0.02)):
        t_s = step * 0.02
        outgoing = dialogue.to_send(t_s)
        if outgoing:
            sent.append((t_s, outgoing))
        if hear(t_s):
            dialogue.heard(t_s)
    return sent


def test_silence_is_asked_again_after_the_timeout() -> None:
    sent = said(Dialogue(b"stop", b"who"), 2.0, lambda _: False)
    assert [word for _, word in sent] == [b"stop", b"who", b"stop", b"who"]
    assert sent[2][0] - sent[1][0] == pytest.approx(1.5, abs=0.05)


def test_noise_without_an_end_is_no_answer() -> None:
    """Or an older stream that did not hear the stop: each of its bytes must not prolong the wait for ever."""
    sent = said(Dialogue(b"stop", b"who"), 8.0, lambda _: True)
    assert [word for _, word in sent[:4]] == [b"stop", b"who", b"stop", b"who"]
    assert sent[1][0] == pytest.approx(2.0, abs=0.05)
    assert sent[2][0] - sent[1][0] == pytest.approx(3.0, abs=0.05)


def test_a_long_answer_may_take_its_time() -> None:
    dialogue = Dialogue(b"stop", b"who")
    assert [word for _, word in said(dialogue, 2.5, lambda t_s: t_s > 0.5)] == [b"stop", b"who"]
    dialogue.begin_stream(b"go")
    assert dialogue.to_send(2.6) == b"go"
    assert dialogue.phase == "streaming"


def test_each_further_question_has_its_own_time() -> None:
    dialogue = Dialogue(b"stop", b"who")
    said(dialogue, 2.5, lambda t_s: t_s > 0.5)
    dialogue.say(b"what")
    assert dialogue.to_send(2.52) == b"what"
    assert dialogue.to_send(3.9) == b""
    assert dialogue.phase == "asking"
    assert dialogue.to_send(4.1) == b"stop"
