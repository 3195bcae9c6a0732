"""Reason codes in words: the same as paho's, so that one text explains both."""

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.wire.mqtt import explain_refusal, is_version_refusal
from edge_agent.wire.mqtt_reasons import FIRST_FAILURE, connack_words, reason_words

PACKETS = [PacketTypes.CONNACK, PacketTypes.PUBACK, PacketTypes.SUBACK, PacketTypes.DISCONNECT]


def plain(words: str) -> str:
    return words.lower().replace("subscriptions", "subscription")  # paho says it in the singular, at times


@pytest.mark.parametrize("packet_type", PACKETS)
def test_every_failure_that_paho_knows_has_the_same_words(packet_type: int) -> None:
    known = 0
    for code in range(FIRST_FAILURE, 256):
        try:
            words = str(ReasonCode(packet_type, identifier=code))
        except (KeyError, ValueError):
            continue
        known += 1
        assert plain(reason_words(code)) == plain(words)
    assert known >= 7


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(1, "speaks another MQTT version"), (2, "refuses the client id"), (4, "check username"), (5, "check username")],
)
def test_a_refusal_in_3_1_1_is_explained_like_that_of_5(code: int, remedy: str) -> None:
    assert remedy in explain_refusal(connack_words(code))
    assert is_version_refusal(connack_words(code)) == (code == 1)


def test_an_unknown_number_and_the_brokers_own_text_are_shown() -> None:
    assert reason_words(0xEE) == "reason code 0xee"
    assert reason_words(0x87, "ask Jo") == "Not authorized: ask Jo"
