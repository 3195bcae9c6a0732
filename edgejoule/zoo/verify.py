"""``edgejoule models verify``: a model's files, shapes, counts and scores against what the catalogue says."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from edge_agent.checking import check_set_for, quality_of, tensors_of
from edge_agent.file_content import FileContent
from edge_agent.inference.errors import InferenceError
from edge_agent.inference.registry import installed_engines, load_runner
from edge_agent.inference.runner import InferenceRunner
from edge_agent.model_catalog import CatalogModel, open_check_set, open_model
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import RuntimeIdentity
from edgejoule.zoo.entry import Catalog, Family, ModelEntry
from edgejoule.zoo.graph import facts_of

SUFFIX: Final = ".tflite"
SCORE_TOLERANCE: Final = 0.02
"""Kernels of another runtime, or training on another processor, move a few inputs of a check set."""
COUNTED: Final = ("parameters", "zero_parameters", "macs", "activation_bytes", "precision")
"""What is counted again from the graph, where the catalogue states it."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was compared with the catalog."""

    name: str
    ok: bool
    detail: str


class EngineRun(msgspec.Struct, frozen=True, kw_only=True):
    """The model over its check set, or random inputs, with one engine. ``score``: None where there is no check set."""

    runtime: RuntimeIdentity
    score: float | None = None


class ModelCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of ``verify``; ``runs`` is empty when the files are not what the catalogue pins."""

    model_id: str
    ok: bool
    checks: list[Check]
    runs: list[EngineRun] = []


def verify_entry(
    model: CatalogModel, catalog: Catalog, entry: ModelEntry, engines: Sequence[str] = ("auto",)
) -> ModelCheck:
    """Compare the files with the catalogue, count again, and measure the score again with each of ``engines``.

    ``model``: what an agent would open for ``entry``. An engine that refuses the model is a failed check.
    """
    family = catalog.family_of(entry)
    checks, content = _files(model, entry)
    if content is None:
        return ModelCheck(model_id=entry.id, ok=False, checks=checks)
    checks.extend(_counts(content, entry))
    if family.classes:
        outputs = entry.output_shape[-1] if entry.output_shape else 1
        named = outputs == len(family.classes)
        checks.append(Check("classes", named, f"{len(family.classes)} names for {outputs} outputs"))
    runs = []
    for engine in engines:
        try:
            runner = load_runner(content, engine=engine)
        except ConfigurationError as error:
            checks.append(Check(f"run, {engine}", ok=False, detail=str(error)))
            continue
        checks.extend(_tensors(runner, entry))
        check, score = _score(runner, model, family, entry)
        checks.append(check)
        runs.append(EngineRun(runtime=runner.identity, score=score))
    return ModelCheck(model_id=entry.id, ok=all(check.ok for check in checks), checks=checks, runs=runs)


def engines_here(asked: Sequence[str] | None) -> list[str]:
    """Return the engines that are asked for, or every one for .tflite files that is installed here.

    Raises ConfigurationError where one is not installed, or none is.
    """
    here = installed_engines(SUFFIX)
    absent = next((one for one in asked or () if one not in {"auto", *here}), None)
    if absent is not None or not here:
        missing = "no engine" if absent is None else f"--engine {absent}: no such engine"
        remedy = f"use one of: {', '.join(here)}" if here else "install one with: pip install 'edgejoule[agent]'"
        raise ConfigurationError(f"{missing} for {SUFFIX} files is installed here; {remedy}")
    return list(asked or here)


def _files(model: CatalogModel, entry: ModelEntry) -> tuple[list[Check], FileContent | None]:
    """Return what became of the files, and the model's if all is as it is pinned."""
    checks, content = [], None
    try:
        content = open_model(model)
        checks.append(Check("model sha256", ok=True, detail=content.sha256))
        size_bytes = len(content.data)
        detail = f"{size_bytes} bytes, {entry.size_bytes} in the catalog"
        checks.append(Check("model size", size_bytes == entry.size_bytes, detail))
    except ConfigurationError as error:
        checks.append(Check("model sha256", ok=False, detail=str(error)))
    try:
        if open_check_set(model) is not None:
            checks.append(Check("check set sha256", ok=True, detail=f"{model.check_set_sha256}"))
    except ConfigurationError as error:
        checks.append(Check("check set sha256", ok=False, detail=str(error)))
    return checks, content if all(check.ok for check in checks) else None


def _counts(content: FileContent, entry: ModelEntry) -> Iterator[Check]:
    """Count again what the catalogue states."""
    try:
        facts = facts_of(content.data)
    except ValueError as error:
        yield Check("graph", ok=False, detail=f"{content.path}: {error}")
        return
    for name in COUNTED:
        stated, found = getattr(entry, name), getattr(facts, name)
        if stated is not None:
            counted = f"{found:,}" if isinstance(found, int) else f"{found}"
            same = "as in the catalog" if found == stated else f"{stated} in the catalog"
            yield Check(name.replace("_", " "), found == stated, f"{counted} counted from the graph, {same}")


def _tensors(runner: InferenceRunner, entry: ModelEntry) -> Iterator[Check]:
    by = runner.identity.runtime
    for what, found, stated in (
        ("input", f"{runner.input_dtype} {[*runner.input_shape]}", f"{entry.input_dtype} {entry.input_shape}"),
        ("output", f"{[*runner.output_shape]}", f"{entry.output_shape}"),
    ):
        same = "" if found == stated else f", {stated} in the catalog"
        yield Check(f"{what}, {by}", found == stated, f"{found}{same}")


def _score(
    runner: InferenceRunner, model: CatalogModel, family: Family, entry: ModelEntry
) -> tuple[Check, float | None]:
    by = f"{runner.identity.runtime} {runner.identity.version}, delegate {runner.identity.delegate}"
    try:
        check_set = check_set_for(model, runner)
        quality = quality_of(runner, tensors_of(check_set, runner), check_set)
    except (ConfigurationError, InferenceError) as error:
        return Check(f"run, {by}", ok=False, detail=str(error)), None
    score = {"accuracy": quality.accuracy_ratio, "roc_auc": quality.roc_auc}.get(family.metric)
    if model.check_set is None:
        return Check(f"run, {by}", ok=True, detail="on random inputs: no check set comes along"), None
    if score is None or entry.check_set_score is None:
        said = "the check set has no such labels" if score is None else "the catalog states no score on the check set"
        return Check(f"{family.metric}, {by}", ok=entry.check_set_score is None, detail=said), score
    close = abs(score - entry.check_set_score) <= SCORE_TOLERANCE
    detail = f"{score:.4f} measured, {entry.check_set_score:.4f} in the catalog"
    return Check(f"{family.metric}, {by}", close, detail), score
