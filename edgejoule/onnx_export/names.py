"""What an exported .onnx file says of itself, by these keys of its properties. Imports nothing."""

from typing import Final

MODEL_ID_KEY: Final = "edgejoule.model_id"
MADE_FROM_KEY: Final = "edgejoule.made_from_sha256"
