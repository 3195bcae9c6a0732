"""``edgejoule models train``: the recipe of a family run again, and what came out beside the catalogue."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.model_catalog import CATALOG_NAME
from edge_agent.wire.errors import ConfigurationError
from edgejoule.zoo.catalog_file import read_catalog
from edgejoule.zoo.entry import Family, ModelEntry
from edgejoule.zoo.verify import SCORE_TOLERANCE

TRAIN_MODULES: Final = ("sklearn", "litert_quantizer", "flatbuffers", "ai_edge_litert")
TRAIN_TIMEOUT_S: Final = 600.0


class TrainedModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model that training again gave, beside what the catalogue states. Scores are None where none is known."""

    model_id: str
    ok: bool
    bit_identical: bool
    sha256: str
    catalog_sha256: str | None
    score: float | None
    catalog_score: float | None


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What training a family again gave."""

    family_id: str
    ok: bool
    models: list[TrainedModel]
    trained_with: list[str]
    catalog_trained_with: list[str]


def train_again(directory: Path, family: Family, out: Path) -> Training:
    """Run the family's recipe into ``out``, a catalogue of its own, and compare it with ``directory``'s.

    Raises ConfigurationError if it cannot run.
    """
    missing = [module for module in TRAIN_MODULES if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"training needs packages that are not installed ({', '.join(missing)}): pip install 'edgejoule[train]'"
        )
    if not family.recipe:
        raise ConfigurationError(f"family {family.id!r} has no recipe; it was not trained by this project")
    _run_recipe(directory / family.recipe, out)
    made = read_catalog(out)
    known = {entry.id: entry for entry in read_catalog(directory).members(family.id)}
    if not made.model or made.family[0].id != family.id:
        raise ConfigurationError(f"{out / CATALOG_NAME}: the recipe wrote no {family.id!r}; see models/recipes")
    models = [_beside(entry, known.get(entry.id)) for entry in made.model]
    return Training(
        family_id=family.id,
        ok=all(model.ok for model in models),
        models=models,
        trained_with=made.family[0].trained_with,
        catalog_trained_with=family.trained_with,
    )


def _beside(made: ModelEntry, known: ModelEntry | None) -> TrainedModel:
    score = None if made.score is None else made.score.value
    catalog_score = None if known is None or known.score is None else known.score.value
    return TrainedModel(
        model_id=made.id,
        ok=score is None or catalog_score is None or score >= catalog_score - SCORE_TOLERANCE,
        bit_identical=known is not None and made.sha256 == known.sha256,
        sha256=made.sha256,
        catalog_sha256=None if known is None else known.sha256,
        score=score,
        catalog_score=catalog_score,
    )


def _run_recipe(recipe: Path, out: Path) -> None:
    if not recipe.is_file():
        raise ConfigurationError(f"{recipe}: the recipe is missing; reinstall edgejoule")
    try:
        outcome = subprocess.run(
            [sys.executable, "-B", str(recipe), str(out)],
            env=os.environ | {"TQDM_DISABLE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TRAIN_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"{recipe}: not done after {TRAIN_TIMEOUT_S:.0f} s; use a faster machine") from error
    if outcome.returncode != 0:
        last_line = (outcome.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ConfigurationError(
            f"{recipe}: the recipe failed: {last_line}; check that {out} can be written and that the packages of the "
            "extra [train] have the versions that pyproject.toml asks for"
        )
