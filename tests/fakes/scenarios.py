"""A complete comparison scenario as a document, with changes by path; resolved without a file."""

import copy
from pathlib import Path
from typing import Any, Final

from collector.analysis.comparison.document import GivenCases, read_tables
from collector.analysis.comparison.problem import Problem
from collector.analysis.comparison.resolve import resolve
from collector.analysis.comparison.sources import Sources

SCENARIO: Final[dict[str, Any]] = {
    "title": "Keywords: a board against a card",
    "unit": {"task": "one keyword", "inferences": 1000, "inferences_per_day": 86400},
    "edge": {
        "grid": "DE",
        "attribution": "dedicated",
        "hardware": "raspberry-pi-4b-4gb",
        "sd_card_gb": 32,
        "lifetime_years": 5.0,
        "j_per_inference": 0.2,
        "j_per_inference_u": 0.004,
        "time_per_inference_s": 0.05,
        "idle_power_w": {"value": 2.7, "low": 2.4, "high": 3.0, "source": "assumption"},
        "accuracy_ratio": 0.9,
        "latency_s": 0.06,
    },
    "cloud": {
        "grid": "IE",
        "pue": "pue-aws",
        "time_per_inference_s": {"value": 0.005, "low": 0.002, "high": 0.02, "source": "assumption"},
        "utilisation_ratio": 0.3,
        "idle_power_w": "t4-idle",
        "max_power_w": "t4-max",
        "embodied_kgco2e": "host-g4dn",
        "embodied_share_ratio": 0.125,
        "lifetime_years": 4.0,
    },
    "network": {"access": "fixed", "payload_up_bytes": 32000, "payload_down_bytes": 400},
    "thin_client": "none",
}
THIN_CLIENT: Final[dict[str, Any]] = {
    "hardware": "esp32-devkit",
    "lifetime_years": 5.0,
    "idle_power_w": 0.4,
}


class Gone:
    """In the place of a value: the key is removed."""


def document(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the scenario; ``changes`` by path, such as {"edge.grid": ["DE", "FR"]}."""
    whole = copy.deepcopy(SCENARIO)
    for path, value in (changes or {}).items():
        table, _, key = path.rpartition(".")
        of = whole[table] if table else whole
        if value is Gone:
            of.pop(key, None)
        else:
            of[key] = copy.deepcopy(value)
    return whole


def problem(
    changes: dict[str, Any] | None = None,
    *,
    sources: Sources | None = None,
    folder: Path = Path(),
    given: GivenCases | None = None,
) -> Problem:
    """Return the scenario with changes as a problem. Raises ConfigurationError as ``read_problem``."""
    return resolve(read_tables(document(changes), given), sources or Sources(), folder)
