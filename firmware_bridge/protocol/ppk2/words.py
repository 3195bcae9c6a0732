"""Finding the PPK2's words in a byte stream: alignment, loss, slips. Nothing of amperes here.

A word carries no check sum, but its counter rises by one from word to word. While it does, alignment holds. Where
it does not, either words are missing (the counter goes on from another value, alignment intact) or bytes are (no
alignment fits until the next one that does): both are settled by looking for the nearest byte from which six words
in a row count up, have the reserved bit clear and a valid range.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.protocol.ppk2.format import COUNTER_PERIOD, RANGES

U32 = NDArray[np.uint32]
WORD_BYTES = 4
_CHAIN = 6
_LOOKAHEAD = WORD_BYTES * _CHAIN
_RANGE_SHIFT, _RANGE_AND_RESERVED = np.uint32(14), np.uint32(0xF)
_COUNTER_SHIFT, _COUNTER_MASK = np.uint32(18), np.uint32(COUNTER_PERIOD - 1)
_PIECE = 4096
_RAMP: U32 = np.arange(_PIECE, dtype=np.uint32)


class Run(NamedTuple):
    """Words without a break, shape (n,), and how many words the counter says never came before them."""

    words: U32
    lost: int


def _counters(words: U32) -> U32:
    return (words >> _COUNTER_SHIFT) & _COUNTER_MASK


def _chain_starts(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return every byte offset from which six plausible words count up, ascending."""
    if len(data) < _LOOKAHEAD:
        return np.empty(0, dtype=np.int64)
    wide = data.astype(np.uint32)
    words = wide[:-3] | (wide[1:-2] << np.uint32(8)) | (wide[2:-1] << np.uint32(16)) | (wide[3:] << np.uint32(24))
    plausible = ((words >> _RANGE_SHIFT) & _RANGE_AND_RESERVED) < RANGES
    counters = _counters(words)
    step = (counters[WORD_BYTES:] - counters[:-WORD_BYTES]) & _COUNTER_MASK
    chained = plausible[:-WORD_BYTES] & plausible[WORD_BYTES:] & (step == 1)
    count = len(chained) - WORD_BYTES * (_CHAIN - 2)
    together = np.ones(count, dtype=np.bool_)
    for link in range(_CHAIN - 1):
        together &= chained[link * WORD_BYTES : link * WORD_BYTES + count]
    return np.flatnonzero(together)


def _count_in_step(words: U32, expected: int) -> int:
    """Return how many words count up from ``expected``; looks in pieces, so that a break costs little."""
    count = 0
    while count < len(words):
        piece = words[count : count + _PIECE]
        ahead = piece >> _COUNTER_SHIFT
        ahead -= _RAMP[: len(piece)]
        ahead &= _COUNTER_MASK
        in_step = ahead == (expected + count) % COUNTER_PERIOD
        if not in_step.all():
            return count + int(np.argmin(in_step))
        count += len(piece)
    return count


class WordStream:
    """Cuts bytes into runs of words. Holds back at most 23 bytes between calls."""

    def __init__(self) -> None:
        self._buffer = b""
        self._expected: int | None = None
        self._aligned = False
        self._skipped_bytes = 0
        self._unreported_bytes = 0

    def feed(self, data: bytes) -> list[Run]:
        """Return the runs that are certain now."""
        buffer = self._buffer + data
        starts: NDArray[np.int64] | None = None
        runs: list[Run] = []
        at, lost = 0, 0
        while True:
            if self._aligned:
                words = np.frombuffer(buffer, dtype="<u4", offset=at, count=(len(buffer) - at) // WORD_BYTES)
                at += self._take(words, lost, runs)
                self._aligned = len(buffer) - at < WORD_BYTES
            if self._aligned or len(buffer) - at < _LOOKAHEAD:
                break
            if starts is None:
                starts = _chain_starts(np.frombuffer(buffer, dtype=np.uint8, offset=at)) + at
            found = int(np.searchsorted(starts, at))
            if found == len(starts):
                at = self._skip(at, len(buffer) - _LOOKAHEAD + 1)
                break
            at = self._skip(at, int(starts[found]))
            lost = self._align(int.from_bytes(buffer[at : at + WORD_BYTES], "little"))
        self._buffer = buffer[at:]
        return runs

    def take_skipped_bytes(self) -> int:
        """Return how many bytes were no word since this was last asked."""
        count, self._unreported_bytes = self._unreported_bytes, 0
        return count

    def _take(self, words: U32, lost: int, runs: list[Run]) -> int:
        """Append the words in step as one run; return their bytes."""
        expected = self._expected or 0
        count = _count_in_step(words, expected)
        if count:
            runs.append(Run(words[:count], lost))
            self._expected = (expected + count) % COUNTER_PERIOD
        return count * WORD_BYTES

    def _skip(self, at: int, to: int) -> int:
        self._skipped_bytes += to - at
        self._unreported_bytes += to - at
        return to

    def _align(self, word: int) -> int:
        """Begin a run at this word. Return the words lost: what the counter and the skipped bytes agree on best."""
        counter = (word >> int(_COUNTER_SHIFT)) & int(_COUNTER_MASK)
        lost = 0
        if self._expected is not None:
            lost = (counter - self._expected) % COUNTER_PERIOD
            skipped_words = self._skipped_bytes / WORD_BYTES
            lost += COUNTER_PERIOD * max(0, round((skipped_words - lost) / COUNTER_PERIOD))
        self._expected, self._aligned, self._skipped_bytes = counter, True, 0
        return lost
