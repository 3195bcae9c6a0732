"""A factor: a figure from somebody else, with everything needed to defend it."""

import difflib
from collections.abc import Iterable
from typing import Protocol

import msgspec

from collector.carbon.estimate import Estimate

SCREENING_LABEL = "screening estimate, not a product footprint"


class Factor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One emission or energy factor.

    ``scope``: what is inside the boundary. ``vintage``: the year or version that it describes. ``method``: how value
    and range were found. ``label``: a warning that must stand wherever the figure is shown, "" for none.
    """

    id: str
    name: str
    estimate: Estimate
    scope: str
    source: str
    licence: str
    vintage: str
    method: str
    label: str = ""
    aliases: tuple[str, ...] = ()


def find_factor(factors: Iterable[Factor], name: str) -> Factor | None:
    """Return the factor with this id or alias (letter case does not matter), or None."""
    wanted = name.casefold()
    return next((f for f in factors if wanted in {f.id.casefold(), *map(str.casefold, f.aliases)}), None)


class Named(Protocol):
    """Whatever can be asked for by name: a factor, a piece of hardware."""

    @property
    def id(self) -> str:
        """Return the name that programs use."""

    @property
    def name(self) -> str:
        """Return the name that people read."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return other ids."""


def near_names(factors: Iterable[Named], name: str, limit: int = 3) -> list[str]:
    """Return the ids most like ``name``: by id, alias, or the words of the human name."""
    ids: dict[str, str] = {}
    for factor in factors:
        for word in (factor.id, factor.name, *factor.aliases):
            ids.setdefault(word.casefold(), factor.id)
    wanted = name.casefold()
    contained = [key for key in ids if len(wanted) > 2 and (wanted in key or (len(key) > 2 and key in wanted))]
    close = difflib.get_close_matches(wanted, ids, n=2 * limit, cutoff=0.5)
    return list(dict.fromkeys(ids[word] for word in (*contained, *close)))[:limit]
