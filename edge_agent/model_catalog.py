"""The models that come with edgejoule: where they are, and that their files are what the catalog says."""

import hashlib
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Count, Identifier, Ratio, Sha256
from edge_agent.wire.toml_config import read_toml

CATALOG_NAME: Final = "catalog.toml"
ARRAY_FILE_ERRORS: Final = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,  # an encrypted archive, or (NotImplementedError) one packed in a way that Python does not know
    tokenize.TokenError,  # numpy.load on a header that breaks off
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading .npy and .npz files raises where they are damaged."""


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
    """A model to run. ``check_set`` is None for a model from outside the catalog that came without one."""

    model_id: str
    path: Path
    sha256: str
    task: str
    check_set: Path | None
    facts: ModelFacts = NOTHING_KNOWN


class CheckSet(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs in the model's own scale and type, shape ``(n, ...)``, and labels ``(n,)`` (None if there are none)."""

    x: NDArray[Any]
    y: NDArray[Any] | None


def models_dir() -> Path:
    """Return where the models are: inside the installed package, else at the top of the source tree."""
    packaged = Path(__file__).parent / "_models"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "models"


def list_models(directory: Path | None = None) -> list[CatalogModel]:
    """Return every model of the catalog in ``directory`` (default: ``models_dir()``). Raises ConfigurationError."""
    root = models_dir() if directory is None else directory
    catalog = read_toml(root / CATALOG_NAME, _Catalog)
    families = {family.id: family for family in catalog.family}
    return [_model(root, entry, families.get(entry.family)) for entry in catalog.model]


def _model(root: Path, entry: _Entry, family: _Family | None) -> CatalogModel:
    if family is None:
        raise ConfigurationError(
            f"{root / CATALOG_NAME}: model {entry.id!r} belongs to family {entry.family!r}, which is not there; add "
            "its [[family]]"
        )
    accuracy = entry.score.value if entry.score is not None and family.metric == "accuracy" else None
    return CatalogModel(
        model_id=entry.id,
        path=root / entry.file,
        sha256=entry.sha256,
        task=family.task,
        check_set=root / family.check_set if family.check_set else None,
        facts=ModelFacts(
            macs=entry.macs, parameters=entry.parameters, size_bytes=entry.size_bytes, accuracy_ratio=accuracy
        ),
    )


def find_model(model_id: str, directory: Path | None = None) -> CatalogModel:
    """Return the model named ``model_id``. Raises ConfigurationError that lists the known ones."""
    models = list_models(directory)
    for model in models:
        if model.model_id == model_id:
            return model
    known = ", ".join(sorted(model.model_id for model in models))
    raise ConfigurationError(
        f"model {model_id!r} is not in the catalog; known: {known}; or give [model] path and sha256 of your own file"
    )


def verify(model: CatalogModel) -> None:
    """Raise ConfigurationError unless the model's file exists and has the sha256 that the catalog states."""
    actual = file_sha256(model.path)
    if actual != model.sha256:
        raise ConfigurationError(
            f"{model.path}: sha256 is {actual}, but {model.sha256} is expected for model {model.model_id!r}; restore "
            "the file (reinstall edgejoule), or state the new hash if the change is meant"
        )


def file_size_bytes(path: Path) -> int | None:
    """Return the size of a file, None if it cannot be read."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal. Raises ConfigurationError if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the model: {error.strerror}; name an existing file") from error


def load_check_set(path: Path) -> CheckSet:
    """Read ``x`` and ``y`` from an npz file. Raises ConfigurationError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x, y = arrays["x"], arrays.get("y")
    except ARRAY_FILE_ERRORS as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: not a check set (an npz file with x and y): {reason}") from error
    if y is not None and not _are_labels(y, x.shape[:1]):
        raise ConfigurationError(
            f"{path}: y is {y.dtype} {y.shape}, and x {x.shape}: y is the number of the class of each input, as whole "
            "numbers; write it so, or leave it out"
        )
    return CheckSet(x=x, y=y)


def _are_labels(y: NDArray[Any], shape: tuple[int, ...]) -> bool:
    return y.shape == shape and y.dtype.kind in "biuf" and bool(np.all(np.isfinite(y) & (y == np.floor(y))))
