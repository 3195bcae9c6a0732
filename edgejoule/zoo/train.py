"""``edgejoule models train``: the recipe of a family run again, and what came out beside the catalogue."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.model_catalog import CATALOG_NAME
from edge_agent.wire.errors import ConfigurationError
from edgejoule.zoo.catalog_file import find_family, read_catalog
from edgejoule.zoo.entry import Development, Family, Metric, ModelEntry
from edgejoule.zoo.recipe_process import Step, run_recipe
from edgejoule.zoo.verify import SCORE_TOLERANCE

TRAIN_MODULES: Final = ("sklearn", "jax", "litert_quantizer", "flatbuffers", "ai_edge_litert")
RECIPES: Final = "recipes"


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. ``family``: as the catalogue knows it, None for one that is new there."""

    family_id: str
    path: Path
    family: Family | None


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
    """What training a family again gave. ``development``: what this run cost, None where the recipe says nothing."""

    family_id: str
    ok: bool
    metric: Metric
    models: list[TrainedModel]
    trained_with: list[str]
    catalog_trained_with: list[str]
    development: Development | None


def find_recipe(directory: Path, name: str) -> Recipe:
    """Return the recipe of a family or a model of the catalogue, or the file recipes/NAME.py of a family to come.

    Raises ConfigurationError, also for a recipe outside the catalogue's folder.
    """
    new = directory / RECIPES / f"{name}.py"
    if not _holds(directory, name) and new.name == f"{name}.py" and _is_inside(new, directory):
        return Recipe(family_id=name, path=new, family=None)
    family = find_family(directory, name)
    if not family.recipe:
        raise ConfigurationError(f"family {family.id!r} has no recipe; it was not trained by this project")
    path = directory / family.recipe
    if path.exists() and not _is_inside(path, directory):
        raise ConfigurationError(
            f"{directory / CATALOG_NAME}: recipe {family.recipe!r} of {family.id!r} lies outside {directory}; a "
            "recipe is a program, run it by hand if you trust it"
        )
    return Recipe(family_id=family.id, path=path, family=family)


def train_again(
    directory: Path, recipe: Recipe, out: Path, show: Callable[[Step], None], meter: Path | None = None
) -> Training:
    """Run the recipe into ``out``, a catalogue of its own, and compare it with ``directory``'s.

    ``show`` is called with each step; ``meter`` as in ``run_recipe``. Raises ConfigurationError if it cannot run.
    """
    missing = [module for module in TRAIN_MODULES if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"training needs packages that are not installed ({', '.join(missing)}): pip install 'edgejoule[train]'"
        )
    run_recipe(recipe.path, out, show, meter)
    made = read_catalog(out)
    known = {entry.id: entry for entry in read_catalog(directory).members(recipe.family_id)}
    if not made.model or [family.id for family in made.family] != [recipe.family_id]:
        raise ConfigurationError(f"{recipe.path}: the recipe wrote no {recipe.family_id!r}; see models/recipes")
    models = [_beside(entry, known.get(entry.id)) for entry in made.model]
    return Training(
        family_id=recipe.family_id,
        ok=all(model.ok for model in models),
        metric=made.family[0].metric,
        models=models,
        trained_with=made.family[0].trained_with,
        catalog_trained_with=[] if recipe.family is None else recipe.family.trained_with,
        development=made.family[0].development,
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


def _holds(directory: Path, name: str) -> bool:
    catalog = read_catalog(directory)
    return name in {*(one.id for one in catalog.family), *(one.id for one in catalog.model)}


def _is_inside(path: Path, directory: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(directory.resolve())
