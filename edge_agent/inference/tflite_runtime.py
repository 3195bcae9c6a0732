"""tflite-runtime: the engine where LiteRT has no wheel (32-bit Arm). Up to 2.14 it leaves int8 graphs undelegated."""

from importlib import import_module, metadata
from pathlib import Path

from edge_agent.inference.runner import EngineInfo, InferenceRunner, TfLiteRunner

NAME = "tflite-runtime"
DISTRIBUTION = "tflite-runtime"
MODULE = "tflite_runtime.interpreter"


def load(model: Path, threads: int) -> InferenceRunner:
    """Load ``model``. Raises ImportError without the package, ConfigurationError if it refuses the model."""
    interpreter = import_module(MODULE).Interpreter
    return TfLiteRunner(interpreter, EngineInfo(NAME, metadata.version(DISTRIBUTION)), model, threads)
