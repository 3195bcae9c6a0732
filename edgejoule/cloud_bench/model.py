"""Which model is measured: one of the catalogue or a file, as the engine takes it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.file_content import FileContent, read_content
from edge_agent.model_catalog import NOTHING_KNOWN, CatalogModel, ModelFacts, find_model, list_models, open_model
from edge_agent.wire.errors import ConfigurationError
from edgejoule.cloud_bench.batches import Engine
from edgejoule.onnx_export.names import onnx_writer

SUFFIXES: Final = (".onnx", ".tflite")
LONGEST_ID: Final = 64
SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Named:
    """A model by what the command line says. ``name``: an id of the catalogue, or a file.

    ``catalog``: the folder of another catalogue; ``check_set``: for a file.
    """

    name: str
    catalog: Path | None = None
    check_set: Path | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """``content``: what the engine gets; ``made_from_sha256``: of the .tflite file behind it, None for none."""

    model: CatalogModel
    content: FileContent
    made_from_sha256: str | None


def choose(named: Named, engine: Engine) -> Chosen:
    """Return the model, written as ONNX where the engine wants that. Raises ConfigurationError."""
    is_file = named.name.endswith(SUFFIXES) or "/" in named.name
    if not is_file and named.check_set is not None:
        raise ConfigurationError("--check-set is for a model file; a model of the catalogue has its own")
    model = _of_file(named) if is_file else find_model(named.name, named.catalog)
    content = open_model(model)
    is_onnx = model.path.suffix == ".onnx"
    if is_onnx and engine == "litert":
        raise ConfigurationError(f"{model.path}: LiteRT runs .tflite files; leave out --engine for this one")
    if is_onnx or engine == "litert":
        return Chosen(model, content, None)
    written = FileContent(model.path.with_suffix(".onnx"), onnx_writer()(content, model.model_id))
    return Chosen(model, written, content.sha256)


def known_by(made_from_sha256: str | None, catalog: Path | None) -> CatalogModel | None:
    """Return the model of the catalogue that an .onnx file says it was made from, None for none."""
    if made_from_sha256 is None:
        return None
    return next((one for one in list_models(catalog) if one.sha256 == made_from_sha256), None)


def origin_of(said: str) -> str | None:
    """Return the sha256 that a file names as its origin, None where it names none."""
    return said if SHA256.match(said) else None


def _of_file(named: Named) -> CatalogModel:
    path = Path(named.name)
    if path.suffix not in SUFFIXES:
        raise ConfigurationError(f"{path}: name a model of the catalogue, or a file that ends in .onnx or .tflite")
    return CatalogModel(
        model_id=identifier(path.stem),
        path=path,
        sha256=read_content(path).sha256,
        task="",
        check_set=named.check_set,
        facts=NOTHING_KNOWN,
    )


def identifier(text: str) -> str:
    """Return a name as an id: other characters than letters, digits, ".", "_" and "-" become "_"."""
    kept = re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:LONGEST_ID].lstrip("_.-")
    return kept or "model"


def facts_of(model: CatalogModel, known: CatalogModel | None) -> ModelFacts:
    """Return what is stated of the model, or of the one that it was made from."""
    return model.facts if known is None else known.facts
