"""tflite-runtime: the engine where LiteRT has no wheel (32-bit Arm). Up to 2.14 it leaves int8 graphs undelegated."""

from importlib import import_module, metadata

from edge_agent.file_content import FileContent
from edge_agent.inference.runner import EngineInfo, InferenceRunner, RunSettings
from edge_agent.inference.tflite_runner import TfLiteRunner
from edge_agent.wire.errors import ConfigurationError

NAME = "tflite-runtime"
DISTRIBUTION = "tflite-runtime"
MODULE = "tflite_runtime.interpreter"
SUFFIX = ".tflite"
EXTRA = "agent"


def load(model: FileContent, settings: RunSettings) -> InferenceRunner:
    """Load ``model``. Raises ImportError without the package, ConfigurationError if it refuses the model or NumPy."""
    version = metadata.version(DISTRIBUTION)
    check_numpy(metadata.version("numpy"), version)
    return TfLiteRunner(import_module(MODULE), EngineInfo(NAME, version), model, settings)


def check_numpy(numpy_version: str, version: str) -> None:
    """Raise ConfigurationError for NumPy 2: the wheels are built for NumPy 1 but do not say so (2.14.0, tried)."""
    if int(numpy_version.partition(".")[0]) >= 2:
        raise ConfigurationError(
            f"{NAME} {version} works with NumPy 1 only, and NumPy {numpy_version} is installed; pip install 'numpy<2'"
        )
