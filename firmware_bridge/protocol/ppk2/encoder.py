"""The PPK2's side of its protocol: commands in, metadata and words out. Pure, seeded.

What is known: the commands, the metadata's keys, the word. Assumptions: a voltage outside 800 to 5000 mV is ignored;
a user gain changes what the metadata says and nothing in the words; with the power off, the current is zero.
"""

import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.driver import Options
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.ppk2.format import (
    CONSTANTS,
    COUNTER_PERIOD,
    FULL_SCALE,
    RANGE_ENDS_A,
    RANGES,
    current_table_a,
)
from firmware_bridge.samples import F64, U8

OPTIONS = {
    "mode": "ampere (the device has its own supply) or source (this meter supplies it) (default ampere)",
    "voltage_mv": "supply of the device, 800 to 5000: set in source mode, declared in ampere mode (default 5000)",
    "dut_power": "on, until_stop (on, and off again at the end) or off (default on)",
    "spike_filter": "replace the samples after a range change by a running mean, as Nordic does (default true)",
    "settle_s": "seconds to leave out after each start, 0 to 60: see placeholders (default 0)",
    "metadata": "constants for listening, 'R0: 1031.6; GS0: ...', where the bytes hold none (default none)",
    "noise_ratio": "emulation: standard deviation of each sample's current, relative, 0 to 0.5 (default 0.002)",
}

# Constants of the size that real units report; the resistors are those of Nordic's application.
_NOMINAL = {
    "R": (1031.64, 101.65, 10.15, 0.94, 0.043),
    "GS": (0.0, 110.0, 18.0, 2.4, 0.07),
    "GI": (1.0, 0.97, 0.96, 0.95, 0.96),
    "O": (110.0, 75.0, 65.0, 50.0, 90.0),
    "S": (5e-8, 6e-8, 3e-7, 1e-6, 2e-5),
    "I": (-1e-7, -1e-8, 1e-7, 1e-6, 1e-5),
    "UG": (1.0,) * RANGES,
}


class Ppk2Encoder:
    """A PPK2 with constants of its own (drawn from the seed), choosing the smallest range that fits each sample."""

    def __init__(self, options: Options, seed: int) -> None:
        read = OptionReader("ppk2", options, OPTIONS)
        self._random = np.random.default_rng(seed)
        self._noise_ratio = read.number("noise_ratio", 0.002, low=0.0, high=0.5)
        self._voltage_mv = round(read.number("voltage_mv", 5000, low=800, high=5000))
        self.constants = self._draw_constants()
        self._table_a = self._make_table()
        self._counter = int(self._random.integers(COUNTER_PERIOD))
        self._received = b""
        self._mode = 2
        self._powered = self._streaming = False

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 a meter without a clock
        """Carry out the commands that are complete; unknown bytes are ignored, as the meter does."""
        self._received += data
        answer = b""
        commands: dict[int, tuple[int, Callable[[bytes], bytes]]] = {
            0x06: (0, self._start),
            0x07: (0, self._stop),
            0x0C: (1, self._set_power),
            0x0D: (2, self._set_voltage),
            0x11: (1, self._set_mode),
            0x19: (0, lambda _: self.metadata()),
            0x20: (0, self._reset),
            0x25: (5, self._set_gain),
        }
        while self._received:
            length, act = commands.get(self._received[0], (0, lambda _: b""))
            if len(self._received) <= length:
                break
            argument, self._received = self._received[1 : 1 + length], self._received[1 + length :]
            answer += act(argument)
        return answer

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no voltage
        """Return one word for each sample while the stream runs."""
        if not self._streaming:
            return b""
        if not self._powered:
            current_a = np.zeros_like(current_a)
        current_a = current_a * (1.0 + self._noise_ratio * self._random.standard_normal(len(current_a)))
        ranges = np.searchsorted(RANGE_ENDS_A[:-1], current_a).astype(np.uint32)
        codes = np.zeros(len(current_a), dtype=np.uint32)
        for index in range(RANGES):
            chosen = ranges == index
            codes[chosen] = self._nearest_code(index, current_a[chosen])
        counters = (self._counter + np.arange(len(current_a), dtype=np.uint32)) % COUNTER_PERIOD
        self._counter = (self._counter + len(current_a)) % COUNTER_PERIOD
        words = codes | (ranges << np.uint32(14)) | (counters << np.uint32(18))
        if logic is not None:
            words |= logic.astype(np.uint32) << np.uint32(24)
        stream: bytes = words.astype("<u4").tobytes()
        return stream

    def metadata(self) -> bytes:
        """Return the calibration text as the meter prints it."""
        lines = ["Calibrated: 1", *(f"{key}: {value:.9f}" for key, value in self.constants.items())]
        lines += [f"VDD: {self._voltage_mv}", "HW: 9173", f"mode: {self._mode}", "IA: 56"]
        return ("\n".join(lines) + "\nEND\n").encode("ascii")

    def _draw_constants(self) -> dict[str, float]:
        return {
            f"{name}{index}": round(value * (1.0 + spread * float(self._random.uniform(-1, 1))), 9)
            for name in CONSTANTS
            for spread in (0.0 if name == "UG" else 0.03,)
            for index, value in enumerate(_NOMINAL[name])
        }

    def _make_table(self) -> F64:
        """Return the current of each range and code, shape (5, 16384): what the analogue part does, user gain 1."""
        unscaled = {**self.constants, **{f"UG{index}": 1.0 for index in range(RANGES)}}
        table = current_table_a(unscaled, self._voltage_mv / 1000.0)
        return table[: RANGES * (FULL_SCALE + 1)].reshape(RANGES, FULL_SCALE + 1)

    def _nearest_code(self, index: int, current_a: F64) -> NDArray[np.uint32]:
        """Return the ADC code whose current is nearest; beyond the range's end it is the full-scale one."""
        row = self._table_a[index, :FULL_SCALE]
        middle = (row[1:] + row[:-1]) / 2
        codes: NDArray[np.uint32] = np.searchsorted(middle, current_a).astype(np.uint32)
        codes[current_a > row[-1]] = FULL_SCALE
        return codes

    def _start(self, _: bytes) -> bytes:
        self._streaming = True
        return b""

    def _stop(self, _: bytes) -> bytes:
        self._streaming = False
        return b""

    def _set_power(self, argument: bytes) -> bytes:
        self._powered = argument == b"\x01"
        return b""

    def _set_mode(self, argument: bytes) -> bytes:
        self._mode = argument[0]
        return b""

    def _set_voltage(self, argument: bytes) -> bytes:
        voltage_mv = int.from_bytes(argument, "big")
        if 800 <= voltage_mv <= 5000:
            self._voltage_mv = voltage_mv
            self._table_a = self._make_table()
        return b""

    def _set_gain(self, argument: bytes) -> bytes:
        index, gain = struct.unpack("<Bf", argument)
        if index < RANGES:
            self.constants[f"UG{index}"] = gain
        return b""

    def _reset(self, _: bytes) -> bytes:
        """Begin anew: no stream, no power, the counter at zero."""
        self._received, self._counter = b"", 0
        self._powered = self._streaming = False
        return b""
