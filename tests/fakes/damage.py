"""What a bad line does to bytes: seeded damage, one function for each kind."""

import random
from collections.abc import Callable
from dataclasses import dataclass

MOST_BYTES = 40
Damage = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, rng: random.Random) -> bytes:
    """Turn over one bit."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    """Lose the end."""
    return data[: rng.randrange(len(data))]


def delete(data: bytes, rng: random.Random) -> bytes:
    """Lose some bytes in between."""
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, MOST_BYTES) :]


def insert(data: bytes, rng: random.Random) -> bytes:
    """Let noise in."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.randint(1, MOST_BYTES)) + data[at:]


def duplicate(data: bytes, rng: random.Random) -> bytes:
    """Send some bytes twice."""
    at = rng.randrange(len(data))
    end = at + rng.randint(1, MOST_BYTES)
    return data[:end] + data[at:]


def swap(data: bytes, rng: random.Random) -> bytes:
    """Exchange two neighbouring pieces."""
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def replace(data: bytes, rng: random.Random) -> bytes:
    """Put noise in the place of some bytes."""
    at = rng.randrange(len(data))
    length = min(rng.randint(1, MOST_BYTES), len(data) - at)
    return data[:at] + rng.randbytes(length) + data[at + length :]


def twice(data: bytes, rng: random.Random) -> bytes:
    """Deliver the whole read again."""
    return data + data


LOSSES: tuple[Damage, ...] = (truncate, delete, insert)
KINDS: tuple[Damage, ...] = (flip, truncate, delete, insert, duplicate, swap, replace)


@dataclass(slots=True)
class BadLine:
    """Damages a share of the reads that pass; ``on`` switches it, ``hits`` counts them."""

    kinds: tuple[Damage, ...]
    share: float
    rng: random.Random
    on: bool = False
    hits: int = 0

    def __call__(self, data: bytes) -> bytes:
        if not data or not self.on or self.rng.random() >= self.share:
            return data
        self.hits += 1
        return self.rng.choice(self.kinds)(data, self.rng)


@dataclass(slots=True)
class OneFlip:
    """Turns over one bit of all that passes, counted from the first byte."""

    bit: int
    passed_bytes: int = 0

    def __call__(self, data: bytes) -> bytes:
        at = self.bit // 8 - self.passed_bytes
        self.passed_bytes += len(data)
        if not 0 <= at < len(data):
            return data
        return data[:at] + bytes([data[at] ^ 1 << self.bit % 8]) + data[at + 1 :]
