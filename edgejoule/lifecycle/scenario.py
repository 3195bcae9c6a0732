"""A lifecycle scenario as a TOML file: which models, on which grids, and what went into them beside their recipe."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_agent.wire.toml_config import read_toml

Positive = Annotated[float, Meta(gt=0.0, le=1e18)]
Text = Annotated[str, Meta(min_length=1)]
What = Literal["data", "search", "training", "quantisation", "other"]


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A figure with its P5 and P95."""

    value: Positive
    low: Positive
    high: Positive


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What went into a model beside the one run of its recipe that the catalogue knows.

    ``of``: a family, for all of its models, or one model. ``runs``: so many more runs of the family's recipe, as of a
    search; or ``energy_j``, a number (an assumption without range) or a range.
    """

    of: Text
    what: What
    source: Text
    runs: Positive | None = None
    energy_j: Positive | Range | None = None


class LifecycleScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose lives are looked at. ``task``: a part of the task's words, "" for all.

    ``development_zone`` with ``development_pue``, and ``deployment_zone``: then figures are grams, else joules.
    """

    title: Text = "From making to using: the models of the catalogue"
    task: str = ""
    baseline: str = ""
    development_zone: str = ""
    development_pue: Annotated[float, Meta(ge=1.0, le=10.0)] = 1.0
    deployment_zone: str = ""
    run: tuple[Run, ...] = ()


def read_lifecycle(path: Path) -> LifecycleScenario:
    """Read a scenario file. Raises ConfigurationError with one line that names the key and the fault."""
    return read_toml(path, LifecycleScenario)
