import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.recorder import WindowRecorder
from edge_agent.window import Conditions, Identity, WindowCounts
from edge_agent.wire.records import InferenceWindow, RuntimeIdentity
from firmware_bridge.energy import EnergyRegister
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import EnergyReading, SampleBlock
from firmware_bridge.timeline import SyncState

SHEET = replace(get_driver("tc66c").data_sheet, max_interval_s=1.0)
IDENTITY = Identity(
    model_id="digits",
    model_sha256="0" * 64,
    runtime=RuntimeIdentity(runtime="litert", version="2.3.0", delegate="none", threads=1),
    meter_id="m",
    meter_driver="tc66c",
    boundary="usb_dc",
    simulated=True,
)


class RegisterMeter:
    """A meter whose device clock is the host's, over the real register; samples come when the test says so."""

    def __init__(self) -> None:
        self.register = EnergyRegister(SHEET)

    def sample(self, t_s: list[float], power_w: list[float]) -> None:
        times_s, powers_w = np.array(t_s), np.array(power_w)
        block = SampleBlock(times_s, np.full(len(t_s), 5.0), powers_w / 5.0, powers_w)
        self.register.add(block, 0.001 * powers_w)

    def reading_at(self, t_host_s: float) -> EnergyReading | None:
        return self.register.reading_at(t_host_s)

    def snapshot(self) -> EnergyReading:
        return self.register.latest()

    def sync(self) -> SyncState:
        return SyncState("host_clock", 0.01)


class ListStore:
    """Keeps windows; ``failing`` makes it a full disk."""

    def __init__(self) -> None:
        self.windows: list[InferenceWindow] = []
        self.failing = False

    def append(self, make: Callable[[int], InferenceWindow]) -> InferenceWindow:
        if self.failing:
            raise sqlite3.OperationalError("database or disk is full")
        self.windows.append(make(len(self.windows) + 1))
        return self.windows[-1]


def counts(t_start_s: float, t_end_s: float, inferences: int = 3) -> WindowCounts:
    return WindowCounts(t_start_s, t_end_s, inferences, 0.1, 0.01, 0.02, 0.03)


CONDITIONS = Conditions(1_000, "synchronised")


@given(
    st.lists(st.tuples(st.floats(0.05, 3.0), st.floats(0.0, 20.0)), min_size=5, max_size=60),
    st.lists(st.floats(0.1, 6.0), min_size=1, max_size=10),
)
def test_the_windows_share_out_every_joule_and_every_gap_second_of_the_register(
    samples: list[tuple[float, float]], window_lengths_s: list[float]
) -> None:
    meter, store = RegisterMeter(), ListStore()
    times_s = np.cumsum([step for step, _ in samples])
    recorder = WindowRecorder(meter, SHEET, store, IDENTITY, float(times_s[0]))
    edges_s = np.cumsum([times_s[0], *window_lengths_s])
    for start_s, end_s in pairwise(edges_s.tolist()):
        recorder.close(counts(start_s, end_s), CONDITIONS)
    for t_s, (_, power_w) in zip(times_s, samples, strict=True):
        meter.sample([float(t_s)], [power_w])
        recorder.settle()
    stored = len(store.windows)
    assert stored == sum(edges_s[1:] <= times_s[-1])
    recorder.settle_now()
    end_s = min(float(edges_s[-1]), float(times_s[-1]))
    end = meter.reading_at(end_s)
    assert end is not None
    assert len(store.windows) == len(window_lengths_s)
    assert sum(w.energy_j for w in store.windows) == pytest.approx(end.energy_j, abs=1e-6)
    total_gap_s = end.gap_s + max(0.0, float(edges_s[-1] - times_s[-1]))
    assert sum(w.gap_s for w in store.windows) == pytest.approx(total_gap_s, abs=1e-6)


def test_a_window_waits_until_the_meter_has_reached_its_end() -> None:
    meter, store = RegisterMeter(), ListStore()
    recorder = WindowRecorder(meter, SHEET, store, IDENTITY, 1.0)
    recorder.close(counts(1.0, 2.0), CONDITIONS)
    assert recorder.settle() == 0
    meter.sample([0.9, 1.4, 1.9], [2.0, 2.0, 2.0])
    assert recorder.settle() == 0
    assert recorder.waiting == 1
    meter.sample([2.4], [2.0])
    assert recorder.settle() == 1
    assert store.windows[0].energy_j == pytest.approx(2.0)
    assert store.windows[0].sync_residual_s == 0.01
    assert recorder.waiting == 0


def test_a_window_of_many_minutes_has_all_its_joules() -> None:
    """The register is exact for a minute: the first window's start is read while it is fresh, not at its end."""
    meter, store = RegisterMeter(), ListStore()
    recorder = WindowRecorder(meter, SHEET, store, IDENTITY, 0.5)
    for second in range(1201):
        meter.sample([float(second)], [2.0 if second < 1 else 5.0])
        recorder.settle()
    recorder.close(counts(0.5, 1200.0), CONDITIONS)
    assert recorder.settle() == 1
    assert store.windows[0].energy_j == pytest.approx(0.5 * 3.5 + 1199.0 * 5.0)
    assert store.windows[0].gap_s == 0.0


def test_at_the_end_seconds_that_the_meter_never_reached_are_gap() -> None:
    meter, store = RegisterMeter(), ListStore()
    recorder = WindowRecorder(meter, SHEET, store, IDENTITY, 1.0)
    meter.sample([1.0, 1.5, 2.0, 2.5], [4.0] * 4)
    recorder.close(counts(1.0, 4.0), CONDITIONS)
    recorder.close(counts(4.0, 5.0), CONDITIONS)
    assert recorder.settle_now() == 2
    first, second = store.windows
    assert [first.energy_j, first.gap_s] == pytest.approx([6.0, 1.5])
    assert [second.energy_j, second.gap_s, second.energy_u_j] == pytest.approx([0.0, 1.0, 0.0])


def test_a_full_disk_keeps_windows_until_it_can_be_written() -> None:
    meter, store = RegisterMeter(), ListStore()
    recorder = WindowRecorder(meter, SHEET, store, IDENTITY, 0.0)
    meter.sample([0.0, 0.5, 1.0, 1.5, 2.0, 2.5], [1.0] * 6)
    store.failing = True
    recorder.close(counts(0.0, 1.0, 5), CONDITIONS)
    assert recorder.settle() == 0
    recorder.close(counts(1.0, 2.0, 6), CONDITIONS)
    assert recorder.settle() == 0
    assert (recorder.waiting, recorder.store_failed) == (2, True)
    store.failing = False
    assert recorder.settle() == 2
    assert (recorder.waiting, recorder.store_failed) == (0, False)
    assert [w.inference_count for w in store.windows] == [5, 6]
    assert [w.seq for w in store.windows] == [1, 2]


def test_what_is_stored_survives_the_wire() -> None:
    meter, store = RegisterMeter(), ListStore()
    meter.sample([0.0, 1.0], [1.0, 3.0])
    recorder = WindowRecorder(meter, SHEET, store, IDENTITY, 0.0)
    recorder.close(counts(0.0, 1.0), CONDITIONS)
    recorder.settle()
    window = store.windows[0]
    assert msgspec.json.decode(msgspec.json.encode(window), type=InferenceWindow) == window
