"""Which benches a sweep makes, in which order, and under which name each record lies. Pure.

The order is drawn within each round, so that a room that warms up or a battery that runs down does not look like a
property of the models that come last (randomised complete block design: the rounds are the blocks).
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from edge_agent.wire.records import BenchRecord

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_SMOKE = "smoke run:"


@dataclass(frozen=True, slots=True)
class SweptModel:
    """``given``: as ``agent bench`` takes it. ``suffix``: how the file ends."""

    given: str
    model_id: str
    sha256: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Combination:
    """One bench of a sweep; ``round_number`` from 1 up."""

    model: SweptModel
    engine: str
    delegate: str
    threads: int
    round_number: int = 1

    @property
    def text(self) -> str:
        """Return it in words."""
        threads = f"{self.threads} thread{'s' if self.threads != 1 else ''}"
        again = f", round {self.round_number}" if self.round_number > 1 else ""
        return f"{self.model.model_id}, engine {self.engine}, delegate {self.delegate}, {threads}{again}"

    @property
    def file_name(self) -> str:
        """Return the record's file name: another file under the same id has another one."""
        parts = (
            self.model.model_id,
            self.model.sha256[:12],
            self.engine,
            self.delegate.rpartition("/")[2],
            f"{self.threads}t",
            f"r{self.round_number}",
        )
        return "-".join(_NOT_IN_NAMES.sub("_", part) for part in parts) + ".json"


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What is to be benched, in order; ``left_out``: combinations that cannot be, each with the reason."""

    combinations: tuple[Combination, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Factors:
    """What a sweep varies. ``rounds``: how often all of it."""

    models: Sequence[SweptModel]
    engines: Sequence[str]
    delegates: Sequence[str]
    threads: Sequence[int]
    rounds: int = 1


def plan_sweep(factors: Factors, suffixes: dict[str, str], seed: int) -> SweepPlan:
    """Return every combination in an order drawn by ``seed``; ``suffixes``: of the files that each engine runs."""
    possible, left_out = [], []
    for model, engine in product(factors.models, factors.engines):
        suffix = suffixes.get(engine)
        if suffix is None or suffix == model.suffix:
            possible += [(model, engine, *how) for how in product(factors.delegates, factors.threads)]
        else:
            left_out.append(f"{model.model_id} with {engine}: it runs {suffix} files, this is {model.suffix}")
    combinations = []
    rng = random.Random(seed)  # noqa: S311  an order, no secret
    for round_number in range(1, factors.rounds + 1):
        this_round = [Combination(*one, round_number) for one in possible]
        rng.shuffle(this_round)
        combinations += this_round
    return SweepPlan(tuple(combinations), tuple(left_out))


def is_done(record: BenchRecord, *, smoke: bool) -> bool:
    """Return whether a record need not be benched again: it is valid, or as valid as a trial can be."""
    return record.gross is not None and not reasons_against(record, smoke=smoke)


def reasons_against(record: BenchRecord, *, smoke: bool) -> list[str]:
    """Return why a record was rejected, without that it is a trial where one was asked for."""
    return [reason for reason in record.rejections if not (smoke and reason.startswith(_SMOKE))]


def seconds_left(benches: int, planned_s: float, taken_s: Sequence[float]) -> float:
    """Return how long ``benches`` take yet: as long in the mean as those did that are over, else as planned."""
    return benches * (sum(taken_s) / len(taken_s) if taken_s else planned_s)
