"""Windows as short as a slow meter's own interval: what they state must hold what the load really drew."""

import numpy as np
import pytest

from edge_agent.recorder import WindowRecorder
from edge_agent.window import WindowCounts
from firmware_bridge.calibration import power_step_w, power_u_w
from firmware_bridge.energy import EnergyRegister
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import F64, EnergyReading, SampleBlock
from firmware_bridge.timeline import SyncState, Timeline
from tests.unit.edge_agent.test_recorder import CONDITIONS, IDENTITY, ListStore

SECONDS = 400
PHASE_STEPS = 37
"""Of the meter's own seconds in the windows'."""
STEP_S = 0.01
FIRST_S = 4.0
WINDOWS = SECONDS - 10
ARRIVES_LATE_S = 0.7
"""After the end of the second that the value is the mean of."""


def drifting_load_w(rng: np.random.Generator) -> F64:
    """Return power in steps of ``STEP_S``: 60 and 90 W in slots of 100 ms, a share of them that wanders."""
    slots = int(SECONDS / 0.1)
    share = 0.3 + 0.2 * np.sin(np.cumsum(rng.normal(0.0, 0.05, slots)))
    high = rng.random(slots) < share
    power_w: F64 = np.repeat(np.where(high, 90.0, 60.0), int(0.1 / STEP_S))
    return power_w


class SlowMeter:
    """A meter that shows the mean of each second, ``ARRIVES_LATE_S`` after it is over."""

    def __init__(self, name: str) -> None:
        self.sheet = get_driver(name).data_sheet
        self._timeline = Timeline(self.sheet)
        self._register = EnergyRegister(self.sheet)

    def show(self, t_s: float, power_w: float) -> None:
        block = SampleBlock(np.array([t_s]), np.array([230.0]), np.array([power_w / 230.0]), np.array([power_w]))
        self._register.add(block, power_u_w(self.sheet, block, None), power_step_w(self.sheet, block))

    def reading_at(self, t_host_s: float) -> EnergyReading | None:
        return self._register.reading_at(t_host_s)

    def snapshot(self) -> EnergyReading:
        return self._register.latest()

    def sync(self) -> SyncState:
        return self._timeline.sync()


def windows_of_a_second(meter: SlowMeter, power_w: F64) -> tuple[F64, F64, F64]:
    """Return what windows of one second come to from the fourth second on: measured, uncertainty, true joules."""
    store = ListStore()
    recorder = WindowRecorder(meter, meter.sheet, store, IDENTITY, FIRST_S)
    for number in range(WINDOWS):
        t_start_s = FIRST_S + number
        recorder.close(WindowCounts(t_start_s, t_start_s + 1.0, 3, 0.5, 0.01, 0.02, 0.03), CONDITIONS)
    assert recorder.settle() == WINDOWS
    per_s = round(1.0 / STEP_S)
    first = round(FIRST_S) * per_s
    true_j = power_w[first : first + WINDOWS * per_s].reshape(WINDOWS, per_s).sum(axis=1) * STEP_S
    return (
        np.array([window.energy_j for window in store.windows]),
        np.array([window.energy_u_j for window in store.windows]),
        true_j,
    )


@pytest.mark.parametrize("name", ["pzem004t", "wattsup"])
def test_a_mean_of_each_second_in_windows_of_a_second(name: str) -> None:
    """Two neighbours that happen to be alike must not pass for a steady load."""
    power_w = drifting_load_w(np.random.default_rng(5))
    meter = SlowMeter(name)
    steps = round((meter.sheet.refresh_interval_s or 1.0) / STEP_S)
    for at in range(steps + PHASE_STEPS, len(power_w), steps):
        meter.show(at * STEP_S + ARRIVES_LATE_S, float(power_w[at - steps : at].mean()))
    energy_j, u_j, true_j = windows_of_a_second(meter, power_w)
    scores = (energy_j - true_j)[10:] / u_j[10:]
    assert 0.2 < float(np.sqrt(np.mean(scores**2))) < 1.1
    assert float(np.abs(scores).max()) < 4.0


def test_less_than_two_instants_in_a_window_go_by_the_spread_of_their_neighbours() -> None:
    rng = np.random.default_rng(6)
    power_w = drifting_load_w(rng)
    meter = SlowMeter("um25c")
    t_s = 0.0
    while (t_s := t_s + 0.6 * rng.uniform(0.5, 1.5)) < SECONDS - 1.0:
        meter.show(t_s, float(power_w[int(t_s / STEP_S)]))
    energy_j, u_j, true_j = windows_of_a_second(meter, power_w)
    scores = (energy_j - true_j)[10:] / u_j[10:]
    assert 0.2 < float(np.sqrt(np.mean(scores**2))) < 1.1
    assert float(np.abs(scores).max()) < 4.0
    assert float(u_j[10:].max()) < 0.4 * float(energy_j.mean())
