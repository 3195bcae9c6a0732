"""A marker line through the agent itself: an emulated meter with marker inputs, from the first mark to the windows."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.loads import ProcessLoad
from firmware_bridge.registry import get_driver
from tests.fakes.agent import BUSY_W, IDLE_W, agent_toml, running_agent, true_energy_j
from tests.fakes.delivery import wait_until

pytestmark = pytest.mark.timing

METER = 'driver = "{driver}"\nport = "{port}"\nboundary = "{boundary}"'


def marked_toml(directory: Path, driver: str = "pico_ina228", boundary: str = "rail", **changed: str) -> Path:
    tables = {
        "meter": METER.format(driver=driver, port=directory / "tty", boundary=boundary),
        "align": 'marker_socket = "wire"\npulses = 4',
        **changed,
    }
    return agent_toml(directory, **tables)


@contextmanager
def marked_meter(directory: Path, driver: str = "pico_ina228") -> Iterator[MeterEmulator]:
    """Serve a meter at ``directory``/tty whose marker inputs are driven through ``directory``/wire."""
    settings = EmulatorSettings(
        voltage_v=5.0, noise_w=0.02, seed=3, truth=directory / "truth.csv", marker_socket=directory / "wire"
    )
    load = ProcessLoad(directory / "agent.pid", idle_w=IDLE_W, busy_w=BUSY_W)
    with MeterEmulator(get_driver(driver), directory / "tty", load, settings) as emulator:
        yield emulator


def test_windows_are_tied_by_the_marker_line_and_hold_the_true_energy(tmp_path: Path) -> None:
    config = marked_toml(tmp_path, window="window_s = 1.0\nbaseline_s = 0.5")
    with marked_meter(tmp_path), running_agent(config) as agent:
        # A second in which the host is busy all the time leaves more open, and says so.
        wait_until(lambda: any(one.sync_residual_s < 2e-3 for one in agent.stored()[3:]), "a window within 2 ms")
        assert agent.stop_undelivered() == 0
    (aligned,) = agent.events("aligned")
    assert aligned["method"] == "gpio_marker"
    windows = agent.stored()
    assert {window.sync_method for window in windows} == {"gpio_marker"}
    assert all(window.simulated for window in windows)
    for window in windows[:-1]:
        true_j = true_energy_j(tmp_path, window)
        assert abs(window.energy_j - true_j) < 3.0 * window.energy_u_j
    for before, after in pairwise(windows):
        assert after.t_start_unix_ns - before.t_start_unix_ns == pytest.approx(before.duration_s * 1e9, abs=5e6)


class Relay:
    """A wire that can break: what comes to ``path`` goes on to ``onward``, and the answer back, until ``cut``."""

    def __init__(self, path: Path, onward: Path) -> None:
        self._path, self._onward = path, onward
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def cut(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as front, back_to(self._onward) as back:
            front.bind(str(self._path))
            front.settimeout(0.05)
            while not self._stop.is_set():
                with suppress(TimeoutError):
                    said, sender = front.recvfrom(16)
                    back.send(said)
                    front.sendto(back.recv(16), sender)


@contextmanager
def back_to(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as back:
        back.bind("")
        back.connect(str(path))
        yield back


def test_a_marker_line_that_breaks_is_told_and_the_windows_go_on_without_it(tmp_path: Path) -> None:
    config = marked_toml(tmp_path, align='marker_socket = "relay"\npulses = 3')
    with marked_meter(tmp_path):
        relay = Relay(tmp_path / "relay", tmp_path / "wire")
        try:
            with running_agent(config) as agent:
                wait_until(lambda: len(agent.stored()) >= 2, "two windows by the marker line")
                relay.cut()
                wait_until(lambda: bool(agent.events("marker_line_failed")), "a word about the line")
                held = len(agent.stored())
                wait_until(lambda: len(agent.stored()) >= held + 2, "two windows more")
                assert agent.stop_undelivered() == 0
        finally:
            relay.cut()
    assert len(agent.events("marker_line_failed")) == 1, "it is told once"
    windows = agent.stored()
    assert windows[0].sync_method == "gpio_marker"
    assert all(window.sync_residual_s < 0.02 and "gap" not in window.flags for window in windows)
    for before, after in pairwise(windows):
        assert after.t_start_unix_ns - before.t_start_unix_ns == pytest.approx(before.duration_s * 1e9, abs=5e6)


@pytest.mark.parametrize(
    ("align", "words"),
    [
        ('marker_socket = "absent"', ["marker_socket", "no emulated meter listens there (No such file", "emulate"]),
        ('marker_socket = "file"', ["marker_socket", "no emulated meter listens there (", "emulate"]),
        ('marker_socket = "wire"\nmarker_input = 3', ["marker_input = 3", "a pico_ina228 has input 0 only"]),
        ('gpio_chip = "/dev/gpiochip-none"\ngpio_line = "4"', ["gpio_chip", "gpiodetect"]),
        ('gpio_chip = "/dev/null"\ngpio_line = "4"', ["gpio_chip", "not a GPIO chip"]),
        ('modem_port = "/dev/tty-none"', ["modem_port", "cannot open it"]),
        ('method = "serial_marker"', ["serial_marker", "sets no mark on command"]),
    ],
)
def test_a_marker_line_that_cannot_be_is_one_line(tmp_path: Path, align: str, words: list[str]) -> None:
    (tmp_path / "file").write_text("no socket")
    with marked_meter(tmp_path), running_agent(marked_toml(tmp_path, align=align)) as agent:
        assert agent.wait(20) == 2
    lines = agent.log_path.read_text().splitlines()
    assert lines[-1].startswith("edgejoule: [align] ")
    assert all(word in lines[-1] for word in words), lines[-1]
    assert not any("Traceback" in line for line in lines)
