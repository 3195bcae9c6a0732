"""How long one inference of each model takes, with each engine here, delegate and number of threads.

As a benchmark: each model against the smallest one on the same engine, delegate and threads, since that ratio carries
over to another machine better than microseconds do.

``python -m benchmarks.model_latency --write`` writes microseconds into latency.toml beside the catalogue, into the
catalogue what each model ran with, and the cards and the table of docs/models.md again. A row is of one inference
through the agent's own runner: set the input, invoke, copy the output out, with 0.1 us for the clock. It is the
quietest of some rounds, the one with the least p50, since other work on the machine only adds. Run it with each
interpreter that has an engine (``make bench-models``): the rows of the others stay.
"""

import argparse
import datetime as dt
import importlib.util
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from benchmarks.harness import Comparison, benchmark
from edge_agent.checking import random_inputs
from edge_agent.inference import litert, tflite_runtime
from edge_agent.inference.errors import InferenceError
from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner, Tensor
from edge_agent.model_catalog import models_dir
from edge_agent.wire.errors import ConfigurationError
from edgejoule.making.cpu_power import processor_name
from edgejoule.zoo.card import overview
from edgejoule.zoo.catalog_file import find_entry, find_family, read_catalog, write_catalog
from edgejoule.zoo.entry import ModelEntry
from edgejoule.zoo.family_files import write_card
from edgejoule.zoo.latency import Latency, latencies_of, read_latencies, write_latencies

SMALLEST: Final = "digits_mlp_int8"
INPUTS: Final = 16
ROUNDS: Final = 5
SPAN_S: Final = 0.2
LEAST_CALLS: Final = 20
DELEGATES: Final = ("auto", "none")
SHARED_CORES: Final = 2
QUIET_CORES: Final = 0.2
IDLE: Final = slice(3, 5)
"""Where the ticks of a core that does nothing stand, a disk's included."""

PAGE: Final = Path(__file__).parents[1] / "docs" / "models.md"
TABLE_BEGIN: Final = "<!-- models: written by make bench-models -->"
TABLE_END: Final = "<!-- end of models -->"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run a model."""

    engine: str
    delegate: str
    threads: int

    def load(self, directory: Path, entry: ModelEntry) -> InferenceRunner:
        """Return the model, loaded. Raises ConfigurationError."""
        return load_runner(directory / entry.file, engine=self.engine, delegate=self.delegate, threads=self.threads)


def ways(most_threads: int = SHARED_CORES) -> list[Way]:
    """Return every way that this interpreter and this machine have."""
    engines = [one.NAME for one in (litert, tflite_runtime) if importlib.util.find_spec(one.MODULE.partition(".")[0])]
    threads = range(1, 1 + min(most_threads, os.cpu_count() or 1))
    return [Way(engine, delegate, count) for engine in engines for delegate in DELEGATES for count in threads]


def run_all(runner: InferenceRunner, inputs: Sequence[Tensor]) -> None:
    """Run every input once."""
    for tensor in inputs:
        runner.infer(tensor)


@benchmark
def every_model() -> Iterator[Comparison]:
    directory = models_dir()
    smallest = find_entry(directory, SMALLEST)
    for entry in read_catalog(directory).model:
        for way in ways():
            runner, floor = way.load(directory, entry), way.load(directory, smallest)
            of = runner.identity
            yield Comparison(
                name=f"{entry.id}: one inference with {of.runtime}, {of.delegate}, {of.threads} threads",
                ours=partial(run_all, runner, list(random_inputs(runner, INPUTS))),
                other=partial(run_all, floor, list(random_inputs(floor, INPUTS))),
                other_name=f"{SMALLEST} in the same way",
                kind="floor",
                operations=INPUTS,
            )


def spans_us(call: Callable[[Tensor], Any], inputs: Sequence[Tensor], span_s: float) -> list[float]:
    """Return the microseconds of single calls, warm, for ``span_s`` or a few calls, whichever is longer."""
    for tensor in inputs:
        call(tensor)
    now = time.perf_counter_ns
    spans: list[float] = []
    until_ns = now() + round(span_s * 1e9)
    while len(spans) < LEAST_CALLS or now() < until_ns:
        for tensor in inputs:
            began_ns = now()
            call(tensor)
            spans.append((now() - began_ns) / 1e3)
    return spans


def measure(directory: Path, entry: ModelEntry, way: Way, span_s: float) -> Latency:
    """Return one round of a model in one way. Raises ConfigurationError."""
    runner = way.load(directory, entry)
    p50_us, p95_us = np.percentile(spans_us(runner.infer, list(random_inputs(runner, INPUTS)), span_s), [50, 95])
    of = runner.identity
    return Latency(
        model=entry.id,
        sha256=entry.sha256,
        runtime=of.runtime,
        version=of.version,
        delegate=of.delegate,
        threads=of.threads,
        p50_us=round(float(p50_us), 2),
        p95_us=round(float(p95_us), 2),
        processor=processor_name(),
        date=dt.datetime.now(dt.UTC).date().isoformat(),
    )


def busy_cores(stat: Path = Path("/proc/stat"), wait_s: float = 1.0) -> float:
    """Return how many cores others keep busy while this process waits; NaN where the system does not say."""
    try:
        before = _spent(stat)
        time.sleep(wait_s)
        spent = [after - was for after, was in zip(_spent(stat), before, strict=True)]
    except OSError:
        return math.nan
    idle = sum(spent[IDLE])
    return (os.cpu_count() or 1) * (1.0 - idle / max(1, sum(spent)))


def _spent(stat: Path) -> list[int]:
    """Return the ticks of all cores: user, nice, system, idle, waiting for a disk, interrupts, stolen (proc(5))."""
    return [int(word) for word in stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]


def threads_to_try(busy: float) -> int:
    """Return how many threads can be measured beside ``busy`` cores: threads wait for one that waits for a core."""
    if busy <= QUIET_CORES or math.isnan(busy):
        return SHARED_CORES
    sys.stderr.write(
        f"others keep {busy:.1f} cores busy: figures come out too high, and those of several threads are left out; "
        "run it again when the machine is quiet\n"
    )
    return 1


def quietest(
    directory: Path, models: Sequence[ModelEntry], rounds: int, span_s: float, tried: Sequence[Way]
) -> list[Latency]:
    """Return the quietest of ``rounds`` of each model in each way; a round goes over all before the next begins."""
    best: dict[tuple[str, str, str, int], Latency] = {}
    for number in range(rounds):
        for entry in models:
            for way in tried:
                try:
                    row = measure(directory, entry, way, span_s)
                except (ConfigurationError, InferenceError) as error:
                    sys.stderr.write(f"{entry.id} does not run with {way.engine}, {way.delegate}: {error}\n")
                    continue
                key = row.model, row.runtime, row.delegate, row.threads
                if key not in best or row.p50_us < best[key].p50_us:
                    best[key] = row
        sys.stderr.write(f"round {number + 1} of {rounds}: {len(best)} rows\n")
    return list(best.values())


def merged(known: Sequence[Latency], measured: Sequence[Latency]) -> list[Latency]:
    """Return what was measured, and what is known of other models, runtimes and processors."""
    new = {(row.model, row.runtime, row.processor) for row in measured}
    return [*(row for row in known if (row.model, row.runtime, row.processor) not in new), *measured]


def write(directory: Path, rows: Sequence[Latency]) -> None:
    """Write latency.toml, what each model ran with, and the cards. Raises ConfigurationError."""
    catalog = read_catalog(directory)
    latencies = latencies_of(catalog.model, merged(read_latencies(directory), rows))
    write_latencies(directory, latencies)
    models = [_with_runtimes(entry, rows) for entry in catalog.model]
    catalog = msgspec.structs.replace(catalog, model=models)
    write_catalog(directory, catalog)
    for family in catalog.family:
        write_card(directory / family.id, catalog, family, latencies)
    if directory.resolve() == models_dir().resolve() and PAGE.is_file():
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), overview(catalog)), encoding="utf-8")


def with_table(page: str, table: str) -> str:
    """Return docs/models.md with another table. Raises ValueError if its place is not marked."""
    before, begin, rest = page.partition(TABLE_BEGIN)
    _, end, after = rest.partition(TABLE_END)
    if not end:
        raise ValueError(f"{TABLE_BEGIN} and {TABLE_END} mark where the table stands; put them in")
    return f"{before}{begin}\n{table}{end}{after}"


def _with_runtimes(entry: ModelEntry, rows: Sequence[Latency]) -> ModelEntry:
    ran = {f"{row.runtime} {row.version}" for row in latencies_of([entry], rows)}
    return msgspec.structs.replace(entry, runtimes=sorted({*entry.runtimes, *ran}))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write what was found; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_latency", description="Microseconds of models.")
    parser.add_argument("--write", action="store_true", help="into latency.toml and the cards")
    parser.add_argument("--catalog-dir", type=Path, default=models_dir(), metavar="DIR")
    parser.add_argument("--family", metavar="NAME", help="of this family only")
    parser.add_argument(
        "--rounds",
        type=int,
        default=ROUNDS,
        help=f"rounds, of which the quietest counts; 0: only write cards and table again ({ROUNDS})",
    )
    parser.add_argument("--span-s", type=float, default=SPAN_S, help=f"seconds of one round ({SPAN_S})")
    arguments = parser.parse_args(argv)
    directory: Path = arguments.catalog_dir
    try:
        catalog = read_catalog(directory)
        wanted = None if arguments.family is None else find_family(directory, arguments.family).id
        models = [entry for entry in catalog.model if wanted in {None, entry.family}]
        tried = ways(threads_to_try(busy_cores())) if arguments.rounds > 0 else []
        rows = quietest(directory, models, arguments.rounds, arguments.span_s, tried)
        for row in rows:
            sys.stdout.write(
                f"{row.model}: {row.runtime} {row.version}, {row.delegate}, {row.threads} threads: "
                f"{row.p50_us} us, p95 {row.p95_us} us\n"
            )
        if arguments.write:
            write(directory, rows)
    except ConfigurationError as error:
        sys.stderr.write(f"model_latency: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
