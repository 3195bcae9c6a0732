"""From the LPM01A's bytes to numbered samples: time stamps say which are missing, and where words begin.

Binary samples are held until the stamp behind them has come (1000 samples, 10 ms at 100 kHz): only then is it known
that no byte of them was lost, since the words have no mark of their own. Where bytes are missing or too many, words
are read from the stamp before and back from the stamp behind, as far as they are like those of the block before.
Text carries its own line ends, so its samples are handed on at once and counted at the next stamp.
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.protocol.lpm01a.format import (
    HEADER,
    STAMP_BITS,
    STAMP_SAMPLES,
    WORD_BYTES,
    Mark,
    clean_text,
    decimals_a,
    mark_at,
    stamp_of_line,
    word_table_a,
)
from firmware_bridge.samples import F64, FrameError

PAYLOAD_LIMIT_BYTES: Final = 4 * STAMP_SAMPLES * WORD_BYTES
LINE_LIMIT_BYTES: Final = 256
HELD_LIMIT_SAMPLES: Final = 2 * STAMP_SAMPLES
TRUSTED_JUMP_S: Final = 2.0
FREQUENCIES_HZ: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
_SAMPLE_LINES: Final = re.compile(rb"\x00*((?:[0-9]{4}[+-][0-9]{2}\r\n)+)")
_SAMPLE_LINE_BYTES: Final = 9
_EDGE_WORDS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Consecutive currents, shape ``(n,)``, NaN where one is not known; ``first`` is the number of the first."""

    first: int
    current_a: F64


Found = Run | Mark | FrameError


class SampleStream(Protocol):
    """What both formats are: bytes in, runs and marks and errors out, in order."""

    def feed(self, data: bytes, t_host_s: float) -> list[Found]:
        """Take bytes in any chunking; bounded memory, never raises on bad bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """What one stamp says. ``samples``: how many belong before it; ``missing``: lost earlier, known only now."""

    samples: int
    missing: int = 0
    errors: tuple[FrameError, ...] = ()


class StampClock:
    """Turns the milliseconds of stamps into numbers of samples.

    A stamp has no check sum. One that does not fit a whole number of received samples is believed only when the
    next one agrees with it; else it was damaged.
    """

    def __init__(self, frequency_hz: int) -> None:
        self._frequency_hz = frequency_hz
        self._block_ms = STAMP_SAMPLES * 1000 / frequency_hz
        self._last_ms: int | None = None
        self._suspect_ms: int | None = None
        self._is_confirmed = False

    def begin(self, milliseconds: int) -> None:
        """Take the first stamp."""
        self._last_ms = milliseconds

    def step(self, milliseconds: int, received: float, t_host_s: float) -> Step:
        """Take the stamp behind ``received`` samples, as counted from their bytes (a half: not a whole word)."""
        assert self._last_ms is not None
        arrived = max(1, round(received / STAMP_SAMPLES))
        blocks = self._blocks_between(self._last_ms, milliseconds)
        errors: tuple[FrameError, ...] = ()
        if self._suspect_ms is not None:
            jumped = self._blocks_between(self._last_ms, self._suspect_ms)
            agrees = self._blocks_between(self._suspect_ms, milliseconds) == arrived
            self._suspect_ms = None
            if blocks != arrived and agrees:
                self._last_ms = milliseconds
                back = FrameError("reset", 1, t_host_s, "the meter's time stamps went back")
                return Step(arrived * STAMP_SAMPLES, max(jumped, 0) * STAMP_SAMPLES, () if jumped > 0 else (back,))
            detail = "a time stamp that neither neighbour agrees with"
            errors = (FrameError("implausible", 1, t_host_s, detail),)
        whole = received == arrived * STAMP_SAMPLES
        if not self._is_confirmed and whole and blocks != arrived:
            wrong = self._other_frequency(milliseconds, arrived, t_host_s)
            if wrong is not None:
                self._last_ms = milliseconds
                return Step(0, errors=(wrong,))
        trusted = not whole and 1 <= blocks * self._block_ms <= TRUSTED_JUMP_S * 1000
        if blocks == arrived or (trusted and blocks > 0):
            self._last_ms, self._is_confirmed = milliseconds, True
            return Step(blocks * STAMP_SAMPLES, errors=errors)
        self._suspect_ms = milliseconds
        self._last_ms = (self._last_ms + round(arrived * self._block_ms)) & STAMP_BITS
        return Step(arrived * STAMP_SAMPLES, errors=errors)

    def _blocks_between(self, first_ms: int, second_ms: int) -> int:
        """Return the whole blocks between two stamps, negative where the second is earlier."""
        apart_ms = (second_ms - first_ms) & STAMP_BITS
        if apart_ms > STAMP_BITS // 2:
            apart_ms -= STAMP_BITS + 1
        return round(apart_ms / self._block_ms)

    def _other_frequency(self, milliseconds: int, blocks_received: int, t_host_s: float) -> FrameError | None:
        assert self._last_ms is not None
        apart_ms = milliseconds - self._last_ms
        actual_hz = STAMP_SAMPLES * 1000 * blocks_received / apart_ms if apart_ms > 0 else 0
        if actual_hz not in FREQUENCIES_HZ:
            return None
        detail = (
            f"{STAMP_SAMPLES} samples took {apart_ms / blocks_received:g} ms, so the meter runs at {actual_hz:g} Hz, "
            f"not {self._frequency_hz}; give the option frequency_hz={actual_hz:g}"
        )
        return FrameError("protocol", 1, t_host_s, detail)


class BinaryStream:
    """Format bin_hexa: words between stamps. ``ceiling_a``: a larger current is taken for damage."""

    def __init__(self, frequency_hz: int, ceiling_a: float) -> None:
        self._clock = StampClock(frequency_hz)
        self._table_a = word_table_a(ceiling_a)
        self._buffer = bytearray()
        self._payload = bytearray()
        self._dropped = 0
        self._overflowed = False
        self._synced = False
        self._count = 0
        self._near_a = 0.0
        self._exponents: NDArray[np.bool_] | None = None

    def feed(self, data: bytes, t_host_s: float) -> list[Found]:
        """Take bytes; return what stands before the last stamp. Holds at most four blocks."""
        self._buffer += data
        found: list[Found] = []
        at = 0
        while (header := HEADER.search(self._buffer, at)) is not None:
            mark = mark_at(self._buffer, header.start())
            if mark == "incomplete":
                self._keep(self._buffer[at : header.start()])
                at = header.start()
                break
            if isinstance(mark, str):
                self._keep(self._buffer[at : header.start() + 1])
                at = header.start() + 1
                continue
            self._keep(self._buffer[at : header.start()])
            at = mark.end
            found += self._take_mark(mark, t_host_s)
        else:
            end = len(self._buffer) - self._buffer.endswith(b"\xf0")
            self._keep(self._buffer[at:end])
            at = end
        del self._buffer[:at]
        if self._dropped:
            found.append(FrameError("desync", self._dropped, t_host_s, "too many bytes without a time stamp"))
            self._dropped = 0
        return found

    def _keep(self, piece: bytearray) -> None:
        """Hold the bytes of a block; a block that cannot be one is given up to the byte, however it is cut."""
        if not self._overflowed and len(self._payload) + len(piece) <= PAYLOAD_LIMIT_BYTES:
            self._payload += piece
            return
        self._dropped += len(self._payload) + len(piece)
        self._payload.clear()
        self._overflowed = True

    def _take_mark(self, mark: Mark, t_host_s: float) -> list[Found]:
        if mark.kind not in {"stamp", "end"}:
            return [mark]
        payload, self._payload = bytes(self._payload), bytearray()
        found: list[Found] = []
        if not self._synced:
            found += _without_stamp(payload, t_host_s)
            if mark.kind == "stamp":
                self._clock.begin(mark.value)
        elif mark.kind == "end":
            found += self._resolve(payload, len(payload) // WORD_BYTES, t_host_s)
        else:
            received = 0.5 if self._overflowed else len(payload) / WORD_BYTES
            step = self._clock.step(mark.value, received, t_host_s)
            found += step.errors
            if step.missing:
                self._count += step.missing
                found.append(FrameError("lost", step.missing, t_host_s, "found by the time stamps"))
            found += self._resolve(payload, step.samples, t_host_s) if step.samples else []
        self._synced, self._overflowed = mark.kind == "stamp", False
        return [*found, mark]

    def _resolve(self, payload: bytes, expected: int, t_host_s: float) -> list[Found]:
        """Return the samples of one block, numbered; ``expected`` of them belong there.

        In a damaged block, words read from the wrong byte can be currents too. Their exponent is the middle of a
        number, so a word with an exponent that the last whole block had not is taken for one of them: where the load
        itself has changed its size, samples are lost instead. Before a whole block the words beside the stamps serve.
        """
        first = self._count + 1
        self._count += expected
        if len(payload) == expected * WORD_BYTES:
            words = np.frombuffer(payload, dtype=">u2")
            current_a: F64 = self._table_a[words]
            self._exponents = np.bincount(words >> 12, minlength=16) > 0
            return self._noted(Run(first, current_a), t_host_s)
        words_ahead = np.frombuffer(payload[: len(payload) // WORD_BYTES * WORD_BYTES], dtype=">u2")
        words_back = np.frombuffer(payload[len(payload) % WORD_BYTES :], dtype=">u2")
        known = self._exponents
        if known is None:
            beside_stamps = np.concatenate((words_ahead[:_EDGE_WORDS], words_back[-_EDGE_WORDS:]))
            known = np.bincount(beside_stamps >> 12, minlength=16) > 0
        ahead, back = (np.where(known[one >> 12], self._table_a[one], np.nan) for one in (words_ahead, words_back))
        head, tail = _join(ahead, back, expected, self._near_a)
        lost = expected - head - tail
        surplus = len(payload) - WORD_BYTES * (head + tail)
        found: list[Found] = []
        if surplus:
            found.append(FrameError("desync", surplus, t_host_s))
        if head:
            found += self._noted(Run(first, ahead[:head]), t_host_s)
        if lost:
            found.append(FrameError("lost", lost, t_host_s))
        if tail:
            found += self._noted(Run(first + expected - tail, back[len(back) - tail :]), t_host_s)
        return found

    def _noted(self, run: Run, t_host_s: float) -> list[Found]:
        unknown = int(np.count_nonzero(np.isnan(run.current_a)))
        if unknown < len(run.current_a):
            self._near_a = float(np.nanmean(run.current_a))
        if not unknown:
            return [run]
        return [run, FrameError("implausible", unknown, t_host_s, "not a current that the meter can supply")]


def _without_stamp(payload: bytes, t_host_s: float) -> list[Found]:
    """Return what came before the first stamp: the answer to "start" is no error, anything else is."""
    if all(byte in b"\r\n\t\0" or 0x20 <= byte < 0x7F for byte in payload):
        return _complaint(payload, t_host_s)
    return [FrameError("desync", len(payload), t_host_s, "before the first time stamp")]


def _complaint(text: bytes, t_host_s: float) -> list[Found]:
    """Return the complaint that a text of the meter holds, if one."""
    words = clean_text(text)
    at = words.lower().find("err")
    return [FrameError("protocol", 1, t_host_s, f"the meter says: {words[at:]}")] if at >= 0 else []


def _join(ahead: F64, back: F64, expected: int, near_a: float) -> tuple[int, int]:
    """Return how many words to take from the front (``ahead``) and from the end (``back``) of a damaged block.

    Both runs end at the first NaN. Where they overlap, words were inserted or a slip is hidden among plausible ones;
    the seam is then put where the samples are nearest to those before the damage.
    """
    head = _leading(ahead)
    tail = _leading(back[::-1])
    wanted = min(expected, len(ahead))
    if head + tail <= wanted:
        return head, tail
    low, high = max(0, wanted - tail), min(wanted, head)
    from_front = np.concatenate(([0.0], np.cumsum(np.abs(ahead[low:high] - near_a))))
    offset = len(back) - wanted
    from_back = np.concatenate(([0.0], np.cumsum(np.abs(back[offset + low : offset + high] - near_a))))
    seam = low + int(np.argmin(from_front + (from_back[-1] - from_back)))
    return seam, wanted - seam


def _leading(values: F64) -> int:
    """Return how many values there are before the first NaN."""
    unknown = np.flatnonzero(np.isnan(values))
    return int(unknown[0]) if len(unknown) else len(values)


class AsciiStream:
    """Format ascii_dec: a line for each sample.

    ``is_agreed``: did the meter confirm the frequency? If not, samples are held until two stamps agree with it.
    """

    def __init__(self, frequency_hz: int, ceiling_a: float, *, is_agreed: bool) -> None:
        self._clock = StampClock(frequency_hz)
        self._ceiling_a = ceiling_a
        self._is_agreed = is_agreed
        self._held: list[Found] = []
        self._buffer = bytearray()
        self._synced = False
        self._count = 0
        self._since_stamp = 0
        self._in_summary = False

    def feed(self, data: bytes, t_host_s: float) -> list[Found]:
        """Take bytes; return the samples of all complete lines. Holds at most one line."""
        self._buffer += data
        found: list[Found] = []
        at, end = 0, self._buffer.rfind(b"\n") + 1
        while at < end:
            match = _SAMPLE_LINES.match(self._buffer, at, end)
            if match is None:
                line_end = self._buffer.index(b"\n", at) + 1
                found += self._other_line(bytes(self._buffer[at:line_end]), t_host_s)
                at = line_end
            else:
                found += self._sample_lines(match.group(1), t_host_s)
                at = match.end()
        del self._buffer[:end]
        if len(self._buffer) > LINE_LIMIT_BYTES:
            found.append(FrameError("desync", len(self._buffer), t_host_s, "a line without an end"))
            self._buffer.clear()
        return found

    def _sample_lines(self, text: bytes, t_host_s: float) -> list[Found]:
        rows = np.frombuffer(text, dtype=np.uint8).reshape(-1, _SAMPLE_LINE_BYTES)
        if not self._synced:
            return [FrameError("desync", len(text), t_host_s, "before the first time stamp")]
        current_a = decimals_a(rows)
        current_a[current_a > self._ceiling_a] = np.nan
        run = Run(self._count + self._since_stamp + 1, current_a)
        self._since_stamp += len(rows)
        unknown = int(np.count_nonzero(np.isnan(run.current_a)))
        found: list[Found] = [run]
        if unknown:
            found.append(FrameError("implausible", unknown, t_host_s, "not a current that the meter can supply"))
        if self._is_agreed:
            return found
        if self._since_stamp <= HELD_LIMIT_SAMPLES:
            self._held += found
        return []

    def _other_line(self, line: bytes, t_host_s: float) -> list[Found]:
        stamp = stamp_of_line(line)
        if stamp is not None:
            return [*self._take_stamp(stamp, t_host_s), stamp]
        words = clean_text(line)
        if words.startswith("summary"):
            self._in_summary = words.endswith("beg")
        elif words == "end":
            self._count += self._since_stamp
            self._since_stamp, self._synced = 0, False
            return [Mark("end")]
        elif words.lower().startswith("err") or "> err" in words:
            return _complaint(line, t_host_s)
        elif words and not self._in_summary and not words.startswith("PowerShield >"):
            return [FrameError("desync", len(line), t_host_s)]
        return []

    def _take_stamp(self, stamp: Mark, t_host_s: float) -> list[Found]:
        if not self._synced:
            self._clock.begin(stamp.value)
            self._synced = True
            return []
        step = self._clock.step(stamp.value, self._since_stamp, t_host_s)
        samples = max(step.samples, self._since_stamp)
        lost = samples - self._since_stamp + step.missing
        self._count += samples + step.missing
        found: list[Found] = [*step.errors]
        if step.samples:
            self._is_agreed = True
            found += self._held
        self._held = []
        if step.samples and self._since_stamp > step.samples:
            detail = "more samples than the time stamps allow"
            found.append(FrameError("implausible", self._since_stamp - step.samples, t_host_s, detail))
        if lost:
            found.append(FrameError("lost", lost, t_host_s, "found by the time stamps"))
        self._since_stamp = 0
        return found
