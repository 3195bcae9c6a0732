"""Topic names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.topics import UP_CHANNELS, UpChannel, UpTopic, parse_up_topic, topic_for, up_filter

NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


@given(NAMES, NAMES, st.sampled_from(UP_CHANNELS))
def test_a_topic_comes_apart_as_it_was_put_together(fleet: str, device_id: str, channel: UpChannel) -> None:
    assert parse_up_topic(topic_for(fleet, device_id, channel)) == UpTopic(fleet, device_id, channel)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "edgejoule/v1/lab/pi",
        "edgejoule/v1/lab/pi/ack",
        "edgejoule/v2/lab/pi/windows",
        "edgejoule/v1//pi/windows",
        "edgejoule/v1/lab/pi/windows/more",
        "other/v1/lab/pi/windows",
    ],
)
def test_other_topics_are_rejected(topic: str) -> None:
    with pytest.raises(RejectedRecordError, match="is not edgejoule/v1"):
        parse_up_topic(topic)


def test_the_filter_covers_every_device() -> None:
    assert up_filter("+", "windows") == "edgejoule/v1/+/+/windows"
    assert up_filter("lab", "birth") == "edgejoule/v1/lab/+/birth"
