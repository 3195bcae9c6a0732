"""Embodied figures from a BoaviztAPI server that a user runs: asked over HTTP, entered as parts of an inventory.

BoaviztAPI is AGPL-3.0 and stays a program of its own: nothing of it is imported. A figure is asked for once and is
written down with its source, so an assessment needs no server and gives the same result tomorrow. Paths, answers as
BoaviztAPI 2.5.0 gives them (its /openapi.json). Embodied only: what it says of use is left out, since use is metered.
"""

import json
import math
from collections.abc import Mapping
from typing import Final

import msgspec

from collector.carbon.estimate import Estimate
from collector.carbon.units import KGCO2E
from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient

DEFAULT_URL: Final = "http://localhost:5000"
LICENCE: Final = "terms of BoaviztAPI and of its sources; entered by the user"

BLOCKS: Final = (
    "processing", "memory", "pcb", "connectivity", "others", "casing", "power_supply", "security", "sensing",
    "user_interface", "actuators",
)  # fmt: skip
"""Functional blocks of a connected device, after Pirson & Bol 2021 (doi 10.1016/j.jclepro.2021.128966)."""

LEVELS: Final = ("HSL-0", "HSL-1", "HSL-2", "HSL-3")
_FAMILIES: Final = ("terminal", "peripheral", "component")
_UNITS: Final = {"gwp": "kgCO2eq", "adp": "kgSbeq", "pe": "MJ"}

Details = Mapping[str, str]


class _Figure(msgspec.Struct):
    value: float
    min: float | None = None
    max: float | None = None
    warnings: list[str] = []


class _Impact(msgspec.Struct):
    unit: str
    embedded: _Figure | str


class _Answer(msgspec.Struct):
    impacts: dict[str, _Impact]


class EmbodiedFigure(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says of making something, whole. None where it says nothing.

    ``gwp``: kgCO2e. ``adp``: abiotic depletion, kg Sb eq. ``pe``: primary energy, MJ. ``asked``: the question.
    ``version``: of BoaviztAPI. ``warnings``: the server's own words on what is not inside.
    """

    what: str
    asked: str
    version: str
    gwp: Estimate
    adp: Estimate | None
    pe: Estimate | None
    warnings: tuple[str, ...]


class BoaviztApi:
    """One server. ``client``: of its address."""

    def __init__(self, client: JsonClient) -> None:
        self._client = client

    def kinds(self) -> tuple[str, ...]:
        """Return what can be asked for. Raises SourceError."""
        found = ["iot", "server", "cloud/instance"]
        for family in _FAMILIES:
            found += [f"{family}/{name}" for name in self._client.get_json(f"/v1/{family}/all", {}, dict[str, str])]
        return tuple(sorted(found))

    def embodied(self, what: str, details: Details) -> tuple[EmbodiedFigure, ...]:
        """Return the figure of one thing; of a connected device one for each functional block.

        ``what``: one of ``kinds``. ``details``: for iot the level of each functional block, or an ``archetype``; for a
        component its attributes, such as ``capacity``; for others what the server takes, such as ``archetype``.
        Raises ValueError for a block or level that there is none of, SourceError for what the server does not give: a
        block that it knows nothing of counts as 0 kg there, so each is asked for by itself.
        """
        if what != "iot" or "archetype" in details:
            return (self._figure(what, details),)
        _check_blocks(details)
        return tuple(self._figure(what, {block: level}) for block, level in details.items())

    def _figure(self, what: str, details: Details) -> EmbodiedFigure:
        path, body = _question(what, details)
        asked = f"{path} {json.dumps(body if body is not None else dict(details), sort_keys=True)}"
        where = f"{self._client.url}{path}"
        try:
            version = self._client.get_json("/v1/utils/version", {}, str)
            answer = self._ask(path, body, details)
        except SourceError as error:
            if error.status is None or error.retry:
                raise
            said = f"{where}: answers {error.status}: {error.said}; see what there is with: carbon boavizta --list"
            raise SourceError(said, retry=False, status=error.status, said=error.said) from None
        source = f"BoaviztAPI {version}, {asked}"
        gwp = _estimate(answer, "gwp", source, where)
        if gwp is None or gwp.value <= 0.0:
            raise SourceError(f"{where}: has no embodied figure for {what} {dict(details)}", retry=False)
        figures = [impact.embedded for impact in answer.impacts.values() if isinstance(impact.embedded, _Figure)]
        return EmbodiedFigure(
            what=" ".join([what, *(f"{name} {value}" for name, value in details.items())]),
            asked=asked,
            version=version,
            gwp=gwp,
            adp=_estimate(answer, "adp", source, where),
            pe=_estimate(answer, "pe", source, where),
            warnings=tuple(dict.fromkeys(warning for figure in figures for warning in figure.warnings)),
        )

    def _ask(self, path: str, body: dict[str, object] | None, details: Details) -> _Answer:
        if body is not None:
            return self._client.post_json(path, {"verbose": "false"}, body, _Answer)
        return self._client.get_json(path, {"verbose": "false", **details}, _Answer)


def inventory_lines(figure: EmbodiedFigure, name: str = "") -> list[str]:
    """Return the figure as a part of a device, TOML for an inventory, with what else the server says as comments.

    ``name``: of the part, what was asked for if "".
    """
    notes = [f"not said by the maker: modelled by BoaviztAPI {figure.version}", *figure.warnings]
    if figure.gwp.low == figure.gwp.high:
        notes.append("the server states no range: low and high are the value; widen them to what you believe")
    for label, impact in (("abiotic depletion", figure.adp), ("primary energy", figure.pe)):
        if impact is not None:
            notes.append(f"{label}: {impact.value:g} {impact.unit} ({impact.low:g} to {impact.high:g})")
    fields: dict[str, str | float] = {
        "name": name or figure.what,
        "kgco2e": figure.gwp.value,
        "low": figure.gwp.low,
        "high": figure.gwp.high,
        "source": f"{figure.gwp.source}; {LICENCE}",
        "vintage": f"BoaviztAPI {figure.version}",
    }
    comments = [f"# {' '.join(_printable(note).split())}" for note in notes]
    return [*comments, "[[device.part]]", *(f"{key} = {_toml(value)}" for key, value in fields.items())]


def _question(what: str, details: Details) -> tuple[str, dict[str, object] | None]:
    """Return the path, and the body of a question that has one."""
    if what == "iot" and "archetype" not in details:
        blocks = [{"type": block, "hsl_level": level} for block, level in details.items()]
        return "/v1/iot/iot_device", {"functional_blocks": blocks, "usage": {}}
    if what.startswith("component/"):
        return f"/v1/{what}", {name: _number(text) for name, text in details.items()}
    return {"iot": "/v1/iot/iot_device", "server": "/v1/server/"}.get(what, f"/v1/{what}"), None


def _check_blocks(details: Details) -> None:
    for block, level in details.items():
        if block not in BLOCKS:
            raise ValueError(f"a connected device has no block {block!r}; known: {', '.join(BLOCKS)}")
        if level not in LEVELS:
            raise ValueError(f"block {block} has no level {level!r}; known: {', '.join(LEVELS)}")
    if not details:
        raise ValueError(f"which blocks? such as processing=HSL-2 memory=HSL-1; known: {', '.join(BLOCKS)}")


def _estimate(answer: _Answer, criterion: str, source: str, where: str) -> Estimate | None:
    """Return one impact; its value is rounded by the server and may lie a little outside its own range."""
    impact = answer.impacts.get(criterion)
    if impact is None or isinstance(impact.embedded, str):
        return None
    if impact.unit != _UNITS[criterion]:
        raise SourceError(f"{where}: {criterion} in {impact.unit!r} instead of {_UNITS[criterion]}", retry=False)
    figure = impact.embedded
    ends = [one for one in (figure.value, figure.min, figure.max) if one is not None]
    unit = KGCO2E if criterion == "gwp" else impact.unit
    try:
        return Estimate(figure.value, min(ends), max(ends), unit, source)
    except ValueError as error:
        raise SourceError(f"{where}: {criterion}: {error}", retry=False) from None


def _number(text: str) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number that a component can have; leave it out for the server's own")
    return value


def _toml(value: str | float) -> str:
    if isinstance(value, float):
        return repr(value)
    return json.dumps(_printable(value), ensure_ascii=False)


def _printable(text: str) -> str:
    """Return the text without what would end a line, or steer a terminal."""
    return "".join(mark if mark.isprintable() else " " for mark in text)
