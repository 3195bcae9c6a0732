"""Which engine runs the model on this machine: the first one here that can be imported."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from edge_agent.inference import litert, tflite_runtime
from edge_agent.inference.runner import InferenceRunner
from edge_agent.wire.errors import ConfigurationError

Load: TypeAlias = Callable[[Path, int], InferenceRunner]


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine: ``load`` raises ImportError where its package is absent or does not fit this machine."""

    name: str
    distribution: str
    load: Load


ENGINES: tuple[Engine, ...] = (
    Engine(litert.NAME, litert.DISTRIBUTION, litert.load),
    Engine(tflite_runtime.NAME, tflite_runtime.DISTRIBUTION, tflite_runtime.load),
)


def load_runner(
    model: Path, *, threads: int = 1, engine: str = "auto", engines: Sequence[Engine] = ENGINES
) -> InferenceRunner:
    """Load ``model`` with ``engine``, or with the first that is available.

    Raises ConfigurationError when the engine is unknown, when none can be imported (with each reason), or when the
    engine refuses the model.
    """
    chosen = [entry for entry in engines if engine in {"auto", entry.name}]
    if not chosen:
        known = ", ".join(entry.name for entry in engines)
        raise ConfigurationError(f"[model] engine: {engine!r} is not known; use auto or one of: {known}")
    reasons: list[str] = []
    for entry in chosen:
        try:
            return entry.load(model, threads)
        except ImportError as error:
            reasons.append(f"{entry.distribution}: {str(error).splitlines()[0]}")
    raise ConfigurationError(
        f"no inference engine on this machine ({platform.machine()}, Python {platform.python_version()}): "
        f"{'; '.join(reasons)}; install one with: pip install 'edgejoule[agent]'"
    )
