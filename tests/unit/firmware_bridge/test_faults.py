"""Faults of an emulated line: as many as asked for, all counted, the same again for the same seed."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.faults import Faults, FaultyLine

SAMPLE_S = 1e-4


def lost_share(ratio: float, sample_s: float, total: int = 400_000) -> tuple[float, float]:
    """Return the share of samples lost, and the mean length of a burst."""
    line = FaultyLine(Faults(loss_ratio=ratio), sample_s, seed=3)
    lost = bursts = 0
    was_lost = False
    for _ in range(total // 200):
        for count, arrives in line.runs(200):
            lost += 0 if arrives else count
            bursts += not arrives and not was_lost
            was_lost = not arrives
    return lost / total, lost / max(bursts, 1)


@pytest.mark.parametrize("sample_s", [1e-5, 5e-5, 1e-3, 1.0])
@pytest.mark.parametrize("ratio", [0.02, 0.1, 0.5, 0.95])
def test_as_many_samples_are_lost_as_asked_for(ratio: float, sample_s: float) -> None:
    share, burst = lost_share(ratio, sample_s)
    assert share == pytest.approx(ratio, rel=0.25, abs=0.0)
    assert burst == pytest.approx(max(2e-4 / sample_s, ratio / (1.0 - ratio), 1.0), rel=0.35)


@pytest.mark.parametrize(("ratio", "arrives"), [(0.0, True), (1.0, False)])
def test_none_and_all(ratio: float, arrives: bool) -> None:  # noqa: FBT001 a case
    line = FaultyLine(Faults(loss_ratio=ratio), SAMPLE_S, seed=1)
    assert line.runs(500) == [(500, arrives)]
    assert line.answer(b"answer") == (b"answer" if arrives else b"")
    assert line.counts.lost_answers == (not arrives)


@given(counts=st.lists(st.integers(1, 300), max_size=30), ratio=st.floats(0.0, 1.0), seed=st.integers(0, 100))
def test_runs_add_up(counts: list[int], ratio: float, seed: int) -> None:
    line, again = (FaultyLine(Faults(loss_ratio=ratio), SAMPLE_S, seed) for _ in range(2))
    for count in counts:
        runs = line.runs(count)
        assert sum(length for length, _ in runs) == count
        assert all(length > 0 for length, _ in runs)
        assert runs == again.runs(count)


def test_every_lost_answer_is_counted() -> None:
    line = FaultyLine(Faults(loss_ratio=0.3), SAMPLE_S, seed=5)
    came = sum(bool(line.answer(b"12345")) for _ in range(2000))
    assert line.answer(b"") == b""
    assert came + line.counts.lost_answers == 2000
    assert line.counts.lost_answers == pytest.approx(600, rel=0.1)
    assert line.counts.lost_bytes == 5 * line.counts.lost_answers


def test_flips_are_as_many_as_counted() -> None:
    line = FaultyLine(Faults(bit_flips_hz=30.0), SAMPLE_S, seed=2)
    clean = bytes(1000)
    flipped = 0
    for tick in range(500):
        damaged = line.damage(clean, 0.02 * (tick + 1))
        assert len(damaged) == len(clean)
        flipped += sum(byte.bit_count() for byte in damaged)
    assert flipped == line.counts.flipped_bits == pytest.approx(300, rel=0.2)


def test_flips_wait_for_bytes() -> None:
    """A meter that answers once a second is hit as often as one that streams."""
    line = FaultyLine(Faults(bit_flips_hz=5.0), SAMPLE_S, seed=2)
    for tick in range(5000):
        line.damage(bytes(20) if tick % 50 == 0 else b"", 0.02 * tick)
    assert line.counts.flipped_bits == pytest.approx(500, rel=0.2)


def test_garbage_is_put_between_the_bytes() -> None:
    line = FaultyLine(Faults(garbage_bytes_hz=200.0), SAMPLE_S, seed=2)
    came = b"".join(line.damage(b"\x01\x02\x03" * (tick % 2), 0.02 * (tick + 1)) for tick in range(500))
    assert len(came) == 3 * 250 + line.counts.garbage_bytes
    assert line.counts.garbage_bytes == pytest.approx(2000, rel=0.1)
    clean = iter(came)
    assert all(byte in clean for byte in b"\x01\x02\x03" * 250), "what was sent is there in its order"


@given(pieces=st.lists(st.tuples(st.floats(0.0, 0.05), st.binary(max_size=5)), max_size=40), seed=st.integers(0, 50))
def test_delay_keeps_the_order_and_loses_nothing(pieces: list[tuple[float, bytes]], seed: int) -> None:
    line = FaultyLine(Faults(jitter_s=0.03), SAMPLE_S, seed)
    now_s, came, sent = 0.0, b"", b""
    for step_s, data in pieces:
        now_s += step_s
        line.send(data, now_s)
        sent += data
        came += line.arrived(now_s)
        assert len(came) + line.on_the_way_bytes == len(sent)
        assert sent.startswith(came)
        assert line.next_arrival_s is None or now_s < line.next_arrival_s <= now_s + 0.03
    assert came + line.arrived(now_s + 0.03) == sent
    assert line.on_the_way_bytes == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Faults(loss_ratio=1.5),
        lambda: Faults(garbage_bytes_hz=1e9),
        lambda: Faults(bit_flips_hz=1e9),
        lambda: Faults(drift_ratio=-1.0),
        lambda: Faults(loss_ratio=float("nan")),
        lambda: Faults(garbage_bytes_hz=-1.0),
        lambda: Faults(reset_at_s=(3.0, -1.0)),
        lambda: Faults(unplug_at_s=((1.0, 5.0), (2.0, 1.0))),
        lambda: Faults(unplug_at_s=((1.0, 0.0),)),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], Faults]) -> None:
    with pytest.raises(ValueError, match="must"):
        make()
