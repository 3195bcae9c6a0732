"""What ``edgejoule models`` does: read the whole catalog, check a model's files, train one again from its recipe."""

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner
from edge_agent.model_catalog import CATALOG_NAME, CheckSet, load_check_set
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import RuntimeIdentity
from edge_agent.wire.toml_config import decode_toml, read_toml

ACCURACY_TOLERANCE: Final = 0.02
"""Kernels of another runtime, or training on another processor, move a few images of a check set."""
TRAIN_MODULES: Final = ("sklearn", "litert_quantizer", "flatbuffers", "ai_edge_litert")
TRAIN_TIMEOUT_S: Final = 600.0


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[model]]`` of models/catalog.toml, complete. Paths are relative to the catalog.

    ``macs``: multiply-accumulates for one inference. ``accuracy_*``: share of the check set classified correctly.
    """

    id: str
    file: str
    sha256: str
    task: str
    input_shape: list[int]
    input_dtype: str
    output_shape: list[int]
    classes: list[str]
    check_set: str
    check_set_sha256: str
    parameters: int
    macs: int
    size_bytes: int
    accuracy_float: float
    accuracy_int8: float
    licence: str
    data_source: str
    recipe: str
    trained_with: list[str]


class _Catalog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: list[ModelEntry]


class Check(msgspec.Struct, frozen=True):
    """One thing that was compared with the catalog."""

    name: str
    ok: bool
    detail: str


class ModelCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of ``verify``; ``accuracy_int8`` and ``runtime`` are None when the model could not be run."""

    model_id: str
    ok: bool
    checks: list[Check]
    accuracy_int8: float | None = None
    runtime: RuntimeIdentity | None = None


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What training again gave, beside what the catalog states."""

    model_id: str
    ok: bool
    bit_identical: bool
    sha256: str
    catalog_sha256: str
    accuracy_float: float
    accuracy_int8: float
    catalog_accuracy_int8: float
    trained_with: list[str]
    catalog_trained_with: list[str]


def read_catalog(directory: Path) -> list[ModelEntry]:
    """Return every entry of the catalog in ``directory``. Raises ConfigurationError."""
    return read_toml(directory / CATALOG_NAME, _Catalog).model


def find_entry(directory: Path, model_id: str) -> ModelEntry:
    """Return one entry. Raises ConfigurationError that lists the known ones."""
    entries = read_catalog(directory)
    for entry in entries:
        if entry.id == model_id:
            return entry
    known = ", ".join(entry.id for entry in entries)
    raise ConfigurationError(f"model {model_id!r} is not in {directory / CATALOG_NAME}; known: {known}")


def verify_entry(directory: Path, entry: ModelEntry) -> ModelCheck:
    """Compare the files with the catalog and measure the accuracy again with this machine's runtime."""
    model = directory / entry.file
    checks = [
        _check_bytes("model sha256", model, entry.sha256),
        _check_size(model, entry.size_bytes),
        _check_bytes("check set sha256", directory / entry.check_set, entry.check_set_sha256),
    ]
    if not all(check.ok for check in checks):
        return ModelCheck(model_id=entry.id, ok=False, checks=checks)
    runner = load_runner(model)
    checks.extend(_check_tensors(runner, entry))
    measured = accuracy_of(runner, load_check_set(directory / entry.check_set))
    close = measured is not None and abs(measured - entry.accuracy_int8) <= ACCURACY_TOLERANCE
    shown = "the check set has no labels" if measured is None else f"{measured:.2%} measured"
    checks.append(Check("accuracy int8", close, f"{shown}, {entry.accuracy_int8:.2%} in the catalog"))
    return ModelCheck(
        model_id=entry.id,
        ok=all(check.ok for check in checks),
        checks=checks,
        accuracy_int8=measured,
        runtime=runner.identity,
    )


def accuracy_of(runner: InferenceRunner, check_set: CheckSet) -> float | None:
    """Return the share of the check set that ``runner`` classifies as labelled, None without labels."""
    if check_set.y is None or len(check_set.y) == 0:
        return None
    shaped = check_set.x.reshape((-1, *runner.input_shape))
    right = sum(
        int(np.argmax(runner.infer(values))) == int(label) for values, label in zip(shaped, check_set.y, strict=True)
    )
    return right / len(check_set.y)


def _check_bytes(name: str, path: Path, expected: str) -> Check:
    if not path.is_file():
        return Check(name, ok=False, detail=f"{path} is missing; reinstall edgejoule")
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual == expected:
        return Check(name, ok=True, detail=actual)
    return Check(name, ok=False, detail=f"{actual} in {path}, {expected} in the catalog; reinstall edgejoule")


def _check_size(path: Path, expected_bytes: int) -> Check:
    actual_bytes = path.stat().st_size if path.is_file() else None
    detail = f"{actual_bytes} bytes, {expected_bytes} in the catalog"
    return Check("model size", ok=actual_bytes == expected_bytes, detail=detail)


def _check_tensors(runner: InferenceRunner, entry: ModelEntry) -> list[Check]:
    source = (runner.input_dtype.name, list(runner.input_shape))
    return [
        Check("input", ok=source == (entry.input_dtype, entry.input_shape), detail=f"{source[0]} {source[1]}"),
        Check("output", ok=list(runner.output_shape) == entry.output_shape, detail=f"{list(runner.output_shape)}"),
        Check(
            "classes",
            ok=entry.output_shape[-1] == len(entry.classes),
            detail=f"{len(entry.classes)} names for {entry.output_shape[-1]} outputs",
        ),
    ]


def train_again(directory: Path, entry: ModelEntry, out: Path) -> Training:
    """Run the recipe into ``out`` and compare with the catalog. Raises ConfigurationError if it cannot run."""
    missing = [module for module in TRAIN_MODULES if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"training needs packages that are not installed ({', '.join(missing)}): pip install 'edgejoule[train]'"
        )
    _run_recipe(directory / entry.recipe, out)
    made = _read_made(out / "catalog_entry.toml")
    return Training(
        model_id=entry.id,
        ok=made.accuracy_int8 >= entry.accuracy_int8 - ACCURACY_TOLERANCE,
        bit_identical=made.sha256 == entry.sha256,
        sha256=made.sha256,
        catalog_sha256=entry.sha256,
        accuracy_float=made.accuracy_float,
        accuracy_int8=made.accuracy_int8,
        catalog_accuracy_int8=entry.accuracy_int8,
        trained_with=made.trained_with,
        catalog_trained_with=entry.trained_with,
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


def _read_made(path: Path) -> ModelEntry:
    try:
        text = path.read_text(encoding="utf-8")
        return decode_toml(text, _Catalog, str(path)).model[0]
    except (OSError, IndexError) as error:
        raise ConfigurationError(f"{path}: the recipe wrote no entry; see models/recipes/digits_mlp.py") from error
