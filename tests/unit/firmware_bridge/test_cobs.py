"""COBS: the examples of Cheshire and Baker's paper, round trips, and a stream cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.protocol.cobs import CobsStream, decode, encode

NO_ZERO = bytes(range(1, 255))


@pytest.mark.parametrize(
    ("payload", "stuffed"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\0\0", b"\x01\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01"),
        (NO_ZERO, b"\xff" + NO_ZERO),
        (b"\0" + NO_ZERO, b"\x01\xff" + NO_ZERO),
        (NO_ZERO + b"\xff", b"\xff" + NO_ZERO + b"\x02\xff"),
        (NO_ZERO + b"\0", b"\xff" + NO_ZERO + b"\x01\x01"),
    ],
)
def test_known_frames(payload: bytes, stuffed: bytes) -> None:
    assert encode(payload) == stuffed
    assert decode(stuffed) == payload


payloads = st.one_of(
    st.binary(max_size=600),
    st.builds(lambda size, tail: b"\x05" * size + tail, st.integers(250, 260), st.binary(max_size=3)),
)


@given(payload=payloads)
def test_round_trip_without_a_zero(payload: bytes) -> None:
    stuffed = encode(payload)
    assert 0 not in stuffed
    assert len(stuffed) <= len(payload) + len(payload) // 254 + 1
    assert decode(stuffed) == payload


def test_a_last_run_closed_twice_is_taken_too() -> None:
    assert decode(b"\xff" + NO_ZERO + b"\x01") == NO_ZERO


@pytest.mark.parametrize("stuffed", [b"\x02", b"\x05\x01\x01", b"\x01\x03\x01", b"\x01\0\x01"])
def test_what_no_encoder_writes_is_refused(stuffed: bytes) -> None:
    with pytest.raises(ValueError, match="run"):
        decode(stuffed)


@given(frames=st.lists(st.binary(min_size=1, max_size=40), max_size=8), sizes=st.lists(st.integers(1, 9), max_size=60))
def test_a_stream_is_the_same_in_any_pieces(frames: list[bytes], sizes: list[int]) -> None:
    data = b"".join(b"\0" + encode(frame) + b"\0" for frame in frames)
    stream, got, at = CobsStream(64), list[bytes](), 0
    for size in [*sizes, len(data)]:
        got += stream.feed(data[at : at + size])
        at += size
    assert got == frames
    assert stream.take_skipped_bytes() == 0


@pytest.mark.parametrize(
    ("junk", "skipped"),
    [(b"\0" * 50, 50), (b"\x05\x01", 3), (b"\x07" * 5000, 5001)],
    ids=["zeros", "no frame", "endless"],
)
def test_junk_between_frames_is_counted_and_harms_no_frame(junk: bytes, skipped: int) -> None:
    frame = b"\0" + encode(b"abc") + b"\0"
    stream = CobsStream(64)
    got = [payload for at in range(0, 9000, 7) for payload in stream.feed((frame + junk + frame)[at : at + 7])]
    assert got == [b"abc", b"abc"]
    assert stream.take_skipped_bytes() == skipped
    assert stream.take_skipped_bytes() == 0


def test_an_endless_frame_holds_no_memory() -> None:
    stream = CobsStream(64)
    for _ in range(100):
        assert stream.feed(b"\x07" * 1000) == []
    assert stream.take_skipped_bytes() >= 100 * 1000 - 64
