"""``edgejoule models verify``: a model's files, shapes and score against what the catalogue says."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.check_set import load_check_set
from edge_agent.checking import quality_of, tensors_of
from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner
from edge_agent.wire.records import RuntimeIdentity
from edgejoule.zoo.entry import Catalog, Family, ModelEntry

SCORE_TOLERANCE: Final = 0.02
"""Kernels of another runtime, or training on another processor, move a few inputs of a check set."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was compared with the catalog."""

    name: str
    ok: bool
    detail: str


class ModelCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of ``verify``; ``score`` and ``runtime`` are None when the model could not be run."""

    model_id: str
    ok: bool
    checks: list[Check]
    score: float | None = None
    runtime: RuntimeIdentity | None = None


def verify_entry(directory: Path, catalog: Catalog, entry: ModelEntry) -> ModelCheck:
    """Compare the files with the catalogue and measure the score again with this machine's runtime."""
    family = catalog.family_of(entry)
    model = directory / entry.file
    checks = [_check_bytes("model sha256", model, entry.sha256), _check_size(model, entry.size_bytes)]
    if family.check_set:
        checks.append(_check_bytes("check set sha256", directory / family.check_set, family.check_set_sha256))
    if not all(check.ok for check in checks):
        return ModelCheck(model_id=entry.id, ok=False, checks=checks)
    runner = load_runner(model)
    checks.extend(_check_tensors(runner, entry, family))
    score = None
    if family.check_set and entry.check_set_score is not None:
        check_set = load_check_set(directory / family.check_set)
        score = quality_of(runner, tensors_of(check_set, runner), check_set).accuracy_ratio
        close = score is not None and abs(score - entry.check_set_score) <= SCORE_TOLERANCE
        shown = "the check set has no labels" if score is None else f"{score:.2%} measured"
        checks.append(Check(f"{family.metric}", close, f"{shown}, {entry.check_set_score:.2%} in the catalog"))
    return ModelCheck(
        model_id=entry.id,
        ok=all(check.ok for check in checks),
        checks=checks,
        score=score,
        runtime=runner.identity,
    )


def _check_bytes(name: str, path: Path, expected: str | None) -> Check:
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


def _check_tensors(runner: InferenceRunner, entry: ModelEntry, family: Family) -> list[Check]:
    source = (runner.input_dtype.name, list(runner.input_shape))
    checks = [
        Check("input", ok=source == (entry.input_dtype, entry.input_shape), detail=f"{source[0]} {source[1]}"),
        Check("output", ok=list(runner.output_shape) == entry.output_shape, detail=f"{list(runner.output_shape)}"),
    ]
    if family.classes:
        named = entry.output_shape[-1] == len(family.classes)
        checks.append(Check("classes", named, f"{len(family.classes)} names for {entry.output_shape[-1]} outputs"))
    return checks
