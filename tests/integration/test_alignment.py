"""Meters on pseudo-terminals are tied to the host's time by each way there is; the true offset is inside the limit.

The truth: steps of the emulated load, whose host time is known, against the sample that shows them.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge_agent.alignment.align import WORTH_S, Aligner
from edge_agent.alignment.lines import MarkerLine
from edge_agent.alignment.play import PlayPattern, play_pattern
from edge_agent.config import AlignSection
from edge_agent.wire.errors import ConfigurationError
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.errors import ConfigurationError as MeterConfigurationError
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import SampleBlock
from firmware_bridge.step_pattern import StepPattern
from firmware_bridge.stream import host_time_s
from tests.fakes.cable import pull_cable
from tests.fakes.played_load import PlayedLoad

pytestmark = pytest.mark.timing

MIDDLE_W = 3.5


class Steps:
    """Where the samples show that the load rose, on the meter's timeline."""

    def __init__(self) -> None:
        self.rises_s: list[float] = []
        self._high = True

    def __call__(self, block: SampleBlock) -> None:
        for t_s, power_w in zip(block.t_device_s.tolist(), block.power_w.tolist(), strict=True):
            if (power_w > MIDDLE_W) != self._high:
                self._high = not self._high
                if self._high:
                    self.rises_s.append(t_s)


class Rig:
    """An emulated meter, its load, and an open ``Meter``."""

    def __init__(self, meter: Meter, load: PlayedLoad, steps: Steps) -> None:
        self.meter, self.load, self.steps = meter, load, steps

    @property
    def late_s(self) -> float:
        """What a host that was busy for the whole last second adds to every residual."""
        return self.meter._timeline._fit.late_s

    def offsets_s(self, count: int = 3) -> list[float]:
        """Switch the load; return how much later than the alignment says the samples show it, in meter time."""
        rises_s = []
        self.steps.rises_s.clear()
        for _ in range(count):
            rises_s.append(self.load.switch())
            time.sleep(0.15)
            self.load.switch()
            time.sleep(0.15)
        wait_for(lambda: self.meter.reading_at(rises_s[-1] + 0.1) is not None and len(self.steps.rises_s) >= count)
        told = [self.meter.reading_at(t_s) for t_s in rises_s]
        assert len(self.steps.rises_s) == count
        return [shown_s - one.t_device_s for shown_s, one in zip(self.steps.rises_s, told, strict=True) if one]


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come true"
        time.sleep(0.01)


class TimedLine:
    """A marker line that notes how long it took to drive it."""

    def __init__(self, line: MarkerLine) -> None:
        self._line = line
        self.name, self.is_simulated, self.settle_s = line.name, line.is_simulated, line.settle_s
        self.fastest_s = float("inf")

    def set(self, level: bool) -> None:  # noqa: FBT001
        before_s = host_time_s()
        self._line.set(level)
        self.fastest_s = min(self.fastest_s, host_time_s() - before_s)

    def close(self) -> None:
        self._line.close()


@contextmanager
def rig(name: str, *, late_s: float = 0.0, wire: Path | None = None) -> Iterator[Rig]:
    load, steps, driver = PlayedLoad(late_s=late_s), Steps(), get_driver(name)
    settings = EmulatorSettings(seed=3, marker_socket=wire)
    emulator = MeterEmulator(driver, None, load, settings)
    with emulator:
        load.began_s = emulator._began_s
        with Meter(driver, emulator.port, on_block=steps) as meter:
            yield Rig(meter, load, steps)


def start(aligner: Aligner) -> None:
    aligner.start()
    for method, why in aligner.not_taken.items():
        assert why, method


@pytest.mark.parametrize("name", ["ppk2", "pico_ina228"])
def test_a_marker_line_is_driven_end_to_end_and_the_truth_is_inside_its_limit(name: str, tmp_path: Path) -> None:
    config = AlignSection(marker_socket=str(tmp_path / "wire"), pulses=5)
    with rig(name, wire=tmp_path / "wire") as one, Aligner(one.meter, config) as aligner:
        assert one.meter.sync().method == "arrival_fit"
        assert aligner._line is not None
        aligner._line = line = TimedLine(aligner._line)
        start(aligner)
        sync = one.meter.sync()
        assert sync.method == "gpio_marker"
        assert sync.residual_s < line.fastest_s + 2e-3 + one.late_s, "one quick mark bounds it"
        assert aligner.is_simulated
        offsets_s = one.offsets_s()
        interval_s = one.meter.driver.data_sheet.sample_interval_s
        assert min(offsets_s) >= -one.meter.sync().residual_s - 1e-6
        assert max(offsets_s) <= one.meter.sync().residual_s + 2.0 * interval_s
        edges = len(one.meter.markers())
        for level in (True, True, False):
            aligner.edge(level)
            time.sleep(0.05)
        wait_for(lambda: len(one.meter.markers()) >= edges + 2)
        assert not one.meter.markers()[-1].rising
        aligner.tick(host_time_s())
        assert not one.meter.markers()[-1].rising
        aligner.tick(host_time_s() + 1e6)
        wait_for(lambda: one.meter.markers()[-1].rising)


def test_a_line_that_something_turns_over_is_found_out(tmp_path: Path) -> None:
    class Inverted:
        name, is_simulated, settle_s = "an inverter", True, 0.0

        def __init__(self) -> None:
            from edge_agent.alignment.simulated_line import SimulatedLine  # noqa: PLC0415

            self._line = SimulatedLine(str(tmp_path / "wire"), 2)
            self._line.set(True)

        def set(self, level: bool) -> None:  # noqa: FBT001
            self._line.set(not level)

        def close(self) -> None:
            self._line.close()

    with rig("ppk2", wire=tmp_path / "wire") as one:
        config = AlignSection(marker_socket="unused", marker_input=2, pulses=4)
        with Aligner(one.meter, config, line=Inverted()) as aligner:
            start(aligner)
            assert one.meter.sync().method == "gpio_marker"
            assert max(map(abs, one.offsets_s(2))) <= one.meter.sync().residual_s + 5e-5


def test_a_wire_to_another_input_is_named(tmp_path: Path) -> None:
    from edge_agent.alignment.simulated_line import SimulatedLine  # noqa: PLC0415

    with rig("ppk2", wire=tmp_path / "wire") as one:
        line = SimulatedLine(str(tmp_path / "wire"), 3)
        config = AlignSection(marker_socket="unused", marker_input=0, pulses=3)
        with Aligner(one.meter, config, line=line) as aligner:
            aligner.start()
            assert "they came on [3]: correct marker_input" in aligner.not_taken["gpio_marker"]
        assert one.meter.sync().method == "arrival_fit"


def test_marks_on_command_bound_the_offset_on_both_sides() -> None:
    with rig("powersensor3") as one, Aligner(one.meter, AlignSection(pulses=6)) as aligner:
        assert one.meter.makes_marks
        start(aligner)
        sync = one.meter.sync()
        assert sync.method == "serial_marker"
        assert aligner.not_taken == {"gpio_marker": "no marker line is configured", **aligner.not_taken}
        offsets_s = one.offsets_s()
        residual_s = one.meter.sync().residual_s
        assert min(offsets_s) >= -residual_s - 1e-6
        assert max(offsets_s) <= residual_s + 1e-4
        assert residual_s < 10e-3 + one.late_s
        assert one.meter.mark_serially()
        assert not one.meter.mark_serially()
    assert not one.meter.mark_serially()


def test_marks_asked_for_by_many_threads_leave_the_reader_idle_in_between() -> None:
    """Each request wakes the reader once: it must not spin afterwards, nor miss that it is to stop."""
    with rig("powersensor3") as one:
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                one.meter.mark_serially()
                time.sleep(0.001)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(1.2)
        stop.set()
        for thread in threads:
            thread.join()
        wait_for(lambda: len(one.meter.markers()) >= 6)
        reader = one.meter._reader
        assert reader is not None
        waker = reader._waker
        wait_for(lambda: not waker.wait(0.0))  # the last request may have woken it just now


def played(one: Rig) -> PlayPattern:
    """Return what plays a pattern with this rig's load."""

    def work_until(until_s: float) -> tuple[float, float]:
        begin_s = one.load.switch()
        time.sleep(max(until_s - host_time_s(), 0.0))
        return begin_s, one.load.switch()

    return lambda pattern: play_pattern(pattern, work_until, lambda: False)


@pytest.mark.parametrize("late_s", [0.0, 0.12])
def test_the_agents_own_load_is_found_in_a_meter_without_a_clock(late_s: float) -> None:
    with rig("tc66c", late_s=late_s) as one:
        aligner = Aligner(one.meter, AlignSection(pattern_s=4.0), played(one))
        arrival_s = one.meter.sync().residual_s
        start(aligner)
        sync = one.meter.sync()
        assert sync.method == "step_correlation", aligner.not_taken
        assert sync.residual_s < arrival_s
        found = one.meter._timeline._steps
        assert found is not None
        middle_s = one.meter.driver.data_sheet.sample_interval_s / 2.0  # the emulated one averages between answers
        assert abs(found.lag_s - late_s - middle_s) <= sync.residual_s + 0.005
        assert 1.5 < found.step_w < 3.3


@pytest.mark.parametrize("name", ["ppk2", "pico_ina228"])
def test_the_agents_own_load_is_found_beyond_what_arrivals_say(name: str) -> None:
    """At 100,000 samples a second the limit is what the arrival fit may have been off by."""
    with rig(name) as one:
        config = AlignSection(method="step_correlation", pattern_s=3.0)
        with Aligner(one.meter, config, played(one)) as aligner:
            time.sleep(1.0)
            aligner.start()
            found = one.meter._timeline._steps
            assert one.meter.sync().method == "step_correlation", aligner.not_taken
            assert found is not None
            assert found.residual_s < 1e-3
            offsets_s = one.offsets_s()
            assert max(map(abs, offsets_s)) <= one.meter.sync().residual_s + 1e-3


def test_a_load_that_does_not_show_is_not_gone_by() -> None:
    with rig("tc66c") as one:

        def play(pattern: StepPattern) -> list[tuple[float, float]]:
            return play_pattern(pattern, lambda until_s: (host_time_s(), until_s), lambda: False)

        with Aligner(one.meter, AlignSection(pattern_s=2.0), play) as aligner:
            aligner.start()
            assert aligner.not_taken["step_correlation"]
        assert one.meter.sync().method == "host_clock"


def test_what_cannot_be_is_refused_and_what_does_not_pay_is_left_out(tmp_path: Path) -> None:
    with rig("tc66c") as one:
        with pytest.raises(ConfigurationError, match="a tc66c has no marker input"):
            Aligner(one.meter, AlignSection(marker_socket=str(tmp_path / "wire")))
        with pytest.raises(ConfigurationError, match="a tc66c sets no mark on command"):
            Aligner(one.meter, AlignSection(method="serial_marker")).start()
        with pytest.raises(ConfigurationError, match="nothing here can produce a load pattern"):
            Aligner(one.meter, AlignSection(method="step_correlation")).start()
        aligner = Aligner(one.meter, AlignSection(method="none"))
        aligner.start()
        aligner.edge(True)
        aligner.tick(host_time_s())
        assert aligner.not_taken == {}
    with rig("pico_ina228") as one:
        aligner = Aligner(one.meter, AlignSection(), lambda _: [])
        wait_for(lambda: one.meter.sync().residual_s < 0.9 * WORTH_S)
        aligner.start()
        assert set(aligner.not_taken) == {"gpio_marker", "serial_marker", "step_correlation"}
        assert "open only" in aligner.not_taken["step_correlation"]
    with pytest.raises(MeterConfigurationError, match="a tc66c has no marker input"):
        MeterEmulator(get_driver("tc66c"), None, PlayedLoad(), EmulatorSettings(marker_socket=tmp_path / "wire"))


def test_marks_come_back_after_the_cable_was_pulled(tmp_path: Path) -> None:
    link = tmp_path / "port"
    settings = EmulatorSettings(seed=3, marker_socket=tmp_path / "wire")
    config = AlignSection(marker_socket=str(tmp_path / "wire"), pulses=3)
    with (
        MeterEmulator(get_driver("ppk2"), link, PlayedLoad(), settings) as emulator,
        Meter(get_driver("ppk2"), str(link)) as meter,
        Aligner(meter, config) as aligner,
    ):
        aligner.start()
        assert meter.sync().method == "gpio_marker"
        pull_cable(emulator, 0.5)
        wait_for(lambda: meter.health().reconnects == 1 and meter.health().connected)
        assert meter.sync().method == "arrival_fit"

        def tended() -> bool:
            aligner.tick(host_time_s())
            return meter.sync().method == "gpio_marker"

        wait_for(tended)
        assert np.isfinite(meter.sync().residual_s)
