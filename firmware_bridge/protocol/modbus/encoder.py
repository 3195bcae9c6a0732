"""A register meter for emulation: it measures in refreshes, counts its energy, and answers what real ones answer.

Frames are made here with the project's own CRC, not with pymodbus, so that decoder and encoder check each other.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_bridge.protocol.crc import crc16_modbus
from firmware_bridge.protocol.modbus.poller import ANY_ADDRESS
from firmware_bridge.samples import F64, U8

SILENCE_S: Final = 0.05
"""A pause that ends a frame. The standard says 3.5 characters (15 ms at 2400 baud); hosts may write in pieces."""
MOST_REGISTERS: Final = 125
_READ_BYTES: Final = 8
RESET_ENERGY: Final = 0x42
"""Peacefair's own function: the energy counter begins anew at zero. The frame is address, function, CRC."""
_WRITE_MANY: Final = 0x10
_ILLEGAL_FUNCTION, _ILLEGAL_REGISTER, _ILLEGAL_VALUE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Shown:
    """What the meter shows: the means of the last refresh, and its energy counters in joules."""

    voltage_v: float = 0.0
    current_a: float = 0.0
    power_w: float = 0.0
    import_j: float = 0.0
    export_j: float = 0.0


RegisterTable = Mapping[int, int]
Layout = Callable[[Shown], Mapping[int, RegisterTable]]
"""Registers by function (3 and 4) and address; what is not in it does not exist."""


def framed(body: bytes) -> bytes:
    """Return a frame: the body and its CRC, low byte first."""
    return body + crc16_modbus(body).to_bytes(2, "little")


class ModbusMeterEncoder:
    """Speaks the meter's side. Silent before its first measurement, to other addresses, and at a wrong CRC.

    ``power_factor``: the share of the current that carries power; ``emit`` is fed that share, the meter shows all.
    ``starting_power_w``: below it the meter shows no current and no power, and counts none.
    ``peacefair``: it answers to the general address too, and takes the function that resets its energy.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        address: int,
        refresh_s: float,
        starting_power_w: float = 0.0,
        power_factor: float = 1.0,
        peacefair: bool = False,
    ) -> None:
        self._layout = layout
        self._address = address
        self._refresh_s = refresh_s
        self._starting_power_w = starting_power_w
        self._power_factor = power_factor
        self._peacefair = peacefair
        self._sums = np.zeros(4)
        self._last_s = math.nan
        self._refresh_at_s = -math.inf
        self._import_j = self._export_j = 0.0
        self._shown: Shown | None = None
        self._received = bytearray()
        self._heard_s = -math.inf

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no markers
        """Measure the samples; the registers change once in each refresh."""
        at = 0
        while at < len(t_device_s):
            end = max(int(np.searchsorted(t_device_s, self._refresh_at_s, side="right")), at)
            self._measure(t_device_s[at:end], voltage_v[at:end], current_a[at:end])
            if end < len(t_device_s):
                self._refresh(float(t_device_s[end]), voltage_v[at:], current_a[at:])
            at = end
        return b""

    def receive(self, data: bytes, t_device_s: float) -> bytes:
        """Answer the questions that are complete."""
        if t_device_s - self._heard_s > SILENCE_S:
            self._received.clear()
        self._heard_s = t_device_s
        self._received += data
        answers = b""
        while len(self._received) >= 2 and len(self._received) >= (length := self._length()):
            frame = bytes(self._received[:length])
            if crc16_modbus(frame):
                del self._received[0]
                continue
            del self._received[:length]
            answers += self._answer(frame)
        del self._received[: max(len(self._received) - 300, 0)]
        return answers

    def _measure(self, t_s: F64, voltage_v: F64, current_a: F64) -> None:
        """Add samples to the running means and to the energy."""
        if not len(t_s):
            return
        power_w = voltage_v * current_a
        first_s = t_s[0] if math.isnan(self._last_s) else self._last_s
        energy_j = power_w * np.maximum(np.diff(t_s, prepend=first_s), 0.0)
        self._sums += (len(t_s), voltage_v.sum(), current_a.sum(), power_w.sum())
        if abs(power_w.mean()) >= self._starting_power_w:
            self._import_j += float(energy_j[energy_j > 0.0].sum())
            self._export_j -= float(energy_j[energy_j < 0.0].sum())
        self._last_s = float(t_s[-1])

    def _refresh(self, t_s: float, voltage_v: F64, current_a: F64) -> None:
        """Show the means since the last refresh; at power-on, what there is to see."""
        count, volts, amperes, watts = self._sums.tolist()
        if not count:
            count, volts, amperes = 1.0, float(voltage_v[0]), float(current_a[0])
            watts = volts * amperes
        self._sums[:] = 0.0
        started = abs(watts / count) >= self._starting_power_w
        self._shown = Shown(
            voltage_v=volts / count,
            current_a=amperes / count / self._power_factor if started else 0.0,
            power_w=watts / count if started else 0.0,
            import_j=self._import_j,
            export_j=self._export_j,
        )
        late_s = t_s - self._refresh_at_s
        self._refresh_at_s = (
            self._refresh_at_s + self._refresh_s if late_s < self._refresh_s else t_s + self._refresh_s
        )

    def _length(self) -> int:
        """Return the bytes of the question that begins the buffer."""
        function = self._received[1]
        if function == RESET_ENERGY:
            return 4
        if function == _WRITE_MANY:
            return 9 + self._received[6] if len(self._received) > 6 else 9
        return _READ_BYTES

    def _answer(self, frame: bytes) -> bytes:
        address, function = frame[0], frame[1]
        if self._shown is None or address not in {
            self._address,
            ANY_ADDRESS if self._peacefair else self._address,
        }:
            return b""
        if function == RESET_ENERGY and self._peacefair:
            self._import_j = self._export_j = 0.0
            self._shown = Shown(self._shown.voltage_v, self._shown.current_a, self._shown.power_w)
            return frame
        if function not in {3, 4}:
            return framed(bytes((address, function | 0x80, _ILLEGAL_FUNCTION)))
        first, count = int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big")
        if not 1 <= count <= MOST_REGISTERS:
            return framed(bytes((address, function | 0x80, _ILLEGAL_VALUE)))
        table = self._layout(self._shown).get(function, {})
        if any(register not in table for register in range(first, first + count)):
            return framed(bytes((address, function | 0x80, _ILLEGAL_REGISTER)))
        values = b"".join(table[register].to_bytes(2, "big") for register in range(first, first + count))
        return framed(bytes((address, function, len(values))) + values)
