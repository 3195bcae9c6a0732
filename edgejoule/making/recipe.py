"""What a recipe in models/recipes states, and what is made of it: files, scores, cost, catalogue and card.

A recipe ends in ``main(Recipe(...))`` and runs as ``python RECIPE.py OUT``.
"""

import argparse
import hashlib
import importlib.metadata
import inspect
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.errors import ConfigurationError
from edgejoule.making.check_set import write_check_set
from edgejoule.making.cost import cost_meter_from_environment
from edgejoule.making.network import F32
from edgejoule.making.progress import Progress, progress_from_environment
from edgejoule.making.quality import LoadedFile, accuracy_score, mean_square_error, predictions, roc_auc_score
from edgejoule.making.quantise import dynamic_range_model, int8_model
from edgejoule.parent import die_with_parent_if_asked
from edgejoule.zoo.arena import arena_of
from edgejoule.zoo.catalog_file import find_family, write_catalog
from edgejoule.zoo.counted_entry import counted_entry
from edgejoule.zoo.entry import Catalog, Family, ModelEntry, Precision, Score
from edgejoule.zoo.family_files import write_card
from edgejoule.zoo.graph import facts_of
from edgejoule.zoo.latency import read_latencies
from firmware_bridge.errors import FirmwareBridgeError

CHECK_SET_NAME: Final = "check_set.npz"
TOOLS: Final = ("jax", "litert-quantizer", "ai-edge-litert", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training gave. ``test_x`` (n, ...) is the whole test set, with ``test_y`` (n,) or ``anomalous`` (n,).

    ``calibration`` (m, ...): training inputs that set the int8 ranges. ``check``: which of the test set come along,
    None for none. ``groups`` (n,): what each test input comes from, as in ``quality.accuracy_score``. ``limits``: what
    only training could tell, beside the family's own.
    """

    float_model: bytes
    calibration: F32
    test_x: F32
    test_y: NDArray[Any] | None = None
    anomalous: NDArray[Any] | None = None
    check: NDArray[np.int64] | None = None
    groups: NDArray[Any] | None = None
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a person states. ``family``: all but what is measured: check set, hashes, versions, cost.

    ``check_set_from``: the family whose check set serves this one too. ``tools``: distributions whose versions decide
    what comes out. ``reused``: families whose making this one builds on.
    """

    family: Family
    train: Callable[[Progress], Trained]
    precisions: tuple[Precision, ...] = ("int8", "dynamic_range", "float32")
    check_set_from: str = ""
    tools: tuple[str, ...] = TOOLS
    reused: tuple[str, ...] = ()


def main(recipe: Recipe, argv: Sequence[str] | None = None) -> None:
    """Build into the folder that the command line names; what a user can cause ends in one line and exit code 1."""
    die_with_parent_if_asked()
    parser = argparse.ArgumentParser(description=f"Train {recipe.family.id}: {recipe.family.task}.")
    parser.add_argument("out", type=Path, help="folder for a catalogue of its own with this family")
    arguments = parser.parse_args(argv)
    try:
        build(recipe, arguments.out, progress_from_environment())
    except (ConfigurationError, FirmwareBridgeError) as error:
        raise SystemExit(str(error)) from error
    except OSError as error:
        raise SystemExit(f"{error}; see that there is room, and that the folder is yours") from error


def catalog_beside(recipe_file: str) -> Path:
    """Return the folder of the catalogue that a recipe belongs to. ``recipe_file``: its ``__file__``."""
    return Path(recipe_file).resolve().parents[1]


def build(recipe: Recipe, out: Path, progress: Progress) -> Catalog:
    """Train, quantise, measure; write the family's folder, catalog.toml and card into ``out``; return the catalogue.

    Raises ConfigurationError where something that is needed is not installed or not there.
    """
    beside = catalog_beside(inspect.getfile(recipe.train))
    out.mkdir(parents=True, exist_ok=True)
    shared = _check_set_of(recipe.check_set_from, beside) if recipe.check_set_from else ""
    with cost_meter_from_environment() as cost, jax.default_device(jax.devices("cpu")[0]):
        trained = recipe.train(progress)
        models = _models(recipe.precisions, trained, progress)
        scores = [_score(model, trained, progress, at, len(models)) for at, model in enumerate(models.values())]
    if cost.note:
        progress.step("cost", 1, 1, cost.note)
    check_set = shared or _own_check_set(recipe.family.id, trained, models, out)
    if shared:
        _take_along(shared, recipe.check_set_from, models["int8"], beside, out)
    family = msgspec.structs.replace(
        recipe.family,
        metric="accuracy" if trained.test_y is not None else "roc_auc",
        check_set=check_set,
        check_set_sha256=_sha256((out / check_set).read_bytes()) if check_set else None,
        recipe=f"recipes/{recipe.family.id}.py",
        trained_with=[f"{tool} {importlib.metadata.version(tool)}" for tool in recipe.tools],
        limits=[*recipe.family.limits, *trained.limits],
        development=cost.development(recipe.reused),
    )
    entries = []
    for (precision, model), score in zip(models.items(), scores, strict=True):
        file = f"{family.id}/{precision}.tflite"
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        (out / file).write_bytes(model)
        on_check_set = _check_set_score(model, out / check_set) if check_set else None
        entries.append(_entry(family.id, precision, model, score, on_check_set))
    catalog = Catalog(family=[family], model=entries)
    write_catalog(out, catalog)
    write_card(out / family.id, catalog, family, read_latencies(beside))
    return catalog


def _models(precisions: Sequence[Precision], trained: Trained, progress: Progress) -> dict[Precision, bytes]:
    makers: dict[Precision, Callable[[], bytes]] = {
        "int8": lambda: int8_model(trained.float_model, trained.calibration),
        "dynamic_range": lambda: dynamic_range_model(trained.float_model),
        "float32": lambda: trained.float_model,
    }
    models = {}
    for number, precision in enumerate(precisions, start=1):
        models[precision] = makers[precision]()
        progress.step("quantise", number, len(precisions), precision)
    return models


def _score(model: bytes, trained: Trained, progress: Progress, at: int, count: int) -> Score:
    score = score_of(predictions(model, trained.test_x), trained)
    progress.step("measure", at + 1, count, f"score {score.value:.4f}")
    return score


def score_of(made: F32, trained: Trained) -> Score:
    """Return the score of outputs ``made`` (n, ...) for the whole test set."""
    if trained.test_y is not None:
        return accuracy_score(made, trained.test_y, trained.groups)
    if trained.anomalous is None:
        raise ValueError("a test set has test_y or anomalous; give one")
    return roc_auc_score(mean_square_error(made, trained.test_x), trained.anomalous, trained.groups)


def _own_check_set(family_id: str, trained: Trained, models: dict[Precision, bytes], out: Path) -> str:
    """Write the check set below ``out`` and return its path there, "" for none."""
    if trained.check is None:
        return ""
    name = f"{family_id}/{CHECK_SET_NAME}"
    y, anomalous = (None if one is None else one[trained.check] for one in (trained.test_y, trained.anomalous))
    write_check_set(out / name, models["int8"], trained.test_x[trained.check], y, anomalous)
    return name


def _check_set_of(family_id: str, beside: Path) -> str:
    name = find_family(beside, family_id).check_set
    if not name:
        raise ConfigurationError(f"{beside}: family {family_id!r} has no check set; name one that has, or none")
    return name


def _take_along(name: str, family_id: str, model: bytes, beside: Path, out: Path) -> None:
    """Copy the check set of another family below ``out``; it has to be on the scale of ``model``'s input."""
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(beside / name, out / name)
    with np.load(out / name) as arrays:
        scale = float(arrays["scale"]), int(arrays["zero_point"])
    if LoadedFile(model).input_scale != scale:
        raise ConfigurationError(
            f"{beside / name}: it has another input scale than this family's int8 model; calibrate on the inputs that "
            f"{family_id} was calibrated on"
        )


def _check_set_score(model: bytes, path: Path) -> float:
    with np.load(path) as arrays:
        x = ((arrays["x"].astype(np.float64) - arrays["zero_point"]) * arrays["scale"]).astype(np.float32)
        y, anomalous = arrays.get("y"), arrays.get("anomalous")
    part = Trained(float_model=b"", calibration=x[:0], test_x=x, test_y=y, anomalous=anomalous)
    return score_of(predictions(model, x), part).value


def _entry(
    family_id: str, precision: Precision, model: bytes, score: Score, check_set_score: float | None
) -> ModelEntry:
    facts = facts_of(model)
    if facts.precision != precision:
        raise ConfigurationError(
            f"{family_id}: what was to be {precision} is {facts.precision}; leave {precision} out of its precisions, "
            "or use the version of litert-quantizer that the extra [train] asks for"
        )
    return msgspec.structs.replace(
        counted_entry(f"{family_id}_{precision}", family_id, model, facts),
        arena_bytes=arena_of(model).arena_bytes,
        runtimes=[f"litert {importlib.metadata.version('ai-edge-litert')}"],
        score=score,
        check_set_score=check_set_score,
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
