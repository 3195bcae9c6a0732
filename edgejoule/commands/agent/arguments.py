"""What ``edgejoule agent`` takes, action by action. Imports nothing heavy."""

import argparse
from pathlib import Path
from typing import Final

from edgejoule.argument_types import not_negative, positive, whole

ALIGNMENTS: Final = ("auto", "gpio_marker", "serial_marker", "step_correlation", "none")
BOUNDARIES: Final = ("ac_wall", "usb_dc", "dc_input", "rail")


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    run_parser = actions.add_parser("run", help="measure until SIGTERM or Ctrl-C")
    bench = actions.add_parser(
        "bench",
        help="joules per inference of one model, gross and net, with an uncertainty budget",
        description="Measure joules per inference of one model between two declared baselines.",
        epilog=(
            "Exit code 0: a valid result; 1: rejected (the result is shown, with the reasons), stopped, or the meter "
            "cannot be read; 2: wrong usage or configuration."
        ),
    )
    sweep = actions.add_parser(
        "bench-all",
        help="bench many models, engines, delegates and numbers of threads, one after the other",
        description=(
            "Bench every combination, in an order drawn by --seed. What DIR holds already is not benched again, so a "
            "sweep that was stopped goes on with the same command. Ctrl-C stops after the bench that runs, a second "
            "one at once."
        ),
        epilog=(
            "Exit code 0: DIR holds a valid bench of each combination; 1: not all are there or valid; 2: wrong usage "
            "or configuration. Then: edgejoule models ledger --records DIR"
        ),
    )
    check = actions.add_parser("check-config", help="read the configuration, find driver and model, open no port")
    for action in (run_parser, check):
        action.add_argument("--config", type=Path, required=True, metavar="FILE", help="agent.toml")
    check.add_argument("--json", action="store_true", help="print the configuration with its defaults as JSON")
    check.add_argument("--load", action="store_true", help="load the model too, and run its check set once")
    _bench(bench)
    _bench_all(sweep)


def _bench_all(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what; every combination of these")
    what.add_argument("--models", nargs="+", metavar="MODEL", help="names or files (every model of the catalogue)")
    what.add_argument("--family", action="append", metavar="FAMILY", help="every model of a family; may be repeated")
    what.add_argument("--threads", type=_counts, default=(1,), metavar="N,...", help="numbers of threads (1)")
    what.add_argument("--engines", type=_names, default=("auto",), metavar="NAME,...", help="engines (auto)")
    what.add_argument("--delegates", type=_names, default=("auto",), metavar="NAME,...", help="delegates (auto)")
    what.add_argument("--repeat", type=_count, default=1, metavar="N", help="rounds over all of it (1)")
    what.add_argument("--seed", type=whole, default=0, metavar="N", help="draws the order within each round (0)")
    _meter(parser)
    _how(parser)
    out = parser.add_argument_group("output")
    out.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the records go, a file for each")
    out.add_argument("--dry-run", action="store_true", help="say what would be benched and how long, and end")
    out.add_argument("--json", action="store_true", help="what became of each as JSON on stdout, and nothing else")
    out.add_argument("--state-dir", type=Path, metavar="DIR", help="also keep each record there, as bench does")
    out.add_argument("--no-publish", action="store_true", help="keep the records, but do not deliver them now")


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="a name from 'edgejoule models list', or a .tflite or .onnx file"
    )
    parser.add_argument("--check-set", type=Path, metavar="FILE.npz", help="inputs x and labels y for a model file")
    _meter(parser)
    how = _how(parser)
    how.add_argument("--threads", type=whole, metavar="N", help="of the engine (1)")
    how.add_argument("--engine", metavar="NAME", help="litert, tflite-runtime, onnxruntime (auto)")
    how.add_argument("--delegate", metavar="NAME", help="auto, none, xnnpack, or a delegate's library (auto)")
    out = parser.add_argument_group("output")
    out.add_argument("--json", nargs="?", const="-", metavar="FILE", help="the record as JSON; alone on stdout for -")
    out.add_argument("--report", type=Path, metavar="FILE", help="the report as FILE.html or FILE.md")
    out.add_argument("--force", action="store_true", help="overwrite those files")
    out.add_argument("--quiet", action="store_true", help="the result in a few lines, no progress")
    out.add_argument("--state-dir", type=Path, metavar="DIR", help="keep the record there")
    out.add_argument("--no-publish", action="store_true", help="keep the record, but do not deliver it now")


def _meter(parser: argparse.ArgumentParser) -> None:
    meter = parser.add_argument_group("meter: by configuration, or named here")
    meter.add_argument("--config", type=Path, metavar="FILE", help="agent.toml; MODEL may then be left out")
    meter.add_argument("--driver", metavar="DRIVER", help="a name from 'edgejoule meter list'")
    meter.add_argument("--port", metavar="PORT", help="/dev/..., usb://SERIAL, socket://host:port, rfcomm://")
    meter.add_argument("--boundary", choices=BOUNDARIES, help="where the meter sits; there is no default")
    meter.add_argument("--option", type=_key_value, action="append", default=[], metavar="K=V", help="of the driver")
    meter.add_argument("--meter-id", default="", metavar="ID", help="default: the meter's serial number")
    meter.add_argument("--device-id", default="", metavar="ID", help="default: this machine's name")


def _how(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    how = parser.add_argument_group("how; the default is the configuration's, or in brackets")
    how.add_argument("--windows", type=whole, metavar="N", help="windows, at least 5 (5)")
    how.add_argument("--seconds", type=positive, metavar="S", help="length of a window, at least 10 (10)")
    how.add_argument("--baseline", type=not_negative, metavar="S", help="idling before and after, 0 for none (10)")
    how.add_argument("--warm-up", type=not_negative, metavar="S", help="inference before the first window (3)")
    methods = f"how the clocks are tied together: {', '.join(ALIGNMENTS)} (auto)"
    how.add_argument("--align", choices=ALIGNMENTS, metavar="METHOD", help=methods)
    how.add_argument("--smoke", action="store_true", help="a trial of seconds; its record is marked as rejected")
    return how


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name; write them as a,b")
    return names


def _count(text: str) -> int:
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return number


def _counts(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_count(part.strip()) for part in text.split(",")))


def _key_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return key, value
