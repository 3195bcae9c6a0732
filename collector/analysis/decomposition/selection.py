"""Which part of a lake is one side of a decomposition: a period, and what the windows in it have to be of."""

from fnmatch import fnmatchcase
from typing import Final

import msgspec

from collector.analysis.decomposition.calendar import EXAMPLES, is_period, period_of
from collector.assessment.assess import Period
from collector.assessment.cells import CellKey
from collector.assessment.figures import Place
from collector.assessment.query import RELEASE_GLUE
from collector.assessment.summary import NOT_KNOWN
from edge_agent.wire.errors import ConfigurationError

PLACES: Final = ("fleet", "device", "class", "site", "zone", "model")
"""What groups may be made by, and a side be of."""
RELEASES: Final = ("sha256", "runtime")
"""What a side may be of besides: the beginning of a model file's hash, and a runtime with its version."""
KEYS: Final = ("period", *PLACES, *RELEASES)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """One side: ``words`` as it was asked for, its period, and by key what has to match, ``*`` for any letters."""

    words: str
    period: Period
    wanted: dict[str, str]

    @property
    def by_release(self) -> bool:
        """Return whether releases have to be told apart for it."""
        return any(key in self.wanted for key in RELEASES)

    def holds(self, names: "dict[str, str]") -> bool:
        """Return whether what is called ``names`` (see ``names_of``) belongs to this side."""
        return all(
            names[key].startswith(pattern) if key == "sha256" else fnmatchcase(names[key], pattern)
            for key, pattern in self.wanted.items()
        )


def selection_of(text: str, period: str | None = None) -> Selection:
    """Return the side that ``text`` names: a period, or ``key=value`` pairs with commas between.

    ``period``: for a side that names none. Raises ConfigurationError for another key, for one that stands twice, and
    where no period is named.
    """
    given: dict[str, str] = {}
    for word in text.split(","):
        key, equals, value = word.partition("=")
        if not equals and is_period(word):
            key, value = "period", word
        elif not equals or key not in KEYS or not value:
            raise ConfigurationError(
                f"decompose {text!r}: {word!r} is no side; write a period ({EXAMPLES}) or {'=..., '.join(KEYS)}=..."
            )
        if key in given:
            raise ConfigurationError(f"decompose {text!r}: {key} stands twice; one side has one {key}")
        given[key] = value
    words = text if "period" in given else f"{text},period={period}"
    when = given.pop("period", period)
    if when is None:
        raise ConfigurationError(f"decompose {text!r}: of which time? Add period=..., or give --period for both sides")
    return Selection(words=words, period=period_of(when), wanted=given)


def names_of(key: CellKey, place: Place, device_class: str, *, by_release: bool) -> dict[str, str]:
    """Return what one cell is called by every key. ``device_class``: what the inventory says besides its hardware."""
    model, sha256, runtime, version = key.model_id, "", "", ""
    if by_release and model:
        model, sha256, runtime, version = model.split(RELEASE_GLUE, 3)
    return {
        "fleet": key.fleet,
        "device": key.device_id,
        "class": place.board or device_class or NOT_KNOWN,
        "site": place.site or NOT_KNOWN,
        "zone": place.zone or NOT_KNOWN,
        "model": model,
        "sha256": sha256,
        "runtime": f"{runtime} {version}".strip(),
    }
