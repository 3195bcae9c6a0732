"""Which engine runs the model on this machine: the first one here that takes its kind and can be imported."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from edge_agent.file_content import FileContent, read_content
from edge_agent.inference import litert, onnx_runtime, tflite_runtime
from edge_agent.inference.runner import InferenceRunner, OptionValue, RunSettings, one_line
from edge_agent.wire.errors import ConfigurationError

Load: TypeAlias = Callable[[FileContent, RunSettings], InferenceRunner]


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine: ``load`` raises ImportError where its package is absent or does not fit this machine.

    ``suffix``: how the files that it runs end. ``extra``: which extra of edgejoule installs ``distribution``.
    """

    name: str
    distribution: str
    load: Load
    suffix: str = ".tflite"
    extra: str = "agent"


ENGINES: tuple[Engine, ...] = tuple(
    Engine(one.NAME, one.DISTRIBUTION, one.load, one.SUFFIX, one.EXTRA)
    for one in (litert, tflite_runtime, onnx_runtime)
)


def load_runner(
    model: FileContent | Path,
    *,
    threads: int = 1,
    engine: str = "auto",
    delegate: str = "auto",
    delegate_options: Mapping[str, OptionValue] | None = None,
    engines: Sequence[Engine] = ENGINES,
) -> InferenceRunner:
    """Load ``model`` with ``engine``, or for "auto" with the first available one for files that end as it does.

    The engine gets the bytes of a ``FileContent``, and never a file's name, behind which there may be others by then;
    a ``Path`` is read here, and nobody has compared it with a hash.
    ``delegate``: see ``edge_agent.inference.delegates`` for .tflite, ``edge_agent.inference.onnx_runtime`` for .onnx.
    Raises ConfigurationError when the engine is unknown or for other files, when none can be imported (with each
    reason), or when the engine refuses the model or the delegate.
    """
    content = model if isinstance(model, FileContent) else read_content(model)
    chosen = _candidates(content.path, engine, engines)
    settings = RunSettings(threads, delegate, dict(delegate_options or {}))
    reasons: list[str] = []
    for entry in chosen:
        try:
            return entry.load(content, settings)
        except ImportError as error:
            reasons.append(f"{entry.distribution}: {one_line(error)}")
    raise ConfigurationError(
        f"no inference engine on this machine ({platform.machine()}, Python {platform.python_version()}): "
        f"{'; '.join(reasons)}; install one with: pip install 'edgejoule[{chosen[0].extra}]'"
    )


def installed_engines(suffix: str, engines: Sequence[Engine] = ENGINES) -> list[str]:
    """Return the names of the engines for files that end in ``suffix`` whose packages are installed here."""
    return [entry.name for entry in engines if entry.suffix == suffix and _is_installed(entry.distribution)]


def _is_installed(distribution: str) -> bool:
    try:
        return bool(metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return False


def _candidates(model: Path, engine: str, engines: Sequence[Engine]) -> list[Engine]:
    suffix = model.suffix.lower()
    known = {entry.suffix: entry.name for entry in reversed(engines)}
    if engine == "auto":
        if suffix not in known:
            raise ConfigurationError(
                f"{model}: no engine is known for files that end in {suffix or 'nothing'!r}; let its name end in "
                f"{' or '.join(sorted(known))}, or name the [model] engine"
            )
        return [entry for entry in engines if entry.suffix == suffix]
    chosen = [entry for entry in engines if entry.name == engine]
    if not chosen:
        names = ", ".join(entry.name for entry in engines)
        raise ConfigurationError(f"[model] engine: {engine!r} is not known; use auto or one of: {names}")
    if suffix in known and suffix != chosen[0].suffix:
        raise ConfigurationError(
            f"{model}: [model] engine = {engine!r} runs {chosen[0].suffix} files; name such a file, or use engine = "
            f"{known[suffix]!r} or 'auto'"
        )
    return chosen
