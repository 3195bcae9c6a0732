"""What a source of time-resolved grid intensity is, and which there are: every public module in ``sources/`` is one.

One more source is one more file there whose last statement is ``SOURCE = SourceKind(...)``. A module's name is its
source's name, so asking for one source imports that file only.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.intensity import sources
from edge_agent.wire.errors import ConfigurationError


class IntensitySource(Protocol):
    """One source, of one kind of intensity. It keeps nothing: what it says is kept by ``IntensityStore``."""

    passport: SourcePassport
    kind: IntensityKind
    resolution_s: float
    """The length of its steps."""

    def fetch(self, zone: str, start_unix_ns: int, end_unix_ns: int, now_unix_ns: int) -> list[IntensityRevision]:
        """Return what the source says now of ``[start, end)``; steps that touch its ends may come whole.

        ``zone``: as ``check_zone`` takes it, and as it then stands in the revisions. ``now_unix_ns``: becomes their
        ``fetched_at_unix_ns``. A step of which the source knows no value is left out. Raises SourceError.
        """
        ...

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError, with near names, when this source can never know ``zone``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """How one source is asked; what is "" or None takes the source's own default.

    ``url``: of the server, or the file of a series. ``key_file``: holds the key or token, and nothing else, or what
    the source's ``needs_key`` says. ``zone_map``: the source's own codes by a user's names for zones, beyond the names
    that the source knows. ``kind``: None for the first that the source offers. ``cache_dir``: where answers may be
    kept, None for nowhere. ``passport``: a user's own, for a source whose values are the user's.
    """

    url: str = ""
    key_file: Path | None = None
    timeout_s: float = 30.0
    retries: int = 4
    zone_map: Mapping[str, str] = field(default_factory=dict)
    kind: IntensityKind | None = None
    cache_dir: Path | None = None
    passport: SourcePassport | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """What there is to know about a source before it is asked.

    ``name``: the module's. ``passport``: its ``id`` stands in every revision, unless ``SourceOptions.passport`` gives
    another, which ``takes_passport`` allows: the values are a user's own. ``kinds``: of intensity, the usual one
    first. ``zones_help``: which zones it takes, in a line. ``needs_key``: what the key file holds, "" for a source
    without keys. ``build`` raises ConfigurationError.
    """

    name: str
    passport: SourcePassport
    kinds: tuple[IntensityKind, ...]
    zones_help: str
    needs_key: str
    takes_passport: bool = False
    build: Callable[[SourceOptions], IntensitySource]


def source_names() -> tuple[str, ...]:
    """Return the names of all sources, sorted. Imports none of them."""
    found = (module.name for module in pkgutil.iter_modules(sources.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def source_kind(name: str, where: str) -> SourceKind:
    """Return one source; raise ConfigurationError with the nearest names where there is none of that name."""
    known = source_names()
    if name not in known:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
        raise ConfigurationError(f"{where}: there is no source of intensities {name!r}; {hint}")
    kind: SourceKind = importlib.import_module(f"{sources.__name__}.{name}").SOURCE
    return kind


def all_sources() -> tuple[SourceKind, ...]:
    """Return every source, in the order of their names."""
    return tuple(source_kind(name, "sources") for name in source_names())
