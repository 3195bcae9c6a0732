"""A decoder that says when it is due is asked no earlier and no later: the reader sleeps in between."""

import pytest

from firmware_bridge.reader import TellsWhenDue
from firmware_bridge.registry import driver_names, get_driver
from tests.fakes.meter_talk import Conversation, levels_a, steady

SAYS_WHEN = [name for name in driver_names() if isinstance(get_driver(name).make_decoder({}), TellsWhenDue)]


def test_most_polled_meters_say_when() -> None:
    assert {"tc66c", "um25c", "pzem004t", "sdm120", "wattsup", "wt310", "iec62056_21"} <= set(SAYS_WHEN)


@pytest.mark.parametrize("name", SAYS_WHEN)
def test_nothing_is_sent_before_it_is_due_and_something_then(name: str) -> None:
    talk = Conversation(get_driver(name))
    decoder, sheet = talk.decoder, talk.driver.data_sheet
    assert isinstance(decoder, TellsWhenDue)
    load = steady(sheet.nominal_voltage_v, levels_a(sheet)[0])
    talk.run_until_samples(load)
    for _ in range(20):
        now_s, due_s = talk.began_s + talk.t_s, decoder.next_due_s()
        if due_s > now_s:
            early_s = min(due_s, now_s + 100.0)
            assert decoder.bytes_to_send(now_s + 0.9 * (early_s - now_s) - 1e-5) == b""
            assert decoder.next_due_s() == due_s
        talk.run(sheet.sample_interval_s, load)


@pytest.mark.parametrize("name", SAYS_WHEN)
def test_what_was_never_answered_is_asked_again_when_it_said(name: str) -> None:
    decoder = get_driver(name).make_decoder({})
    assert isinstance(decoder, TellsWhenDue)
    now_s, asked = 1000.0, 0
    for _ in range(50):
        if decoder.next_due_s() == float("inf"):
            assert decoder.bytes_to_send(now_s) == b""
            return
        now_s = max(now_s, decoder.next_due_s())
        asked += bool(decoder.bytes_to_send(now_s))
    assert asked >= 45
    assert now_s > 1010.0
