"""One published figure and what the same inputs give here."""

import math
from typing import Final, Literal

import msgspec

Verdict = Literal["agrees", "rounded on the way", "loose", "slip", "derived here"]
Says = Literal["equals", "about", "more than"]
RemarkKind = Literal["slip", "conflict", "boundary", "defect", "not derived"]

_LOOSE_RATIO: Final = 0.25
"""How far from an "about" figure is still called loose; our own line."""


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """Where a figure stands. ``licence``: figures are cited as facts, no text or table is copied."""

    id: str
    name: str
    reference: str
    licence: str = "cited fact"


class Input(msgspec.Struct, frozen=True):
    """One number that goes into a figure, as its publication prints it."""

    name: str
    value: float
    unit: str


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of a publication, and what the inputs give.

    ``exact``: without rounding on the way, in ``unit``. ``printed``: None where the publication leaves it to the
    reader. ``step``: one unit of its last printed digit. ``as_printed_steps``: the same chain with the rounded
    intermediate figures that the publication prints. ``says``: "about" and "more than" are judged as such.
    ``expected``: the verdict when this audit was written; another one means that a formula here has changed.
    """

    id: str
    publication: str
    where: str
    what: str
    formula: str
    inputs: tuple[Input, ...]
    unit: str
    exact: float
    expected: Verdict
    printed: float | None = None
    step: float = 1.0
    as_printed_steps: float | None = None
    says: Says = "equals"
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Return what the arithmetic says of the printed figure."""
        if self.printed is None:
            return "derived here"
        if self._same(self.exact) or (self.says == "more than" and self.exact > self.printed):
            return "agrees"
        if self.as_printed_steps is not None and self._same(self.as_printed_steps):
            return "rounded on the way"
        if self.says == "about" and abs(self.exact - self.printed) <= _LOOSE_RATIO * abs(self.printed):
            return "loose"
        return "slip"

    @property
    def holds(self) -> bool:
        """Return whether the verdict is still the one that was found when the audit was written."""
        return self.verdict == self.expected

    def _same(self, figure: float) -> bool:
        """Return whether ``figure`` rounds to what is printed; the last bits of a float do not decide."""
        assert self.printed is not None
        return abs(figure - self.printed) <= self.step / 2.0 * (1.0 + 1e-9) + 4.0 * math.ulp(abs(figure))


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known of a publication and is no single figure."""

    publication: str
    kind: RemarkKind
    text: str


def remarks(publication: Publication, *said: tuple[RemarkKind, str]) -> tuple[Remark, ...]:
    """Return remarks on one publication."""
    return tuple(Remark(publication=publication.id, kind=kind, text=text) for kind, text in said)
