"""``edgejoule models export``: a model of the catalogue as an .onnx file with a free batch, for a server."""

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.commands.models.arguments import add_common, directory_of
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from edge_agent.file_content import FileContent
    from edge_agent.model_catalog import CatalogModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("name", metavar="ID", help="a float32 or int8 model of the catalogue")
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="where it goes, FILE.onnx")
    parser.add_argument("--force", action="store_true", help="overwrite the file")
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Export it, and say how far its answers are from the .tflite file's. Raises ConfigurationError."""
    from edge_agent.file_content import FileContent
    from edge_agent.model_catalog import find_model, open_model
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.onnx_export.names import onnx_writer

    path: Path = arguments.onnx
    if path.suffix != ".onnx":
        raise ConfigurationError(f"--onnx {path}: name a file that ends in .onnx")
    if path.exists() and not arguments.force:
        raise ConfigurationError(f"{path}: exists already; name another file, or overwrite it with --force")
    model = find_model(arguments.name, directory_of(arguments))
    content = open_model(model)
    made = FileContent(path, onnx_writer()(content, model.model_id))
    largest, count = _difference(model, content, made)
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_bytes(made.data)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}; name another file") from error
    facts = {
        "model_id": model.model_id,
        "onnx": str(path),
        "sha256": made.sha256,
        "made_from_sha256": content.sha256,
        "size_bytes": len(made.data),
        "largest_difference": largest,
        "inputs_compared_count": count,
    }
    if arguments.json:
        write_json(facts)
    else:
        line = (
            f"written: {path}, {len(made.data):,} bytes, sha256 {made.sha256}; its answers to {count} inputs are "
            f"those of {model.path.name} within {largest:.2g}"
        )
        stdout_console().print(line, markup=False, soft_wrap=True)
    return EXIT_DONE


def _difference(model: "CatalogModel", content: "FileContent", made: "FileContent") -> tuple[float, int]:
    """Return the largest difference between both files' answers to the check set, and over how many inputs."""
    import numpy as np

    from edge_agent.checking import check_set_for, tensors_of
    from edge_agent.inference.registry import load_runner

    before, after = load_runner(content), load_runner(made)
    tensors = tensors_of(check_set_for(model, before), before)
    apart = [np.max(np.abs(before.infer(one).astype(np.float64) - after.infer(one))) for one in tensors]
    return float(max(apart)), len(tensors)
