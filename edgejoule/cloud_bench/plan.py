"""What is measured, for how long, and in which order. Pure."""

import random
from dataclasses import dataclass
from typing import Final

from edge_agent.uncertainty.type_a import MIN_VALUES

DEFAULT_BATCHES: Final = (1, 8, 32, 128)
IDLE_PARTS: Final = 5
"""Idle is measured in as many parts, so that its noise shows."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``windows`` of ``window_s`` for each batch size, each after ``lead_s`` of the same load that do not count.

    ``idle_s``: waiting before and after all windows, 0 for none; after ``lead_s`` that do not count either.
    ``warm_up_s``: inference before everything.
    ``seed``: draws the order.
    """

    batch_sizes: tuple[int, ...] = DEFAULT_BATCHES
    windows: int = 5
    window_s: float = 5.0
    lead_s: float = 1.0
    idle_s: float = 10.0
    warm_up_s: float = 3.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for a plan that no result can come from."""
        if not self.batch_sizes or len(set(self.batch_sizes)) < len(self.batch_sizes) or min(self.batch_sizes) < 1:
            raise ValueError(f"batch sizes are distinct whole numbers from 1 up, not {self.batch_sizes}")
        if self.windows < MIN_VALUES:
            raise ValueError(f"a spread needs {MIN_VALUES} windows at least, not {self.windows}")

    @property
    def total_s(self) -> float:
        """Return the seconds that all of it takes, loading aside."""
        one_s = self.lead_s + self.window_s
        return self.warm_up_s + 2.0 * self.waiting_s + len(self.batch_sizes) * self.windows * one_s

    @property
    def waiting_s(self) -> float:
        """Return the seconds of one of both idle times, with what comes before it."""
        return self.lead_s + self.idle_s if self.idle_s > 0.0 else 0.0

    def order(self) -> list[int]:
        """Return the batch size of each window: every round has all of them, each in an order of its own.

        So what drifts (temperature, other work) falls on all batch sizes alike.
        """
        draw = random.Random(self.seed)  # noqa: S311  an order, no secret
        rounds: list[int] = []
        for _ in range(self.windows):
            rounds += draw.sample(self.batch_sizes, len(self.batch_sizes))
        return rounds
