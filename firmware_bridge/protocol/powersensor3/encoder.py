"""The PowerSensor3's side of its protocol: one-byte commands in, configuration and frames out. Pure, seeded.

One module sits on pair 0. Six conversions with noise are averaged and cut to a whole level, as the firmware does: 5/12
of a level too low on the mean. The stored vref is what psconfig finds at zero input with that same cut, which takes
the bias out. Not played: writing a configuration (W), single sets (I), the conversion counter (Q), the wait before X.
"""

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.driver import Options
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.powersensor3.format import (
    CURRENT_SENSORS_V_PER_A,
    MAX_LEVEL,
    SENSORS,
    STAMP_PERIOD,
    VOLTS_PER_LEVEL,
    Sensor,
    frames,
)
from firmware_bridge.samples import F64, U8

ZERO_CURRENT_V = 1.65
_AVERAGED = 6
_HOST_TIMEOUT_S = 2.0

OPTIONS = {
    "pairs": "pairs whose power is summed: all, or their numbers as in '0,2' (default all that are switched on)",
    **{
        f"pair{pair}": f"listening: pair {pair} as 'MLX10,0.0877' (sensor type or V/A, gain of the voltage; then the "
        "vref of each in V, default 1.65 and 0), where the bytes hold no configuration (default none)"
        for pair in range(SENSORS // 2)
    },
    "current_sensor": "emulation: MLX10, MLX20, MLX50 or MLX75 (default MLX10)",
    "voltage_gain": "emulation: volts at the converter for one volt, 0.01 to 1 (default 0.0877: 37 V)",
    "noise_levels": "emulation: standard deviation of one conversion, in levels, 0 to 50 (default 1)",
}


class PowerSensor3Encoder:
    """A PowerSensor3 that has just been plugged in."""

    def __init__(self, options: Options, seed: int) -> None:
        read = OptionReader("powersensor3", options, OPTIONS)
        kind = read.choice("current_sensor", "mlx10", tuple(name.lower() for name in CURRENT_SENSORS_V_PER_A)).upper()
        gain = read.number("voltage_gain", 0.0877, low=0.01, high=1.0)
        self._noise_levels = read.number("noise_levels", 1.0, low=0.0, high=50.0)
        self._random = np.random.default_rng(seed)
        sensitivity = CURRENT_SENSORS_V_PER_A[kind]
        self._analog = ((ZERO_CURRENT_V, sensitivity), (0.0, gain))
        bias_v = (_AVERAGED - 1) / 2 / _AVERAGED * VOLTS_PER_LEVEL
        unused = Sensor("", "", 0.0, 0.0, in_use=False)
        self.sensors = (
            Sensor(kind, "USB-C", ZERO_CURRENT_V - bias_v, sensitivity, in_use=True),
            Sensor("voltage", "USB-C", -bias_v, gain, in_use=True),
            *([unused] * (SENSORS - 2)),
        )
        self._began_s = 0.0
        self._asked_s = 0.0
        self._streaming = False
        self._unsent: list[bytes] = []
        self._markers = 0

    def receive(self, data: bytes, t_device_s: float) -> bytes:
        """Carry out one-byte commands; while the configuration is read, any byte asks for the next record."""
        self._give_up_waiting(t_device_s)
        answer = b""
        for command in data:
            if self._unsent:
                answer += self._unsent.pop(0)
                self._asked_s = t_device_s
            elif command == ord("R"):
                answer += self.sensors[0].pack()
                self._unsent = [*(sensor.pack() for sensor in self.sensors[1:]), b"D"]
                self._asked_s = t_device_s
            elif command == ord("V"):
                answer += b"F411-1.6.1\r\n"
            elif command == ord("M"):
                self._markers += 1
            elif command == ord("Z"):
                self._reset(t_device_s)
            elif command in b"STX":
                self._streaming = command == ord("S")
                answer += b"\xff\x3f\xff\x3f" if command == ord("X") else b""
        return answer

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:
        """Return one frame for each sample while the stream runs; bit 0 of ``logic`` marks its frame, as M does."""
        self._give_up_waiting(float(t_device_s[-1]))
        if not self._streaming:
            return b""
        count = len(t_device_s)
        sensor_levels = np.zeros((count, SENSORS), dtype=np.uint16)
        for index, values in enumerate((current_a, voltage_v)):
            sensor_levels[:, index] = self._convert(values, *self._analog[index])
        stamps = (np.rint((t_device_s - self._began_s) * 1e6).astype(np.int64) % STAMP_PERIOD).astype(np.uint16)
        marked = np.arange(count) < self._markers
        self._markers = max(0, self._markers - count)
        if logic is not None:
            marked |= (logic & np.uint8(1)) != 0
        return frames(stamps, sensor_levels, marked)

    def _convert(self, values: F64, vref_v: float, sensitivity: float) -> NDArray[np.uint16]:
        exact = (vref_v + values * sensitivity) / VOLTS_PER_LEVEL
        noise = self._noise_levels * self._random.standard_normal((_AVERAGED, len(values)))
        conversions = np.clip(np.rint(exact + noise), 0, MAX_LEVEL).astype(np.int64)
        averaged: NDArray[np.uint16] = (conversions.sum(axis=0) // _AVERAGED).astype(np.uint16)
        return averaged

    def _give_up_waiting(self, t_device_s: float) -> None:
        """Reset after two seconds without the host's byte in the middle of a configuration, as the firmware does."""
        if self._unsent and t_device_s - self._asked_s > _HOST_TIMEOUT_S:
            self._reset(t_device_s)

    def _reset(self, t_device_s: float) -> None:
        self._began_s = t_device_s
        self._streaming = False
        self._unsent = []
        self._markers = 0
