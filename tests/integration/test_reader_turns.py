"""A reader that hangs is told from a meter that is silent or unplugged: the watchdog ends an agent for the first."""

import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from edge_agent.progress import READER_LIMIT_S, reader_fault
from firmware_bridge.driver import FieldValue, MeterDecoder, Options
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.loads import ConstantLoad
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import Event
from tests.fakes.delivery import wait_until


class Hanging:
    """A decoder that works until it is told to hang, and then until it is told not to."""

    def __init__(self, inner: MeterDecoder, may_go_on: threading.Event) -> None:
        self._inner, self._may_go_on = inner, may_go_on

    def last_fields(self) -> Mapping[str, FieldValue]:
        return self._inner.last_fields()

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        self._may_go_on.wait()
        return self._inner.feed(data, t_host_s)

    def bytes_to_send(self, t_host_s: float) -> bytes:
        return self._inner.bytes_to_send(t_host_s)

    def stop_bytes(self) -> bytes:
        return self._inner.stop_bytes()


def silent_s(meter: Meter) -> float:
    age_s = meter.reader_silent_s()
    assert age_s is not None
    return age_s


def test_only_a_reader_that_hangs_keeps_silent(tmp_path: Path) -> None:
    may_go_on = threading.Event()
    may_go_on.set()
    real = get_driver("tc66c")

    def make_decoder(options: Options) -> MeterDecoder:
        return Hanging(real.make_decoder(options), may_go_on)

    port = tmp_path / "tty"
    emulator = MeterEmulator(real, port, ConstantLoad(2.0), EmulatorSettings())
    meter = Meter(replace(real, make_decoder=make_decoder), str(port))
    assert meter.reader_silent_s() is None
    with closing(meter):
        with emulator:
            meter.open()
            try:
                may_go_on.clear()
                wait_until(lambda: silent_s(meter) > 2.0, "a reader that has not come round for two seconds")
            finally:
                may_go_on.set()
            wait_until(lambda: silent_s(meter) < 1.0, "the reader that goes on")
        # Unplugged: it looks for the port, and that is coming round.
        wait_until(lambda: not meter.health().connected, "the loss of the meter")
        assert silent_s(meter) < READER_LIMIT_S / 4.0
        assert reader_fault(meter.reader_silent_s) == ""
    assert meter.reader_silent_s() is None
