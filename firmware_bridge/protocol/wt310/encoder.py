"""A WT310E's side of its protocol: settings taken, one line for each question, auto ranges, INF above them."""

import math
from typing import Final

import numpy as np

from firmware_bridge.protocol.wt310.format import (
    CURRENT_RANGES_A,
    OVER_RANGE_RATIO,
    UPDATED_BIT,
    VOLTAGE_RANGES_V,
    format_number,
)
from firmware_bridge.samples import F64, U8

UP_RATIO: Final = 1.3
DOWN_RATIO: Final = 0.3
NEXT_LOWER_RATIO: Final = 1.25
"""Auto range: IM WT310E-01EN p. 2-7."""
ZERO_RATIO: Final = 0.005
_LIMIT_BYTES: Final = 512
_RATES_S: Final = {"100MS": 0.1, "250MS": 0.25, "500MS": 0.5}
_EDGE_S: Final = 1e-6


class AutoRange:
    """One input's range: up above 130 %, down below 30 % where the next lower one fits."""

    def __init__(self, ranges: tuple[float, ...]) -> None:
        self._ranges = ranges
        self._place = 0

    @property
    def value(self) -> float:
        """Return the active range."""
        return self._ranges[self._place]

    def follow(self, value: float) -> None:
        """Switch as often as the value asks for."""
        while self._place + 1 < len(self._ranges) and value > UP_RATIO * self.value:
            self._place += 1
        while (
            self._place
            and value <= DOWN_RATIO * self.value
            and value <= NEXT_LOWER_RATIO * self._ranges[self._place - 1]
        ):
            self._place -= 1

    def shown(self, value: float) -> float:
        """Return what the display shows: zero below 0.5 % of the range, infinite above 140 %."""
        if value > OVER_RANGE_RATIO * self.value:
            return math.inf
        return 0.0 if value < ZERO_RATIO * self.value else value


class Wt310Encoder:
    """Measures over each update interval: rms of U and I, mean of P."""

    def __init__(self, seed: int) -> None:
        self._serial_number = f"C2TE{10_000 + seed % 90_000}E"
        self._received = b""
        self._update_s = 0.25
        self._updated_s: float | None = None
        self._events = 0
        self._voltage = AutoRange(VOLTAGE_RANGES_V)
        self._current = AutoRange(CURRENT_RANGES_A)
        self._sums = np.zeros(4)
        self._latest: tuple[float, float, float] | None = None
        self._integrator = "RESET"
        self._energy_j = 0.0
        self._last_sample_s: float | None = None

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no markers
        """Measure; the reading waits for its question."""
        power_w = voltage_v * current_a
        columns = np.stack((np.ones(len(t_device_s)), voltage_v**2, current_a**2, power_w))
        before_s = t_device_s[0] if self._last_sample_s is None else self._last_sample_s
        if self._integrator == "START":
            self._energy_j += float(power_w @ np.diff(t_device_s, prepend=before_s))
        self._last_sample_s = float(t_device_s[-1])
        if self._updated_s is None:  # it was on before: the first reading is there at once
            self._updated_s = float(t_device_s[-1]) - self._update_s
        at = 0
        while t_device_s[-1] >= self._updated_s + self._update_s - _EDGE_S:
            self._updated_s += self._update_s
            cut = int(np.searchsorted(t_device_s, self._updated_s + _EDGE_S))
            self._sums += columns[:, at:cut].sum(axis=1)
            self._update()
            at = cut
        self._sums += columns[:, at:].sum(axis=1)
        return b""

    def receive(self, data: bytes, t_device_s: float) -> bytes:  # noqa: ARG002 a meter without a clock
        """Carry out each line; the answers to the questions in one line come as one line."""
        *lines, rest = (self._received + data).split(b"\n")
        self._received = rest[-_LIMIT_BYTES:]
        answers = b""
        for line in lines:
            units = [unit.strip().upper().lstrip(":") for unit in line.decode("ascii", "replace").split(";")]
            said = [answer for unit in units if (answer := self._answer(unit))]
            answers += (";".join(said) + "\r\n").encode() if said else b""
        return answers

    def _update(self) -> None:
        count, volts_sq, amperes_sq, watts = self._sums
        self._sums[:] = 0.0
        if not count:
            return
        volts, amperes, watts = (volts_sq / count) ** 0.5, (amperes_sq / count) ** 0.5, watts / count
        self._voltage.follow(volts)
        self._current.follow(amperes)
        self._latest = (volts, amperes, watts)
        self._events |= UPDATED_BIT

    def _answer(self, unit: str) -> str:
        name, _, argument = unit.partition(" ")
        if name == "RATE":
            self._update_s = _RATES_S.get(argument, self._update_s)
        elif name == "INTEG:STAR":
            self._integrator = "START"
        elif name == "STAT:EESR?":
            events, self._events = self._events, 0
            return str(events)
        answers = {
            "*IDN?": f"YOKOGAWA,WT310E,{self._serial_number},F1.03",
            "NUM:NORM:NUM?": "8",
            "NUM:NORM:VAL?": self._values(),
            "INP:VOLT:RANG?": format_number(self._voltage.value, 4),
            "INP:CURR:RANG?": format_number(self._current.value, 4),
            "INP:MODE?": "RMS",
            "INP:CFAC?": "3",
            "RATE?": format_number(self._update_s, 4),
            "INTEG:STAT?": self._integrator,
        }
        return answers.get(name, "")

    def _values(self) -> str:
        if self._latest is None:
            return ",".join(["NAN"] * 8)
        volts, amperes = self._voltage.shown(self._latest[0]), self._current.shown(self._latest[1])
        watts = self._latest[2]
        apparent = volts * amperes if math.isfinite(volts + amperes) else math.inf
        if not math.isfinite(apparent):
            watts = reactive = factor = math.inf
        else:
            reactive = max(apparent**2 - watts**2, 0.0) ** 0.5
            factor = watts / apparent if apparent else math.inf
        energy_wh = self._energy_j / 3600.0 if self._integrator == "START" else math.nan
        shown = (volts, amperes, watts, apparent, reactive, factor, 50.0)
        return ",".join([*(format_number(one) for one in shown), format_number(energy_wh, 6)])
