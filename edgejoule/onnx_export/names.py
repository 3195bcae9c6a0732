"""What an exported .onnx file says of itself, by these keys of its properties, and the writer, loaded when asked."""

from collections.abc import Callable
from typing import Final

from edge_agent.file_content import FileContent
from edge_agent.wire.errors import ConfigurationError

MODEL_ID_KEY: Final = "edgejoule.model_id"
MADE_FROM_KEY: Final = "edgejoule.made_from_sha256"


def onnx_writer() -> Callable[[FileContent, str], bytes]:
    """Return ``export.to_onnx``. Raises ConfigurationError without the package onnx."""
    try:
        from edgejoule.onnx_export.export import to_onnx  # noqa: PLC0415  needs the extra [cloud]
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"to write ONNX the package {error.name!r} is missing: pip install 'edgejoule[cloud]'"
        ) from error
    return to_onnx
