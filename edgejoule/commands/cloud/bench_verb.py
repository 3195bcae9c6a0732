"""``edgejoule cloud bench``: joules per inference of one model on this server, by batch size."""

import argparse
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgejoule.argument_types import finite, not_negative, whole
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json
from edgejoule.signals import STOP_SIGNALS, handled

if TYPE_CHECKING:
    from edgejoule.cloud_bench.app import Order
    from edgejoule.making.cpu_power import CpuPower

STDOUT: Final = "-"
TABLE: Final = "table"
LEAST_WINDOW_S: Final = 0.2
LEAD_S: Final = 0.2
CARD_LEAD_S: Final = 1.0
"""Cards since Ampere state a mean over a second: what a window sees has to have run that long before it."""
LARGEST_W: Final = 1e4
MOST_SIZES: Final = 64
LARGEST_BATCH: Final = 1_000_000
"""As a record can hold: ``MAX_BATCHES`` and ``BatchSize``."""
_WATTS: Final = re.compile(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.epilog = (
        "Exit code 0: a valid result; 1: rejected (the result is shown, with the reasons) or stopped; 2: wrong usage "
        'or configuration. A comparison reads the record: [cloud] bench = "FILE", batch = N.'
    )
    parser.add_argument("model", metavar="MODEL", help="a name from 'edgejoule models list', or a .onnx, .tflite file")
    what = parser.add_argument_group("what runs it")
    what.add_argument("--gpu", type=whole, metavar="N", help="on this NVIDIA card, as nvidia-smi counts")
    what.add_argument(
        "--engine", choices=("onnxruntime", "litert"), default="onnxruntime", help="(onnxruntime, also for .tflite)"
    )
    what.add_argument("--threads", type=_threads, metavar="N", help="on the processor (all that may be used)")
    what.add_argument("--check-set", type=Path, metavar="FILE.npz", help="inputs x and labels y for a model file")
    what.add_argument("--catalog-dir", type=Path, metavar="DIR", help="another folder that holds catalog.toml")
    how = parser.add_argument_group("how")
    how.add_argument("--batches", type=_sizes, metavar="N,...", help="batch sizes (1,8,32,128)")
    how.add_argument("--windows", type=whole, default=5, metavar="N", help="windows of each, at least 4 (5)")
    how.add_argument(
        "--seconds", type=_window_s, default=5.0, metavar="S", help="length of a window, at least 0.2 (5)"
    )
    how.add_argument("--idle", type=not_negative, default=10.0, metavar="S", help="waiting before and after (10)")
    how.add_argument("--warm-up", type=not_negative, default=3.0, metavar="S", help="before the first window (3)")
    how.add_argument("--seed", type=whole, default=0, metavar="N", help="draws the order of the windows (0)")
    how.add_argument(
        "--cpu-watts",
        metavar="WATTS",
        help="model the joules, where nothing measures: CPU seconds times these watts for a busy thread, LOW-HIGH, or "
        "'table' for those that the toolkit has for this processor",
    )
    how.add_argument(
        "--simulated", action="store_true", help="the counters are played: mark the record, run on the CPU"
    )
    place = parser.add_argument_group("where, for the record")
    for name in ("provider", "instance", "region"):
        place.add_argument(f"--{name}", default="", metavar="NAME")
    out = parser.add_argument_group("output")
    out.add_argument(
        "--json", nargs="?", const=STDOUT, metavar="FILE", help="the record as JSON; alone on stdout for -"
    )
    out.add_argument("--force", action="store_true", help="overwrite that file")
    out.add_argument("--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Bench, show, write. The exit code is 0 for a valid result only. Raises ConfigurationError."""
    import msgspec

    from edge_agent.service import StopFlag
    from edgejoule.zoo.text_files import write_in_one_step

    stop = StopFlag()
    with handled(STOP_SIGNALS, lambda *_: stop.request()):  # heard before what follows is loaded
        from edgejoule.cloud_bench.app import bench
        from edgejoule.cloud_bench.measure import CloudBenchStoppedError
        from edgejoule.cloud_bench.page import print_record
        from edgejoule.commands.agent.bench_progress import BenchProgress

        path = _file(arguments)
        order = _order(arguments)
        try:
            with BenchProgress(quiet=arguments.quiet) as progress:
                record = bench(order, progress.show, stop)
        except CloudBenchStoppedError:
            stderr_console().print("edgejoule: stopped: there is no result, and nothing was written", markup=False)
            return EXIT_NO
    if arguments.json == STDOUT:
        write_json(record)
    else:
        print_record(record, stdout_console())
    if path is not None:  # after the page: a full disk shall not take the figures along
        write_in_one_step(path, msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n")
        stdout_console().print(f"written: {path}", markup=False, soft_wrap=True)
    return EXIT_NO if record.rejections else EXIT_DONE


def _order(arguments: argparse.Namespace) -> "Order":
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.cloud_bench.app import Order
    from edgejoule.cloud_bench.host import Place, usable_threads
    from edgejoule.cloud_bench.model import Named
    from edgejoule.cloud_bench.plan import DEFAULT_BATCHES, Plan

    try:
        plan = Plan(
            batch_sizes=arguments.batches or DEFAULT_BATCHES,
            windows=arguments.windows,
            window_s=arguments.seconds,
            lead_s=CARD_LEAD_S if arguments.gpu is not None else LEAD_S,
            idle_s=arguments.idle,
            warm_up_s=arguments.warm_up,
            seed=arguments.seed,
        )
    except ValueError as error:
        raise ConfigurationError(f"--batches, --windows: {error}") from error
    return Order(
        named=Named(arguments.model, arguments.catalog_dir, arguments.check_set),
        plan=plan,
        engine=arguments.engine,
        threads=_threads_of(arguments.threads, usable_threads()),
        gpu=arguments.gpu,
        cpu_power=None if arguments.cpu_watts is None else _cpu_power(arguments.cpu_watts),
        place=Place(arguments.provider, arguments.instance, arguments.region),
        simulated=arguments.simulated,
    )


def _threads_of(asked: int | None, usable: int) -> int:
    """Return how many threads run the model. Raises ConfigurationError for more than can run at a time."""
    from edge_agent.wire.errors import ConfigurationError

    if asked is not None and asked > usable:
        raise ConfigurationError(
            f"--threads {asked}: this process may use {usable} hardware threads; give no more than that"
        )
    return asked or usable


def _cpu_power(text: str) -> "CpuPower":
    """Return the watts of a busy thread: the table's for this processor, or as stated."""
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.making.cpu_power import CpuPower, power_of, processor_name

    if text == TABLE:
        return power_of(processor_name())
    found = _WATTS.fullmatch(text)
    low_w = float(found[1]) if found else 0.0
    high_w = float(found[2] or found[1]) if found else 0.0
    if not 0.0 < low_w <= high_w <= LARGEST_W:
        raise ConfigurationError(
            f"--cpu-watts {text}: write LOW-HIGH in watts for one busy hardware thread, as 1.7-5.6, or 'table'"
        )
    said = f"{text} W as stated on the command line"
    return CpuPower(pattern="", low_w=low_w, high_w=high_w, source=said, vintage="", basis=said)


def _file(arguments: argparse.Namespace) -> Path | None:
    """Return where the record goes. Raises ConfigurationError before the measurement for what could not be written."""
    from edge_agent.wire.errors import ConfigurationError

    if arguments.json in {None, STDOUT}:
        return None
    path = Path(arguments.json)
    if path.is_dir():
        raise ConfigurationError(f"{path}: it is a directory; name a file in it")
    if path.exists() and not arguments.force:
        raise ConfigurationError(f"{path}: exists already; name another file, or overwrite it with --force")
    try:  # what a directory's rights say is not all: it may be a file, or its disk may be read-only
        with tempfile.TemporaryFile(dir=path.parent):
            return path
    except OSError as error:
        raise ConfigurationError(
            f"{path}: its directory is not there or cannot be written ({error.strerror}); name another file"
        ) from error


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(dict.fromkeys(whole(part.strip()) for part in text.split(",")))
    if min(sizes) < 1 or max(sizes) > LARGEST_BATCH:
        raise argparse.ArgumentTypeError(f"a batch holds 1 to {LARGEST_BATCH:,} inputs, not {text}")
    if len(sizes) > MOST_SIZES:
        raise argparse.ArgumentTypeError(f"{len(sizes)} sizes are more than a record holds, {MOST_SIZES}")
    return sizes


def _threads(text: str) -> int:
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return number


def _window_s(text: str) -> float:
    seconds = finite(text)
    if seconds < LEAST_WINDOW_S:
        raise argparse.ArgumentTypeError(f"must be at least {LEAST_WINDOW_S:g}, not {text}")
    return seconds
