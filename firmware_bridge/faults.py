"""What can go wrong between a meter and its host, to be put into an emulated line: seeded, counted. Pure."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

LOSS_BURST_S: Final = 2e-4
"""Samples go missing in bursts of this mean length (never below one sample), as they do when a buffer overflows."""
LONGEST_RUN: Final = 1e12
HIGHEST_RATE_HZ: Final = 1e6
"""Ten times the bytes of the fastest line here; what is put in is held in memory until it is sent."""
LARGEST_DRIFT: Final = 0.1
HELD_FLIPS: Final = 64
"""Flips wait for bytes to flip; no more than these."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of one emulation.

    ``loss_ratio``: share of the samples of a stream, or of the answers of a polled meter, that never arrive.
    ``garbage_bytes_hz``, ``bit_flips_hz``: random bytes put in, and bits flipped, per second on average.
    ``jitter_s``: each piece of bytes is delivered up to this much later; the order stays.
    ``drift_ratio``: how much faster the device's clock runs than the host's; None to draw it as an ordinary crystal's.
    ``reset_at_s``: when the meter begins anew, its clock and counters with it.
    ``unplug_at_s``: when the port goes away, and for how many seconds; the meter runs on.
    """

    loss_ratio: float = 0.0
    garbage_bytes_hz: float = 0.0
    bit_flips_hz: float = 0.0
    jitter_s: float = 0.0
    drift_ratio: float | None = None
    reset_at_s: tuple[float, ...] = ()
    unplug_at_s: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be."""
        if not 0.0 <= self.loss_ratio <= 1.0:
            raise ValueError(f"loss_ratio must be within 0 and 1, not {self.loss_ratio}")
        if min(self.garbage_bytes_hz, self.bit_flips_hz, self.jitter_s, *self.reset_at_s, 0.0) < 0.0:
            raise ValueError("rates, delays and times of faults must not be below zero")
        if max(self.garbage_bytes_hz, self.bit_flips_hz) > HIGHEST_RATE_HZ:
            raise ValueError(f"rates of faults must be at most {HIGHEST_RATE_HZ:,.0f} a second")
        if abs(self.drift_ratio or 0.0) > LARGEST_DRIFT:
            raise ValueError(f"a clock's drift must be within {1e6 * LARGEST_DRIFT:,.0f} ppm")
        ends_s = 0.0
        for begin_s, length_s in sorted(self.unplug_at_s):
            if begin_s < ends_s or length_s <= 0.0:
                raise ValueError("times without the port must follow one another, each longer than zero")
            ends_s = begin_s + length_s


@dataclass(slots=True)
class FaultCounts:
    """What was done to the line so far."""

    lost_samples: int = 0
    lost_answers: int = 0
    lost_bytes: int = 0
    garbage_bytes: int = 0
    flipped_bits: int = 0
    resets: int = 0
    unplugs: int = 0
    unplugged_bytes: int = 0


class FaultyLine:
    """Loses, damages and delays what a meter sends. Times are seconds since the emulation began."""

    def __init__(self, faults: Faults, sample_s: float, seed: int) -> None:
        self._faults = faults
        self._rng = np.random.default_rng([seed, 2])
        ratio = faults.loss_ratio
        odds = ratio / (1.0 - ratio) if ratio < 1.0 else 1.0
        self._mean_lost = max(LOSS_BURST_S / sample_s, odds, 1.0)
        self._mean_kept = min(self._mean_lost / odds, LONGEST_RUN) if odds else 1.0
        self._losing = True
        self._run_left = 0
        self._damaged_until_s = 0.0
        self._flips = 0
        self._on_the_way: deque[tuple[float, bytes]] = deque()
        self.on_the_way_bytes = 0
        self.counts = FaultCounts()

    def runs(self, count: int) -> list[tuple[int, bool]]:
        """Divide the next ``count`` samples into runs: how many, and whether they arrive."""
        ratio = self._faults.loss_ratio
        if not 0.0 < ratio < 1.0:
            return [(count, ratio == 0.0)]
        runs: list[tuple[int, bool]] = []
        while count:
            if not self._run_left:
                self._losing = not self._losing
                mean = self._mean_lost if self._losing else self._mean_kept
                self._run_left = int(self._rng.geometric(1.0 / mean))
            length = min(count, self._run_left)
            runs.append((length, not self._losing))
            count -= length
            self._run_left -= length
        return runs

    def answer(self, data: bytes) -> bytes:
        """Return the answer of a polled meter, or nothing where it is lost."""
        if not data or self._rng.random() >= self._faults.loss_ratio:
            return data
        self.counts.lost_answers += 1
        self.counts.lost_bytes += len(data)
        return b""

    def lose(self, count: int, data: bytes) -> None:
        """Count samples whose bytes do not go on."""
        if data:
            self.counts.lost_samples += count
            self.counts.lost_bytes += len(data)

    def damage(self, data: bytes, now_s: float) -> bytes:
        """Flip bits and put in garbage, as many as are due by now."""
        elapsed_s, self._damaged_until_s = now_s - self._damaged_until_s, now_s
        if self._faults.bit_flips_hz:
            flips = self._flips + int(self._rng.poisson(self._faults.bit_flips_hz * elapsed_s))
            self._flips = 0 if data else min(flips, HELD_FLIPS)
            data = self._flip(data, flips) if data else data
        if self._faults.garbage_bytes_hz:
            data = self._insert(data, int(self._rng.poisson(self._faults.garbage_bytes_hz * elapsed_s)))
        return data

    def send(self, data: bytes, now_s: float) -> None:
        """Put bytes on their way."""
        if data:
            due_s = now_s + self._faults.jitter_s * self._rng.random()
            self._on_the_way.append((due_s, data))
            self.on_the_way_bytes += len(data)

    def arrived(self, now_s: float) -> bytes:
        """Return what has come to the end of the line by now: in order, nothing overtakes."""
        pieces: list[bytes] = []
        while self._on_the_way and self._on_the_way[0][0] <= now_s:
            pieces.append(self._on_the_way.popleft()[1])
        data = b"".join(pieces)
        self.on_the_way_bytes -= len(data)
        return data

    @property
    def next_arrival_s(self) -> float | None:
        """Return when the next bytes arrive, None while none are on their way."""
        return self._on_the_way[0][0] if self._on_the_way else None

    def _flip(self, data: bytes, flips: int) -> bytes:
        if not flips:
            return data
        damaged = np.frombuffer(data, dtype=np.uint8).copy()
        places = self._rng.choice(8 * len(data), size=min(flips, 8 * len(data)), replace=False)
        np.bitwise_xor.at(damaged, places // 8, np.left_shift(1, places % 8).astype(np.uint8))
        self.counts.flipped_bits += len(places)
        return damaged.tobytes()

    def _insert(self, data: bytes, count: int) -> bytes:
        if not count:
            return data
        places = np.sort(self._rng.integers(0, len(data) + 1, size=count))
        junk = self._rng.integers(0, 256, size=count, dtype=np.uint8)
        self.counts.garbage_bytes += count
        return np.insert(np.frombuffer(data, dtype=np.uint8), places, junk).tobytes()
