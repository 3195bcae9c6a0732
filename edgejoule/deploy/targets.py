"""What runs on which board: the targets of ``targets.toml``, and which of them a board is."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import read_toml
from edgejoule.deploy.data import board_data

Bits = Literal[32, 64]

_LITERT_OF_NEW_GLIBC: Final = (2, 34)
_VERSION: Final = re.compile(r"(\d+)\.(\d+)")
_L4T: Final = re.compile(r"R?(\d+)(?:\.|$)")


class _Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both kinds of entry say of the board that they are for."""

    id: str
    name: str
    machines: tuple[str, ...]
    bits: Bits
    os: Mapping[str, tuple[str, ...]] = {}
    l4t: tuple[int, ...] = ()


Place = TypeVar("Place", bound=_Place)


class Unsupported(_Place, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[unsupported]]``: a board that people have and that the agent cannot run on."""

    why: str
    remedy: str


class Target(_Place, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[target]]``: one combination of machine, C library and Python that wheels are pinned for.

    ``python``: the minor version. ``system``: packages that come from the system's Python, and their modules.
    ``pins``: what the lock must hold to. ``tried``: on what this was seen to work.
    """

    boards: str
    glibc: str
    python: str
    python_from: str
    apt: tuple[str, ...]
    engine: Literal["ai-edge-litert", "tflite-runtime"]
    system_site_packages: bool = False
    system: Mapping[str, str] = {}
    pins: tuple[str, ...] = ()
    works: str
    cannot: str
    tried: str
    source: str

    @property
    def arch(self) -> str:
        """Return the machine as wheels call it."""
        return self.machines[0]

    @property
    def glibc_version(self) -> tuple[int, int]:
        """Return the C library's version as numbers."""
        return glibc_numbers(self.glibc)


class Targets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of ``targets.toml``."""

    target: tuple[Target, ...]
    unsupported: tuple[Unsupported, ...]


class BoardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a board says of itself. None: it did not say. ``l4t``: the release of Jetson Linux, such as ``R36.4.3``."""

    machine: str
    bits: int | None = None
    glibc: str | None = None
    os_id: str
    os_version: str
    l4t: str | None = None
    pythons: tuple[str, ...] | None = None


def read_targets() -> Targets:
    """Return all targets."""
    return read_toml(board_data() / "targets.toml", Targets)


def find_target(name: str) -> Target:
    """Return one target. Raises ConfigurationError that lists the known ones, or says what the named one lacks."""
    known = read_targets()
    found = next((one for one in known.target if one.id == name), None)
    if found is not None:
        return found
    lacking = next((one for one in known.unsupported if one.id == name), None)
    if lacking is not None:
        raise ConfigurationError(f"{lacking.name} is not supported: {lacking.why}; {lacking.remedy}")
    ids = ", ".join(one.id for one in known.target)
    raise ConfigurationError(f"target {name!r} is unknown; known: {ids} (see edgejoule deploy targets)")


def target_of(facts: BoardFacts, targets: Targets) -> Target:
    """Return what a board is. Raises ConfigurationError with one line that says what it lacks, and the remedy."""
    bits = facts.bits or (32 if facts.machine in {"armv6l", "armv7l", "armv8l"} else 64)
    lacking = _fitting(facts, bits, targets.unsupported)
    if lacking is not None:
        raise ConfigurationError(f"{lacking.name} is not supported: {lacking.why}; {lacking.remedy}")
    target = _fitting(facts, bits, targets.target)
    if target is None:
        raise ConfigurationError(
            f"no target fits this board ({facts.os_id or 'unknown system'} {facts.os_version}, {facts.machine}, "
            f"{bits} bits); known: {', '.join(one.id for one in targets.target)}"
        )
    _check_glibc(facts, target)
    _check_python(facts, target)
    return target


def board_fits(facts: BoardFacts, target: Target) -> bool:
    """Tell whether wheels of ``target`` run on a board, whatever its system is called."""
    bits = facts.bits or (32 if facts.machine in {"armv6l", "armv7l", "armv8l"} else 64)
    return (
        facts.machine in target.machines
        and bits == target.bits
        and (facts.glibc is None or glibc_numbers(facts.glibc) >= target.glibc_version)
    )


def glibc_numbers(version: str) -> tuple[int, int]:
    """Return the C library's version as numbers. Raises ConfigurationError for what is none."""
    found = _VERSION.match(version)
    if found is None:
        raise ConfigurationError(
            f"the board's C library is not GNU's (it says {version!r}), which wheels need; take a system with glibc"
        )
    return int(found[1]), int(found[2])


def _fitting(facts: BoardFacts, bits: int, places: tuple[Place, ...]) -> Place | None:
    """Return the place of this machine that the system names, else that the release of Jetson Linux names."""
    mine = [one for one in places if facts.machine in one.machines and bits == one.bits]
    by_system = [one for one in mine if not one.os or _is_system(facts, one.os)]
    release = _L4T.match(facts.l4t or "")
    by_release = [one for one in mine if release and int(release[1]) in one.l4t]
    return next(iter([*by_system, *by_release]), None)


def _is_system(facts: BoardFacts, systems: Mapping[str, tuple[str, ...]]) -> bool:
    versions = systems.get(facts.os_id, ())
    return any(facts.os_version == version or facts.os_version.startswith(f"{version}.") for version in versions)


def _check_glibc(facts: BoardFacts, target: Target) -> None:
    if facts.glibc is None or glibc_numbers(facts.glibc) >= target.glibc_version:
        return
    detail = ""
    if target.engine == "ai-edge-litert" and glibc_numbers(facts.glibc) < _LITERT_OF_NEW_GLIBC:
        detail = " (LiteRT after 2.1.0 needs 2.34, though its wheels say 2.27)"
    raise ConfigurationError(
        f"the C library is {facts.glibc}, {target.id} needs {target.glibc}{detail}; upgrade the board's system"
    )


def _check_python(facts: BoardFacts, target: Target) -> None:
    if facts.pythons is None or any(_minor(one) == target.python for one in facts.pythons):
        return
    there = ", ".join(facts.pythons) or "none"
    remedy = f"sudo apt-get install {' '.join(target.apt)}" if target.apt else target.python_from.split(": ", 1)[1]
    raise ConfigurationError(f"{target.id} needs Python {target.python}, this board has {there}; {remedy}")


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def facts_from(reply: Mapping[str, Any]) -> BoardFacts:
    """Return the facts from what the on-board installer replies. Raises ConfigurationError if something is missing."""
    pythons = reply.get("pythons")
    if isinstance(pythons, list):
        reply = {**reply, "pythons": [one.get("version") if isinstance(one, dict) else one for one in pythons]}
    try:
        return msgspec.convert(reply, BoardFacts)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the board's facts cannot be read: {error}") from error
