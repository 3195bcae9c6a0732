"""A recipe as a process of its own: started, listened to, and ended with whoever started it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Final

import msgspec
from msgspec import Meta

from edge_agent.wire.errors import ConfigurationError
from edgejoule.parent import environment_of_child

ENVIRONMENT: Final = {
    "EDGEJOULE_PROGRESS": "json",
    "TQDM_DISABLE": "1",  # litert-quantizer's own bars
    # glibc keeps the memory of one training step for the next: a fifth less CPU time (tried on resnet8), for half a
    # gigabyte more.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
    "MALLOC_ARENA_MAX": "1",
}
_TRACEBACK: Final = "Traceback (most recent call last)"
METER_VARIABLE: Final = "EDGEJOULE_TRAINING_METER"
"""The environment variable that names a TOML file with a ``[meter]``, as an agent's configuration is."""

END_S: Final = 5.0
"""How long a recipe that is to end may take before it is killed."""


class Step(msgspec.Struct, frozen=True):
    """``done`` of ``total`` steps of ``stage`` are through; ``note``: how well, as "loss 0.31, accuracy 0.89"."""

    stage: str
    done: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=0)]
    note: str = ""


def run_recipe(recipe: Path, out: Path, show: Callable[[Step], None], meter: Path | None = None) -> None:
    """Run ``recipe`` with ``out`` as its argument, and call ``show`` with each step that it tells of.

    ``meter``: a TOML file with the ``[meter]`` in front of this machine, which tells what the making costs.
    Leaving by an exception, as by Ctrl-C, ends the recipe and its children first. Raises ConfigurationError when the
    recipe is missing or fails.
    """
    if not recipe.is_file():
        raise ConfigurationError(f"{recipe}: the recipe is missing; reinstall edgejoule, or restore the file")
    with tempfile.TemporaryFile() as errors:
        with _started([sys.executable, "-B", str(recipe), str(out)], meter, errors) as process:
            for line in process.stdout or ():
                step = _step(line)
                if step is not None:
                    show(step)
            code = process.wait()
        if code != 0:
            raise ConfigurationError(f"{recipe}: the recipe failed: {_reason(code, errors)}")


@contextmanager
def _started(command: list[str], meter: Path | None, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    named = {} if meter is None else {METER_VARIABLE: str(meter.resolve())}
    process = subprocess.Popen(
        command,
        env=environment_of_child() | ENVIRONMENT | named,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,  # a Ctrl-C comes to this process alone, which then ends them all
    )
    with process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the recipe and its children; what has ended already is left alone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)


def _step(line: bytes) -> Step | None:
    """Return the step that a line tells of, None for whatever else a package printed."""
    try:
        return msgspec.json.decode(line, type=Step)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _reason(code: int, errors: IO[bytes]) -> str:
    errors.seek(0)
    text = errors.read().decode(errors="replace").strip()
    said = text.splitlines()[-1].strip() if text else "it said nothing"
    if code < 0:
        name = signal.Signals(-code).name
        return f"it was ended by {name} ({said}); see whether the machine ran out of memory"
    if text and _TRACEBACK not in text:
        return said  # a line for people, with its remedy
    return (
        f"{said}; check that there is space for what it writes, and that the packages of the extra [train] have the "
        "versions that edgejoule asks for"
    )
