"""LiteRT (package ai-edge-litert): the engine where its wheels exist. Delegates int8 graphs to XNNPACK by itself."""

import platform
from importlib import import_module, metadata
from typing import Final

from edge_agent.file_content import FileContent
from edge_agent.inference.runner import EngineInfo, InferenceRunner, RunSettings, one_line
from edge_agent.inference.tflite_runner import TfLiteRunner

NAME = "litert"
DISTRIBUTION = "ai-edge-litert"
MODULE = "ai_edge_litert.interpreter"
SUFFIX = ".tflite"
EXTRA = "agent"
LAST_FOR_OLD_GLIBC: Final = "2.1.0"
FIRST_FOR_NEW_GLIBC: Final = (2, 1, 1)
NEW_GLIBC: Final = (2, 34)
"""The aarch64 wheels 2.1.1 to 2.3.0 are tagged manylinux_2_27 and need GLIBC_2.34, 2.1.0 needs 2.30 (readelf)."""
GLIBC_REMEDY: Final = (
    f"pip install '{DISTRIBUTION}=={LAST_FOR_OLD_GLIBC}', or use a newer system (Raspberry Pi OS bookworm, JetPack 6)"
)


def load(model: FileContent, settings: RunSettings) -> InferenceRunner:
    """Load ``model``. Raises ImportError without the package, ConfigurationError if it refuses the model."""
    version = metadata.version(DISTRIBUTION)
    try:
        module = import_module(MODULE)
    except ImportError as error:
        reason = import_reason(one_line(error), version, platform.machine(), platform.libc_ver()[1])
        raise ImportError(reason) from error
    return TfLiteRunner(module, EngineInfo(NAME, version), model, settings)


def import_reason(said: str, version: str, machine: str, libc: str) -> str:
    """Return why the package cannot be imported: what Python ``said``, or what to do where the C library is too old.

    pip installs those wheels on Debian 11 and JetPack 5, and only the import shows that they do not fit.
    """
    if "GLIBC" not in said:  # also GLIBCXX, the C++ library's versions
        return said
    return (
        f"LiteRT {version} for {machine} needs a newer C library than glibc {libc or 'of this system'} ({said}); "
        f"{GLIBC_REMEDY}"
    )
