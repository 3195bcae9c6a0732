"""What the compute ledger holds."""

from typing import Final, Literal

import msgspec

from edgejoule.zoo.entry import Precision

Figure = Literal["macs", "parameters", "size_bytes", "latency_p50_s"]
FIGURES: Final[tuple[Figure, ...]] = ("macs", "parameters", "size_bytes", "latency_p50_s")
Kind = Literal["all", "precision", "family"]
Unit = Literal["families", "models", "rows"]
"""What may be drawn, or exchanged, one for another: rows of one file are no independent looks at its MACs."""


class _Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all of them."""


class Energy(_Struct, frozen=True, kw_only=True):
    """Joules per inference. ``u_j``: combined standard uncertainty.

    ``own_u_j``: the part of it that no other row shares. ``shared_j``: what one standard deviation of each error that
    rows do share (gain and offset of a meter) does to this one, by the error's name.
    """

    value_j: float
    u_j: float
    own_u_j: float
    shared_j: dict[str, float] = {}

    @property
    def expanded_u_j(self) -> float:
        """Return U = 2 u."""
        return 2.0 * self.u_j


class Row(_Struct, frozen=True, kw_only=True):
    """One model file as one runtime ran it: the mean of ``bench_ids``.

    ``precision`` and ``family`` are None for a file that no catalogue knows by its sha256. ``rejected``: its benches
    were rejected, and it is here because rejected ones were asked for.
    """

    model_id: str
    model_sha256: str
    family: str | None
    precision: Precision | None
    runtime: str
    runtime_version: str
    delegate: str
    threads: int
    macs: int | None
    parameters: int | None
    size_bytes: int | None
    latency_p50_s: float | None
    gross: Energy
    net: Energy | None
    rejected: bool
    bench_ids: list[str]

    @property
    def setting(self) -> tuple[str, str, str, int]:
        """Return what ran it, without how many operators a delegate took of this very model."""
        delegates = " + ".join(part.partition(" ")[0] for part in self.delegate.split(" + "))
        return self.runtime, self.runtime_version, delegates, self.threads

    @property
    def family_key(self) -> str:
        """Return the family; a file that no catalogue knows is one of its own."""
        return self.model_sha256 if self.family is None else self.family


class Tau(_Struct, frozen=True, kw_only=True):
    """Kendall's tau-b of one figure against energy; ``value`` is None where either is the same for all rows.

    ``low`` to ``high``: 95 % interval by drawing ``drawn`` and energies anew, None below five of them. ``p_value``:
    two-sided, by giving the figure's values to other ``exchanged``, those of one all together; ``exact``: all ways to
    do so were tried.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    drawn: Unit | None = None
    p_value: float | None = None
    exchanged: Unit | None = None
    exact: bool = False


class Group(_Struct, frozen=True, kw_only=True):
    """Rows that have something in common, and how well each figure orders their energies.

    ``kind``: "all", "precision" or "family"; ``name``: which. ``net``: of the rows that have a net figure.
    """

    kind: Kind
    name: str
    row_count: int
    gross: dict[Figure, Tau]
    net: dict[Figure, Tau]


class Inversion(_Struct, frozen=True, kw_only=True):
    """Two rows under the same setting: ``lighter`` has fewer MACs, and costs more gross joules than ``heavier``.

    ``macs_ratio``: the heavier one's by the lighter one's. ``energy_ratio``: the other way round, None where the
    heavier one's joules are not above zero.
    """

    lighter: str
    heavier: str
    setting: str
    macs_ratio: float
    energy_ratio: float | None


class Spread(_Struct, frozen=True, kw_only=True):
    """One file, so the same MACs, under several settings: how far its gross joules are apart."""

    model_id: str
    least: str
    most: str
    energy_ratio: float
    sure: bool


class Tally(_Struct, frozen=True, kw_only=True):
    """What became of the records: ``read`` = all the others together."""

    read: int
    used: int
    rejected: int
    without_result: int
    unreadable: int
    other_device: int
    simulated_aside: int
    measured_aside: int


class Ledger(_Struct, frozen=True, kw_only=True):
    """The ledger of one device at one boundary, all of it measured or all of it simulated.

    ``comparable_pairs``: pairs of rows under one setting with different MACs; ``inversions``: those of them in which
    fewer MACs cost more joules, beyond U of the difference, the widest first.
    """

    device_id: str
    device_classes: list[str]
    boundary: str
    simulated: bool
    meters: list[str]
    rows: list[Row]
    groups: list[Group]
    comparable_pairs: int
    inversions: list[Inversion]
    spreads: list[Spread]
    tally: Tally
    notes: list[str]
    seed: int
    draws: int
