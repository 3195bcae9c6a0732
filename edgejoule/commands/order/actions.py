"""What ``edgejoule order send`` can order: the words of each action, and what they become."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import (
    Action,
    ChangeModel,
    CollectDiagnostics,
    ResetSettings,
    RunBatch,
    RunBench,
    SetDutyCycle,
    SetWindow,
)
from edgejoule.argument_types import not_negative, positive, share, whole

if TYPE_CHECKING:
    from edgejoule.orders.config import OrderConfig

ACTIONS: Final = {
    "bench": "bench the present model between two windows of the usual work",
    "model": "run another model: one of the device's catalogue, or a file that the collector serves",
    "window": "measure in windows of another length",
    "duty-cycle": "be inside inference for another share of the time",
    "batch": "run the model once over each input of a folder that the device's configuration names",
    "diagnostics": "say how the device is",
    "reset": "forget what orders changed: back to the device's configuration file",
}
DEFERRABLE: Final = frozenset({"bench", "model", "batch"})


def add_action(parser: argparse.ArgumentParser, action: str) -> None:
    """Declare what one action takes."""
    if action == "bench":
        parser.add_argument("--windows", type=whole, default=5, metavar="N", help="how many, 5 to 200 (default: 5)")
        parser.add_argument("--window-s", type=positive, default=10.0, metavar="S", help="their length (default: 10)")
        parser.add_argument(
            "--baseline-s", type=not_negative, default=10.0, metavar="S", help="idle time before and after"
        )
    elif action == "model":
        _add_model(parser)
    elif action == "window":
        parser.add_argument("window_s", type=positive, metavar="SECONDS", help="their length, 0.5 to 3600")
    elif action == "duty-cycle":
        parser.add_argument("duty_ratio", type=share, metavar="RATIO", help="above 0, at most 1")
    elif action == "batch":
        parser.add_argument("folder", metavar="NAME", help="the folder's name in the device's [remote] batch_folders")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, metavar="FILE", help="a .tflite or .onnx file, fetched by its hash")
    parser.add_argument("--check-set", type=Path, metavar="FILE", help="its inputs and answers, an .npz file")
    parser.add_argument("--model-id", metavar="ID", help="its name (default: the file's); or one of the catalogue")
    parser.add_argument("--blobs", dest="blob_dir", type=Path, metavar="DIR", help="the collector's [orders] blob_dir")
    parser.add_argument("--published", action="store_true", help="the files are there already: order publish")


def action_of(name: str, arguments: argparse.Namespace, config: "OrderConfig") -> Action:
    """Return the action; a model's files are put where the collector serves them. Raises ConfigurationError."""
    if name == "model":
        return _change_model(arguments, config)
    made: Action
    if name == "bench":
        made = RunBench(windows=arguments.windows, window_s=arguments.window_s, baseline_s=arguments.baseline_s)
    elif name == "window":
        made = SetWindow(window_s=arguments.window_s)
    elif name == "duty-cycle":
        made = SetDutyCycle(duty_ratio=arguments.duty_ratio)
    elif name == "batch":
        made = RunBatch(folder=arguments.folder)
    else:
        made = CollectDiagnostics() if name == "diagnostics" else ResetSettings()
    return _checked(made, name)


def _change_model(arguments: argparse.Namespace, config: "OrderConfig") -> Action:
    if arguments.file is None:
        return _of_catalogue(arguments)
    if arguments.file.suffix not in {".tflite", ".onnx"}:
        raise ConfigurationError(f"--file {arguments.file}: a model is a .tflite or an .onnx file")
    files = [arguments.file] + ([arguments.check_set] if arguments.check_set else [])
    blobs = [_published(path, config, arguments) for path in files]
    sha256, size_bytes = blobs[0]
    check_set_sha256, check_set_bytes = blobs[1] if len(blobs) > 1 else (None, 0)
    values = {
        "kind": "model",
        "model_id": arguments.model_id or arguments.file.stem,
        "sha256": sha256,
        "size_bytes": size_bytes,
        "suffix": arguments.file.suffix,
        "check_set_sha256": check_set_sha256,
        "check_set_bytes": check_set_bytes,
    }
    try:
        return msgspec.convert(values, ChangeModel)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"order send model: {error}; give --model-id ID") from error


def _of_catalogue(arguments: argparse.Namespace) -> Action:
    from edge_agent.model_catalog import list_models

    if arguments.model_id is None or arguments.check_set is not None:
        raise ConfigurationError("order send model: give --file FILE, or --model-id ID of the catalogue")
    models = {model.model_id: model for model in list_models()}
    if arguments.model_id not in models:
        known = ", ".join(sorted(models))
        raise ConfigurationError(f"--model-id {arguments.model_id!r}: the catalogue has {known}; or give --file FILE")
    return ChangeModel(model_id=arguments.model_id, sha256=models[arguments.model_id].sha256)


def _published(path: Path, config: "OrderConfig", arguments: argparse.Namespace) -> tuple[str, int]:
    """Return hash and size of a file that the collector now serves, or is said to serve."""
    from edge_agent.file_content import read_content

    if arguments.published or arguments.dry_run:
        content = read_content(path, "the file")
        if not content.data:
            raise ConfigurationError(f"{path}: is empty; name a file with something in it")
        return content.sha256, len(content.data)
    if not config.blob_dir:
        raise ConfigurationError(
            "order send model: devices fetch the file from the collector: give --blobs DIR, its [orders] blob_dir; or "
            "put it there with edgejoule order publish, and say --published"
        )
    from collector.blobs import BlobStore

    blob = BlobStore(Path(config.blob_dir)).put(path)
    return blob.sha256, blob.size_bytes


def _checked(action: Action, name: str) -> Action:
    """Return the action if a device could read it. Raises ConfigurationError with the field that is wrong."""
    try:
        checked: Action = msgspec.json.decode(msgspec.json.encode(action), type=Action)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"order send {name}: {error}") from error
    return checked
