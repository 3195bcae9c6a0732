"""A catalogue of models: what it pins, and that only what it pins is handed out.

A catalogue names each file with its sha256. The one that comes along is as trustworthy as the installed package, whose
part it is. Another one, ``[model] catalog``, is pinned itself by ``catalog_sha256``, and thereby everything in it.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from edge_agent.check_set import WHAT, CheckSet, load_check_set
from edge_agent.file_content import FileContent, read_content, read_pinned
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Count, Identifier, Ratio, Sha256
from edge_agent.wire.toml_config import decode_toml

CATALOG_NAME: Final = "catalog.toml"


class _Score(msgspec.Struct, frozen=True, kw_only=True):
    value: Ratio


class _Family(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[[family]]``, as far as running its models needs; other keys are for people and training."""

    id: Identifier
    task: str = ""
    metric: str = "none"
    check_set: str = ""
    check_set_sha256: Sha256 | None = None


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[[model]]``, likewise."""

    id: Identifier
    family: Identifier
    file: str
    sha256: Sha256
    macs: Count | None = None
    parameters: Count | None = None
    size_bytes: Count | None = None
    score: _Score | None = None


class _Catalog(msgspec.Struct, frozen=True):
    family: list[_Family] = []
    model: list[_Entry] = []


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model before it runs. None: nobody says.

    ``macs``: multiply-accumulates of one inference. ``accuracy_ratio``: on the model's test set, as the catalog says.
    """

    macs: int | None = None
    parameters: int | None = None
    size_bytes: int | None = None
    accuracy_ratio: float | None = None


NOTHING_KNOWN: Final = ModelFacts()


class CatalogModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model to run. ``check_set`` is None for one that came without.

    ``catalog``: the catalogue's folder, which files must not lead out of; None for a file of the user's own.
    """

    model_id: str
    path: Path
    sha256: str
    task: str
    check_set: Path | None
    check_set_sha256: str | None = None
    catalog: Path | None = None
    facts: ModelFacts = NOTHING_KNOWN


def models_dir() -> Path:
    """Return where the models are: inside the installed package, else at the top of the source tree."""
    packaged = Path(__file__).parent / "_models"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "models"


def list_models(directory: Path | None = None, sha256: str | None = None) -> list[CatalogModel]:
    """Return every model of the catalogue in ``directory`` (default: ``models_dir()``).

    ``sha256``: what its catalog.toml has to have, None where the folder is trusted. Raises ConfigurationError, also
    for a name that leads out of the folder and for a check set without a hash.
    """
    root = models_dir() if directory is None else directory
    path = root / CATALOG_NAME
    content = read_content(path, "the catalogue")
    if sha256 not in {None, content.sha256}:
        raise ConfigurationError(
            f"{path}: sha256 is {content.sha256}, but [model] catalog_sha256 = {sha256!r}; restore the catalogue, or "
            "state the new hash if the change is meant"
        )
    try:
        text = content.data.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: cannot read it: it is not UTF-8 text; restore the catalogue") from error
    catalog = decode_toml(text, _Catalog, str(path))
    check_ids(path, [family.id for family in catalog.family], [(entry.id, entry.family) for entry in catalog.model])
    families = {family.id: family for family in catalog.family}
    return [_model(root, entry, families[entry.family]) for entry in catalog.model]


def check_ids(path: Path, families: Sequence[str], models: Sequence[tuple[str, str]]) -> None:
    """Raise ConfigurationError for an id that stands twice, and for a model whose family is not there.

    ``models``: id and family of each. ``path``: the catalogue's name in messages.
    """
    for what, ids in (("family", families), ("model", [one for one, _ in models])):
        twice = next((one for one, count in Counter(ids).items() if count > 1), None)
        if twice is not None:
            raise ConfigurationError(f"{path}: {what} {twice!r} stands twice; remove one")
    for one, family in models:
        if family not in families:
            raise ConfigurationError(
                f"{path}: model {one!r} belongs to family {family!r}, which is not there; add its [[family]]"
            )


def _model(root: Path, entry: _Entry, family: _Family) -> CatalogModel:
    where = f"{root / CATALOG_NAME}: model {entry.id!r}"
    if family.check_set and family.check_set_sha256 is None:
        raise ConfigurationError(
            f"{where}: its family {family.id!r} has a check_set without check_set_sha256; state its hash"
        )
    for name in (entry.file, family.check_set):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ConfigurationError(
                f"{where}: {name!r} leads out of the catalogue's folder; put the file there and name it from there"
            )
    accuracy = entry.score.value if entry.score is not None and family.metric == "accuracy" else None
    return CatalogModel(
        model_id=entry.id,
        path=root / entry.file,
        sha256=entry.sha256,
        task=family.task,
        check_set=root / family.check_set if family.check_set else None,
        check_set_sha256=family.check_set_sha256,
        catalog=root,
        facts=ModelFacts(
            macs=entry.macs, parameters=entry.parameters, size_bytes=entry.size_bytes, accuracy_ratio=accuracy
        ),
    )


def find_model(model_id: str, directory: Path | None = None, sha256: str | None = None) -> CatalogModel:
    """Return the model named ``model_id``. Raises ConfigurationError that lists the known ones."""
    models = list_models(directory, sha256)
    for model in models:
        if model.model_id == model_id:
            return model
    known = ", ".join(sorted(model.model_id for model in models)) or "none"
    raise ConfigurationError(
        f"model {model_id!r} is not in {'the catalog' if directory is None else directory / CATALOG_NAME}; known: "
        f"{known}; or give [model] path and sha256 of your own file"
    )


def open_model(model: CatalogModel) -> FileContent:
    """Read the model's file once, and return what was read if it has the hash that is pinned.

    An engine gets these bytes: a file that is exchanged afterwards changes nothing. Raises ConfigurationError.
    """
    _refuse_way_out(model, model.path)
    return read_pinned(model.path, model.sha256, f"model {model.model_id!r}")


def open_check_set(model: CatalogModel) -> CheckSet | None:
    """Read the model's check set likewise, None if it has none. Raises ConfigurationError."""
    if model.check_set is None:
        return None
    _refuse_way_out(model, model.check_set)
    if model.check_set_sha256 is None:
        return load_check_set(model.check_set)
    whose = f"the check set of model {model.model_id!r}"
    return load_check_set(read_pinned(model.check_set, model.check_set_sha256, whose, WHAT))


def verify(model: CatalogModel) -> None:
    """Raise ConfigurationError unless the model's files exist and are what is pinned."""
    _ = open_model(model)
    _ = open_check_set(model)


def file_size_bytes(path: Path) -> int | None:
    """Return the size of a file, None if it cannot be read."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal. Raises ConfigurationError if it cannot be read."""
    return read_content(path).sha256


def _refuse_way_out(model: CatalogModel, path: Path) -> None:
    """Refuse a file that symbolic links put outside of the catalogue.

    Installers may link every file of a package to a store of theirs; then catalog.toml lies there too.
    """
    if model.catalog is None:
        return
    target, *inside = (Path(os.path.realpath(one)) for one in (path, model.catalog, model.catalog / CATALOG_NAME))
    inside[1] = inside[1].parent
    if not any(target.is_relative_to(folder) for folder in inside):
        raise ConfigurationError(
            f"{path}: a link leads out of {model.catalog}, to {target}; put the file itself there for model "
            f"{model.model_id!r}"
        )
