"""The LPM01A's side of its protocol: commands answered, samples with stamps in both formats."""

import numpy as np

from firmware_bridge.protocol.lpm01a.format import (
    STAMP_SAMPLES,
    decimal_lines,
    pack_mark,
    pack_stamp,
    stamp_line,
    words_of,
)
from firmware_bridge.protocol.lpm01a.options import Lpm01aSettings
from firmware_bridge.samples import F64, U8

_PROMPT = b"\r\nPowerShield > "
_COMMANDS = frozenset(
    {"htc", "hrc", "version", "acqmode", "funcmode", "output", "format", "freq", "acqtime", "trigsrc"}
    | {"pwrend", "volt", "start", "stop"}
)
_TEMPERATURE_C = 28
_STAMPS_PER_TEMPERATURE = 100
_LINE_LIMIT_BYTES = 128
_EARLY_RATIO = 1e-3


class Lpm01aEncoder:
    """An LPM01A that measures the mean of each of its own sample intervals; a static acquisition takes a second."""

    def __init__(self, settings: Lpm01aSettings) -> None:
        self._settings = settings
        self._received = b""
        self._millivolts = round(settings.voltage_v * 1000)
        self._format = str(settings.format)
        self._rate_hz = float(settings.frequency_hz)
        self._started_s: float | None = None
        self._sent = 0
        self._number = 0
        self._sum_a = 0.0
        self._summed = 0

    def receive(self, data: bytes, t_device_s: float) -> bytes:
        """Answer each complete line."""
        *lines, rest = (self._received + data).split(b"\n")
        self._received = rest[-_LINE_LIMIT_BYTES:]
        return b"".join(self._answer(line.decode("ascii", "replace").strip(), t_device_s) for line in lines)

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:  # noqa: ARG002 no voltage, no markers
        """Return the samples that are complete, with their stamps, while an acquisition runs."""
        if self._started_s is None or not len(t_device_s):
            return b""
        position = (t_device_s - self._started_s) * self._rate_hz
        return (
            self._static(position, current_a) if self._settings.mode == "stat" else self._dynamic(position, current_a)
        )

    def _dynamic(self, position: F64, current_a: F64) -> bytes:
        numbers = np.ceil(position - _EARLY_RATIO).astype(np.int64)
        after = self._number
        usable = numbers > after
        numbers, current_a = numbers[usable], current_a[usable]
        if not len(numbers):
            return b""
        done = int(numbers[-1]) if position[-1] >= numbers[-1] - _EARLY_RATIO else int(numbers[-1]) - 1
        counts = np.bincount(numbers - after - 1, minlength=1).astype(np.float64)
        sums = np.bincount(numbers - after - 1, weights=current_a, minlength=1)
        counts[0] += self._summed
        sums[0] += self._sum_a
        complete = max(done - after, 0)
        self._summed, self._sum_a = (int(counts[-1]), float(sums[-1])) if complete < len(counts) else (0, 0.0)
        self._number = after + complete
        measured = np.flatnonzero(counts[:complete])
        return self._write(sums[measured] / counts[measured])

    def _write(self, current_a: F64) -> bytes:
        """Return the samples, and a stamp behind each thousandth."""
        pieces: list[bytes] = []
        at = 0
        while at < len(current_a):
            take = min(STAMP_SAMPLES - self._sent % STAMP_SAMPLES, len(current_a) - at)
            pieces.append(self._samples(current_a[at : at + take]))
            self._sent += take
            at += take
            if not self._sent % STAMP_SAMPLES:
                pieces.append(self._stamp())
        return b"".join(pieces)

    def _samples(self, current_a: F64) -> bytes:
        if self._format == "ascii_dec":
            return b"".join(decimal_lines(current_a))
        words: bytes = words_of(current_a).astype(">u2").tobytes()
        return words

    def _stamp(self) -> bytes:
        milliseconds = round(self._sent * 1000 / self._rate_hz)
        if self._format == "ascii_dec":
            return stamp_line(milliseconds)
        stamp = pack_stamp(milliseconds)
        if not self._sent:
            stamp += pack_mark(0xF7, self._millivolts.to_bytes(2, "big"))
        if not self._sent // STAMP_SAMPLES % _STAMPS_PER_TEMPERATURE:
            stamp += pack_mark(0xF8, _TEMPERATURE_C.to_bytes(2, "big", signed=True))
        return stamp

    def _static(self, position: F64, current_a: F64) -> bytes:
        """Return one value, and the end, once the acquisition has had its second."""
        self._sum_a += float(current_a.sum())
        self._summed += len(current_a)
        if position[-1] < self._rate_hz:
            return b""
        self._started_s = None
        mean_a = np.array([self._sum_a / self._summed])
        return b"".join(decimal_lines(mean_a)) + b"end\r\n" + _PROMPT + b"Acquisition completed\r\n\r\n"

    def _answer(self, line: str, t_device_s: float) -> bytes:
        name, _, argument = line.partition(" ")
        if not name:
            return b""
        if name not in _COMMANDS:
            return _PROMPT + b"error: Command unknown\r\n\r\n"
        said = f"ack {line}"
        if name == "version":
            said = "ack version: 1.0.6"
        elif name == "format":
            self._format = argument
        elif name == "volt" and argument == "get":
            said = f"ack volt get {self._millivolts:04d}-03"
        elif name == "volt":
            self._millivolts = int(argument.removesuffix("m"))
        answer = _PROMPT + said.encode() + b"\r\n\r\n"
        if name == "start":
            self._started_s, self._sent, self._number, self._summed, self._sum_a = t_device_s, 0, 0, 0, 0.0
            return answer + self._stamp()
        if name == "stop" and self._started_s is not None:
            self._started_s = None
            return self._end() + answer
        return answer

    def _end(self) -> bytes:
        end = b"end\r\n" if self._format == "ascii_dec" else pack_mark(0xF4)
        return end + b"summary beg\r\nsummary end\r\n" + _PROMPT + b"Acquisition completed\r\n\r\n"
