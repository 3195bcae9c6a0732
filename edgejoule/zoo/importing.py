"""A .tflite file of the user's own, made into an entry of their own catalogue: counted, tried, copied, hash pinned."""

import re
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.check_set import load_check_set
from edge_agent.file_content import FileContent, read_content
from edge_agent.model_catalog import CATALOG_NAME, file_sha256, models_dir
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Identifier
from edgejoule.zoo.arena import Arena, arena_of
from edgejoule.zoo.catalog_file import read_catalog, write_catalog
from edgejoule.zoo.counted_entry import counted_entry
from edgejoule.zoo.entry import NOT_STATED, Catalog, Family, Metric, ModelEntry
from edgejoule.zoo.family_files import replace_family
from edgejoule.zoo.graph import GraphFacts, TensorFacts, facts_of
from edgejoule.zoo.text_files import refuse_control_characters
from edgejoule.zoo.trial import Trial, try_engines

CHECK_SET_NAME: Final = "check_set.npz"
_GREATEST_ID: Final = 64
_NAMED_TENSORS: Final = 5
_LONGEST_NAME: Final = 60


class Statements(msgspec.Struct, frozen=True, kw_only=True):
    """What only a person knows of a model."""

    task: str = NOT_STATED
    licence: str = NOT_STATED
    data: str = NOT_STATED


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What a .tflite file says, and what became of it with what is installed here."""

    content: FileContent
    facts: GraphFacts
    arena: Arena
    trials: list[Trial]


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """Where an entry was put. ``catalog_sha256``: of catalog.toml as it is now, which an agent pins."""

    directory: Path
    catalog_sha256: str
    model: ModelEntry
    family: Family


def examine(path: Path, check_set: Path | None = None) -> Examined:
    """Read and count the file, and run it with the engines that are installed here.

    Raises ConfigurationError for a file that is none, and for a check set that is none or that does not fit it.
    """
    content = read_content(path)
    try:
        facts = facts_of(content.data)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}; give the .tflite file as its converter wrote it") from error
    if check_set is not None:
        load_check_set(check_set)
    with tempfile.TemporaryDirectory(prefix="edgejoule-import-") as scratch:
        copy = Path(scratch) / "model.tflite"
        copy.write_bytes(content.data)
        trials = [
            msgspec.structs.replace(one, problem=one.problem.replace(str(copy), str(path)))
            for one in try_engines(copy, check_set)
        ]
    refused = next((one for one in trials if check_set is not None and str(check_set) in one.problem), None)
    if refused is not None:
        raise ConfigurationError(refused.problem)
    return Examined(content=content, facts=facts, arena=arena_of(content.data), trials=trials)


def id_of(path: Path) -> str:
    """Return an id made of a file's name. Raises ConfigurationError if there is nothing to make it of."""
    made = re.sub(r"[^A-Za-z0-9_.-]+", "_", path.stem).lstrip("_.-")[:_GREATEST_ID]
    if not made:
        raise ConfigurationError(f"{path}: no id can be made of its name; give --id")
    return made


def import_model(
    examined: Examined,
    directory: Path,
    model_id: str,
    statements: Statements,
    *,
    check_set: Path | None = None,
    replace: bool = False,
) -> Imported:
    """Put the model into the catalogue in ``directory``, which is made if there is none, as a family of its own.

    Raises ConfigurationError where the id is taken and ``replace`` is not set, and for the catalogue that comes along.
    """
    refuse_control_characters(statements, "--task, --licence, --data")
    inputs = None if check_set is None else read_content(check_set, "the check set")
    family, entry = _family(model_id, examined, statements, inputs), _entry(model_id, examined)
    with tempfile.TemporaryDirectory(prefix="edgejoule-import-") as scratch:
        made = Path(scratch)
        (made / model_id).mkdir()
        (made / entry.file).write_bytes(examined.content.data)
        if inputs is not None:
            (made / family.check_set).write_bytes(inputs.data)
        write_catalog(made, Catalog(family=[family], model=[entry]))
        replace_family(made, directory, partial(check_target, directory, model_id, replace=replace))
    return Imported(
        directory=directory, catalog_sha256=file_sha256(directory / CATALOG_NAME), model=entry, family=family
    )


def check_target(directory: Path, model_id: str, *, replace: bool) -> None:
    """Raise ConfigurationError unless a model of this id can be put into the catalogue in ``directory``."""
    _check_id(model_id)
    if directory.resolve() == models_dir().resolve():
        raise ConfigurationError(
            f"{directory}: this is the catalogue that comes with edgejoule; name a folder of your own by --into"
        )
    _check_free(directory, model_id, replace=replace)


def _check_id(model_id: str) -> None:
    try:
        msgspec.convert(model_id, Identifier)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"--id {model_id!r}: an id is letters, digits, '_', '.' and '-', and begins with a letter or a digit; "
            f"{_GREATEST_ID} of them at most"
        ) from error


def _check_free(directory: Path, model_id: str, *, replace: bool) -> None:
    path = directory / CATALOG_NAME
    catalog = read_catalog(directory) if path.exists() else Catalog()
    families = {family.id: catalog.members(family.id) for family in catalog.family}
    owner = next((name for name, models in families.items() if any(one.id == model_id for one in models)), model_id)
    if owner != model_id:
        raise ConfigurationError(f"{path}: {model_id!r} is a model of family {owner!r}; choose another --id")
    if model_id not in families:
        if (directory / model_id).exists():
            raise ConfigurationError(
                f"{directory / model_id}: there is something that the catalogue does not know; choose another --id"
            )
        return
    if any(one.id != model_id for one in families[model_id]):
        raise ConfigurationError(f"{path}: {model_id!r} is a family of other models; choose another --id")
    if not replace:
        raise ConfigurationError(
            f"{path}: there is a model {model_id!r} already; choose another --id, or --replace it"
        )


def _family(model_id: str, examined: Examined, statements: Statements, inputs: FileContent | None) -> Family:
    return Family(
        id=model_id,
        task=statements.task,
        architecture=_architecture(examined.facts),
        data=statements.data,
        licence=statements.licence,
        metric=_metric(inputs),
        check_set="" if inputs is None else f"{model_id}/{CHECK_SET_NAME}",
        check_set_sha256=None if inputs is None else inputs.sha256,
        limits=limits_of(examined.facts),
    )


def _metric(inputs: FileContent | None) -> Metric:
    if inputs is None:
        return "none"
    found = load_check_set(inputs)
    return "accuracy" if found.y is not None else "roc_auc" if found.anomalous is not None else "none"


def _architecture(facts: GraphFacts) -> str:
    counts = Counter(one.name for one in facts.by_operator)
    return f"a graph of {len(facts.by_operator)} operators: " + ", ".join(f"{n} {name}" for name, n in counts.items())


def limits_of(facts: GraphFacts) -> list[str]:
    """Return what a reader of the card has to know of the file, one sentence each."""
    limits = []
    if facts.precision == "mixed":
        limits.append(f"not int8 throughout: {not_int8_text(facts.not_int8)}")
    if facts.unknown_macs:
        limits.append(
            f"multiply-accumulates are unknown, since those of {', '.join(facts.unknown_macs)} are; the rest has "
            f"{facts.known_macs:,}"
        )
    if facts.dynamic:
        limits.append("the caller chooses the size of an input; what is counted here is for the size in the file")
    if facts.stateful:
        limits.append("it keeps a state from one inference to the next, so the order of its inputs matters")
    return limits


def not_int8_text(tensors: list[TensorFacts]) -> str:
    """Return tensors by name, type and role, the first few of them."""
    named = [f"{short_name(one.name)} ({one.role}, {one.dtype})" for one in tensors[:_NAMED_TENSORS]]
    more = len(tensors) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def short_name(name: str) -> str:
    """Return a tensor's name with its middle left out where a converter made it of many others' names."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 21]}…{name[-20:]}"


def _entry(model_id: str, examined: Examined) -> ModelEntry:
    ran = [one for one in examined.trials if one.ran]
    return msgspec.structs.replace(
        counted_entry(model_id, model_id, examined.content.data, examined.facts),
        arena_bytes=examined.arena.arena_bytes,
        runtimes=[f"{one.engine} {one.version}" for one in ran],
        check_set_score=next((one.score for one in ran if one.score is not None), None),
    )
