"""The engines that this interpreter can import."""

import importlib.util
import os

import pytest

from edge_agent.inference import litert, onnx_runtime, tflite_runtime

KNOWN = {one.NAME: one for one in (litert, tflite_runtime, onnx_runtime)}


def can_import(name: str) -> bool:
    package = KNOWN[name].MODULE.partition(".")[0]
    return importlib.util.find_spec(package) is not None


def engines_here() -> list[str]:
    """Return the engines to try. Raises pytest.UsageError if one that was demanded is unknown or absent."""
    demanded = [name for name in os.environ.get("EDGEJOULE_ENGINES", "").split(",") if name]
    for name in demanded:
        if name not in KNOWN or not can_import(name):
            raise pytest.UsageError(f"EDGEJOULE_ENGINES names {name}, which cannot be imported here")
    return demanded or [name for name in KNOWN if can_import(name)]
