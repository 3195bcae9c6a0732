"""The part of BoaviztAPI 2.5 that is asked, on loopback, with figures of its own making."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.json_server import Asked, Reply, as_json

VERSION = "2.5.0"
NO_DISTRIBUTION = "Do not include the impact of distribution"


def impact(unit: str, value: float, low: float, high: float, warning: str = NO_DISTRIBUTION) -> dict[str, Any]:
    embedded = {"value": value, "min": low, "max": high, "warnings": [warning]}
    return {"unit": unit, "description": "of something", "embedded": embedded, "use": "not implemented"}


@dataclass
class Boavizta:
    """``blocks``: kgCO2e of each functional block by level. ``archetypes``: of servers; ``gb_kg``: of memory."""

    blocks: dict[tuple[str, str], float] = field(default_factory=dict)
    archetypes: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    gb_kg: float = 2.0

    def __call__(self, asked: Asked) -> Reply:
        known = {
            "/v1/utils/version": lambda _: as_json(VERSION),
            "/v1/iot/iot_device": self._device,
            "/v1/server/": self._server,
            "/v1/component/ram": self._memory,
        }
        family = asked.path.removeprefix("/v1/").removesuffix("/all")
        if asked.path.endswith("/all"):
            return as_json({f"{family}_one": f"v1/{family}/{family}_one"})
        if asked.path not in known or asked.params.get("verbose", "false") != "false":
            return as_json({"detail": "Not Found"}, 404)
        return known[asked.path](asked)

    def _device(self, asked: Asked) -> Reply:
        blocks = json.loads(asked.body)["functional_blocks"]
        mass = sum(self.blocks.get((block["type"], block["hsl_level"]), 0.0) for block in blocks)
        adp = {"unit": "kgSbeq", "description": "", "embedded": "not implemented", "use": "not implemented"}
        gwp = impact("kgCO2eq", mass, mass, mass)
        return as_json(
            {"impacts": {"gwp": gwp, "adp": adp, "pe": impact("MJ", 13.0 * mass, 13.0 * mass, 13.0 * mass)}}
        )

    def _server(self, asked: Asked) -> Reply:
        found = self.archetypes.get(asked.params.get("archetype", ""))
        if found is None:
            return as_json({"detail": f"{asked.params.get('archetype')} not found"}, 404)
        return as_json(
            {"impacts": {"gwp": impact("kgCO2eq", *found, "End of life is not included in the calculation")}}
        )

    def _memory(self, asked: Asked) -> Reply:
        given = json.loads(asked.body)
        mass = given["capacity"] * given.get("units", 1) * self.gb_kg
        impacts = {"gwp": impact("kgCO2eq", mass, mass * 0.7, mass * 1.7), "adp": impact("kgSbeq", 4e-3, 3e-3, 5e-3)}
        return as_json({"impacts": impacts})
