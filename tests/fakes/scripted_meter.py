"""A meter whose every sample the test sends itself: what arrived is then known to the last joule."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from firmware_bridge.stream import host_time_s
from firmware_bridge.terminal import PseudoTerminal
from tests.fakes.counter_meter import FRAME, INTERVAL_S, CounterEncoder

VOLTAGE_V = 5.0
TICK_S = 0.02


class ScriptedMeter:
    """Speaks the protocol of ``counter_meter`` at ``link``, in the thread of the test. Plugged on entry."""

    def __init__(self, link: Path) -> None:
        self._terminal = PseudoTerminal(link)
        self._encoder = CounterEncoder({}, 0)
        self.energy_j = 0.0
        self.frames = 0

    def __enter__(self) -> Self:
        self._terminal.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._terminal.unplug()

    def plug(self) -> None:
        """Come back, under a path of the system's choice behind the same link."""
        self._encoder = CounterEncoder({}, 0)
        self._terminal.plug()

    def unplug(self) -> None:
        """Let the host read what was sent, then pull the cable."""
        time.sleep(0.2)
        self._terminal.unplug()

    def wait_for_host(self, timeout_s: float = 10.0) -> float:
        """Answer nothing until the host starts the stream; return how long that took."""
        began_s = host_time_s()
        while host_time_s() < began_s + timeout_s:
            try:
                data = self._terminal.read()
            except BlockingIOError:
                time.sleep(0.002)
                continue
            self._encoder.receive(data, 0.0)
            if b"G" in data:
                return host_time_s() - began_s
        raise AssertionError("the host did not come")

    def stream(self, seconds: float, power_w: float) -> None:
        """Send whole frames at their pace and add up what they say."""
        per_tick = round(TICK_S / INTERVAL_S)
        due_s = host_time_s()
        for _ in range(round(seconds / TICK_S)):
            frames = self._frames(per_tick, power_w)
            self.energy_j += sum(volts * amperes * INTERVAL_S for *_, volts, amperes in FRAME.iter_unpack(frames))
            self.frames += per_tick
            data = bytearray(frames)
            while data:
                self._terminal.write(data)
            due_s += TICK_S
            time.sleep(max(due_s - host_time_s(), 0.0))

    def send_part_of_a_frame(self) -> None:
        """Send seven bytes of twelve."""
        self._terminal.write(bytearray(self._frames(1, VOLTAGE_V)[:7]))

    def _frames(self, count: int, power_w: float) -> bytes:
        t_s = np.arange(count, dtype=np.float64)
        return self._encoder.emit(t_s, np.full(count, VOLTAGE_V), np.full(count, power_w / VOLTAGE_V))
