"""LiteRT (package ai-edge-litert): the engine where its wheels exist. Delegates int8 graphs to XNNPACK by itself."""

from importlib import import_module, metadata
from pathlib import Path

from edge_agent.inference.runner import EngineInfo, InferenceRunner, TfLiteRunner

NAME = "litert"
DISTRIBUTION = "ai-edge-litert"
MODULE = "ai_edge_litert.interpreter"


def load(model: Path, threads: int) -> InferenceRunner:
    """Load ``model``. Raises ImportError without the package, ConfigurationError if it refuses the model."""
    interpreter = import_module(MODULE).Interpreter
    return TfLiteRunner(interpreter, EngineInfo(NAME, metadata.version(DISTRIBUTION)), model, threads)
