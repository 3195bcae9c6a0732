"""A small dashboard of one panel of each kind, as the boards make them, and fixed answers to draw it from."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

SAMPLES: Final = Path(__file__).parents[1] / "data" / "grafana_ui"
ANSWERS: Final[list[dict[str, Any]]] = json.loads((SAMPLES / "answers.json").read_text(encoding="utf-8"))
_panels: Any = import_module("grafana.panels")
_model: Any = import_module("grafana.model")


def sample_dashboard(changes: Mapping[str, Callable[[Any], Any]] = {}) -> dict[str, Any]:
    """Return its JSON; ``changes``: what is made of a panel, by its title."""
    laid = _panels.placed(_panels.section("One panel of each kind", *_samples()))
    changed = tuple(changes.get(panel.title, lambda same: same)(panel) for panel in laid)
    board = _model.Dashboard(
        uid="sample", title="sample", description="To be drawn.", tags=(), panels=changed, variables=()
    )
    content: dict[str, Any] = json.loads(board.to_json())
    return content


def _samples() -> list[Any]:
    query = 'SELECT 1 FROM "inference_window" WHERE $timeFilter'

    def asks(*aliases: str) -> list[Any]:
        return [_panels.Ask(query, alias) for alias in aliases]

    look = _panels.Look
    link = _model.Link(title="This device", url="/d/x?var-device=${__data.fields.device}")
    columns = (
        _panels.column_unit("share", "percentunit", links=[{"title": link.title, "url": link.url}]),
        _panels.column_unit("state", "string"),
    )
    return [
        _panels.stat("One number", "Watts of a fleet.", asks("power"), look("watt")),
        _panels.stat("Two numbers", "Grams of two kinds.", asks("operational", "embodied"), look("massg"), w=8),
        _panels.stat("Nothing", "What nobody has measured.", asks("x"), look("watt", no_value="nothing yet")),
        _panels.series("Lines", "Watts of three devices, one with a gap.", asks("$tag_device"), look("watt"), h=7),
        _panels.series("Stacked bars", "Joules.", asks("$tag_device"), look("joule"), h=7, stacked=True),
        _panels.bars("Bars", "Joules per inference.", asks("$tag_device $tag_model"), look("joule"), w=12, h=7),
        _panels.table("Table", "Windows.", [query], look("none", overrides=columns), w=12, h=7, sort_by="share"),
    ]
