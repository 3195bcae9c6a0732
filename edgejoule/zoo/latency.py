"""latency.toml beside a catalogue: how long each model takes with each runtime, by this repository's benchmark."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from edge_agent.wire.records import Identifier, Sha256
from edge_agent.wire.toml_config import read_toml
from edgejoule.zoo.entry import ModelEntry
from edgejoule.zoo.text_files import refuse_control_characters, toml_text, write_in_one_step

LATENCY_NAME: Final = "latency.toml"
HEADER: Final = """\
# Microseconds of one inference, written by 'make bench-models': from an input that lies ready to an output that is
# copied out. Compare rows of one processor with each other; another machine gives other figures.
"""

Microseconds = Annotated[float, Meta(ge=0.0, le=1e12)]


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[latency]]``: a model's file with one runtime, delegate and number of threads on one processor.

    ``sha256``: of the file that ran; a row of another file says nothing of this one. ``delegate``: what really took
    the graph. ``p50_us``, ``p95_us``: half, and 95 of 100 inferences, took no longer. ``date``: YYYY-MM-DD.
    """

    model: Identifier
    sha256: Sha256
    runtime: str
    version: str
    delegate: str
    threads: int
    p50_us: Microseconds
    p95_us: Microseconds
    processor: str
    date: str


class _LatencyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    latency: list[Latency] = []


def read_latencies(directory: Path) -> list[Latency]:
    """Return the rows of ``directory``'s latency.toml, none where there is no such file. Raises ConfigurationError."""
    path = directory / LATENCY_NAME
    rows = read_toml(path, _LatencyFile).latency if path.exists() else []
    refuse_control_characters(rows, str(path))
    return rows


def latencies_of(models: Iterable[ModelEntry], latencies: Iterable[Latency]) -> list[Latency]:
    """Return the rows that were measured on just these files, in the order of the models."""
    rows = list(latencies)
    return [row for one in models for row in rows if (row.model, row.sha256) == (one.id, one.sha256)]


def usual_latency(model: ModelEntry, latencies: Iterable[Latency]) -> Latency | None:
    """Return the row that stands for a model in a list: one thread, the fastest runtime and delegate."""
    rows = [row for row in latencies_of([model], latencies) if row.threads == 1]
    return min(rows, key=lambda row: row.p50_us, default=None)


def write_latencies(directory: Path, latencies: Sequence[Latency]) -> Path:
    """Write latency.toml in one step and return its path. Raises ConfigurationError if it cannot be written."""
    path = directory / LATENCY_NAME
    write_in_one_step(path, "\n".join([HEADER, *map(_row, latencies)]))
    return path


def _row(latency: Latency) -> str:
    values = msgspec.structs.asdict(latency)
    lines = (f"{key} = {toml_text(one) if isinstance(one, str) else repr(one)}\n" for key, one in values.items())
    return "[[latency]]\n" + "".join(lines)
