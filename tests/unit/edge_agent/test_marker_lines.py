"""Marker lines: what they drive, and one clear line for what they cannot."""

import errno
import socket
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gpiod
import numpy as np
import pytest

from edge_agent.alignment.gpiod_line import GpiodLine
from edge_agent.alignment.lines import MarkerLine, MarkerLineError
from edge_agent.alignment.modem_line import ModemLine
from edge_agent.alignment.opening import check_line, open_line
from edge_agent.alignment.play import play_pattern
from edge_agent.alignment.simulated_line import SimulatedLine
from edge_agent.config import AlignSection
from edge_agent.wire.errors import ConfigurationError
from firmware_bridge.errors import ConfigurationError as EmulatorError
from firmware_bridge.marker_wire import MarkerWire
from firmware_bridge.registry import get_driver
from firmware_bridge.step_pattern import StepPattern
from firmware_bridge.stream import host_time_s
from firmware_bridge.terminal import PseudoTerminal

# --- gpiod: the real package where no chip is needed, one of the same shape where one is ---------------------------


@dataclass
class Pin:
    """What ``request_lines`` gives, and what was asked of it."""

    failure: OSError | None = None
    asked: list[Any] = field(default_factory=list)
    values: list[tuple[Any, Any]] = field(default_factory=list)
    is_released: bool = False

    def request_lines(self, path: str, *, consumer: str, config: dict[Any, Any]) -> "Pin":
        if self.failure is not None:
            raise self.failure
        self.asked.append((path, consumer, config))
        return self

    def set_value(self, line: int | str, value: Enum) -> None:
        if self.is_released:
            raise gpiod.RequestReleasedError
        self.values.append((line, value))

    def release(self) -> None:
        self.is_released = True


def package_of(pin: Pin) -> Any:
    """The real package with its one way to the kernel replaced."""
    return SimpleNamespace(
        LineSettings=gpiod.LineSettings,
        line=gpiod.line,
        RequestReleasedError=gpiod.RequestReleasedError,
        request_lines=pin.request_lines,
    )


@pytest.mark.parametrize(("line", "asked"), [("17", 17), ("GPIO17", "GPIO17")])
def test_a_pin_is_an_output_that_begins_low_and_follows(line: str, asked: int | str) -> None:
    pin = Pin()
    driven = GpiodLine("/dev/gpiochip0", line, module=package_of(pin))
    ((path, consumer, config),) = pin.asked
    assert (path, consumer, list(config)) == ("/dev/gpiochip0", "edgejoule marker", [asked])
    assert config[asked].direction == gpiod.line.Direction.OUTPUT
    assert config[asked].output_value == gpiod.line.Value.INACTIVE
    driven.set(True)
    driven.set(False)
    assert pin.values == [(asked, gpiod.line.Value.ACTIVE), (asked, gpiod.line.Value.INACTIVE)]
    driven.close()
    driven.close()
    with pytest.raises(MarkerLineError, match=rf"line {line}: cannot drive it"):
        driven.set(True)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (OSError(errno.EACCES, "Permission denied"), r"permission denied; add the user .* udev rule"),
        (OSError(errno.EBUSY, "Device or resource busy"), r"gpio_line = '17': .* in use by another program"),
        (OSError(errno.EINVAL, "Invalid argument"), r"not a GPIO chip"),
        (OSError(errno.EIO, "Input/output error"), r"'gpioinfo /dev/gpiochip9' lists its lines"),
    ],
)
def test_what_the_kernel_refuses_is_told_with_its_remedy(failure: OSError, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        GpiodLine("/dev/gpiochip9", "17", module=package_of(Pin(failure)))


@pytest.mark.parametrize(
    ("chip", "said"),
    [("/dev/no-such-gpiochip", "there is no such chip"), ("/dev/null", "not a GPIO chip")],
)
def test_the_real_package_says_that_there_is_no_chip(chip: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^\[align\] gpio_chip = '{chip}'.*{said}"):
        open_line(AlignSection(gpio_chip=chip, gpio_line="17"))


# --- modem signals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signal", ["rts", "dtr"])
def test_a_signal_that_is_asserted_is_low_on_the_pin(signal: Any) -> None:
    handle = SimpleNamespace(rts=None, dtr=None, close=lambda: None)
    line = ModemLine("/dev/ttyUSB1", signal, handle=handle)
    assert getattr(handle, signal) is True
    line.set(True)
    assert getattr(handle, signal) is False
    assert line.settle_s > 0.0
    assert getattr(handle, {"rts": "dtr", "dtr": "rts"}[signal]) is None
    line.close()


def test_a_port_without_modem_signals_and_one_that_is_not_there() -> None:
    with PseudoTerminal(None) as terminal, pytest.raises(ConfigurationError, match=r"it has no RTS .*modem signals"):
        ModemLine(terminal.path, "rts")
    with pytest.raises(ConfigurationError, match=r"modem_port = '/dev/none': cannot open it"):
        open_line(AlignSection(modem_port="/dev/none"))


# --- the emulated meter's input ------------------------------------------------------------------------------------


def test_datagrams_drive_the_inputs_at_their_moment(tmp_path: Path) -> None:
    times_s = iter((1.0, 2.0, 3.0, 4.0))
    with MarkerWire(tmp_path / "wire", lambda: next(times_s)) as wire:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as host:
            host.connect(str(tmp_path / "wire"))
            for data in (b"1", b"3:1", b"0\n", b"2", b"8:1", b"3:0"):
                host.send(data)
                wire.take()
        assert wire.refused == 2
        assert wire.levels(np.array([0.5, 1.0, 1.5])).tolist() == [0, 1, 1]
        assert wire.levels(np.array([1.9, 2.5, 3.0, 3.9, 4.0])).tolist() == [1, 9, 8, 8, 0]
        assert wire.levels(np.array([99.0])).tolist() == [0]
    assert not (tmp_path / "wire").exists()


def test_an_old_socket_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "wire"))
    with MarkerWire(tmp_path / "wire", float) as wire:
        assert wire.fileno() >= 0
    (tmp_path / "file").write_text("precious")
    for path in (tmp_path / "file", tmp_path / "no" / "folder", tmp_path / ("x" * 200)):
        with pytest.raises(EmulatorError, match="cannot make the marker socket"), MarkerWire(path, float):
            pass
    assert (tmp_path / "file").read_text() == "precious"


def test_an_emulator_that_is_not_there_or_falls_silent(tmp_path: Path) -> None:
    path = tmp_path / "wire"
    with pytest.raises(ConfigurationError, match=r"no emulated meter listens there .*--marker-socket"):
        open_line(AlignSection(marker_socket=str(path)))
    with MarkerWire(path, float):
        line = SimulatedLine(str(path), 0)
        with pytest.raises(MarkerLineError, match=f"input 0 of the emulated meter at {path}"):
            line.set(True)
    with pytest.raises(MarkerLineError):
        line.set(True)
    line.close()


# --- which line ----------------------------------------------------------------------------------------------------


def test_without_a_line_none_is_opened_and_an_input_must_be_there() -> None:
    assert open_line(AlignSection()) is None
    assert open_line(AlignSection(method="none", marker_socket="/nowhere")) is None
    check_line(AlignSection(), get_driver("tc66c"))
    check_line(AlignSection(marker_socket="x", marker_input=7), get_driver("ppk2"))
    with pytest.raises(ConfigurationError, match="a tc66c has no marker input"):
        check_line(AlignSection(marker_socket="x"), get_driver("tc66c"))
    with pytest.raises(ConfigurationError, match="marker_input = 1: a pico_ina228 has input 0 only"):
        check_line(AlignSection(marker_socket="x", marker_input=1), get_driver("pico_ina228"))


def test_every_line_is_one() -> None:
    lines: list[MarkerLine] = [
        GpiodLine("c", "1", module=package_of(Pin())),
        ModemLine("p", "dtr", handle=SimpleNamespace(rts=0, dtr=0, close=lambda: None)),
    ]
    assert [line.is_simulated for line in lines] == [False, False]


# --- playing -------------------------------------------------------------------------------------------------------


def test_a_pattern_is_played_at_its_times_until_it_is_stopped() -> None:
    pattern = StepPattern(((0.02, 0.05), (0.08, 0.09)), 0.01, 0.1)
    asked: list[float] = []

    def work_until(until_s: float) -> tuple[float, float]:
        asked.append(until_s)
        return until_s - 0.01, until_s

    began_s = host_time_s()
    busy = play_pattern(pattern, work_until, lambda: False)
    assert len(busy) == len(asked) == 2
    assert asked[1] - asked[0] == pytest.approx(0.04)
    assert host_time_s() - began_s >= 0.1
    assert play_pattern(pattern, work_until, lambda: True) == []
