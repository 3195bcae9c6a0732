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
    check = actions.add_parser("check-config", help="read the configuration, find driver and model, open nothing")
    for action in (run_parser, check):
        action.add_argument("--config", type=Path, required=True, metavar="FILE", help="agent.toml")
    check.add_argument("--json", action="store_true", help="print the configuration with its defaults as JSON")
    _bench(bench)


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="a name from 'edgejoule models list', or a .tflite or .onnx file"
    )
    parser.add_argument("--check-set", type=Path, metavar="FILE.npz", help="inputs x and labels y for a model file")
    meter = parser.add_argument_group("meter: by configuration, or named here")
    meter.add_argument("--config", type=Path, metavar="FILE", help="agent.toml; MODEL may then be left out")
    meter.add_argument("--driver", metavar="DRIVER", help="a name from 'edgejoule meter list'")
    meter.add_argument("--port", metavar="PORT", help="/dev/..., usb://SERIAL, socket://host:port, rfcomm://")
    meter.add_argument("--boundary", choices=BOUNDARIES, help="where the meter sits; there is no default")
    meter.add_argument("--option", type=_key_value, action="append", default=[], metavar="K=V", help="of the driver")
    meter.add_argument("--meter-id", default="", metavar="ID", help="default: the meter's serial number")
    meter.add_argument("--device-id", default="", metavar="ID", help="default: this machine's name")
    how = parser.add_argument_group("how; the default is the configuration's, or in brackets")
    how.add_argument("--windows", type=whole, metavar="N", help="windows, at least 5 (5)")
    how.add_argument("--seconds", type=positive, metavar="S", help="length of a window, at least 10 (10)")
    how.add_argument("--baseline", type=not_negative, metavar="S", help="idling before and after, 0 for none (10)")
    how.add_argument("--warm-up", type=not_negative, metavar="S", help="inference before the first window (3)")
    how.add_argument("--threads", type=whole, metavar="N", help="of the engine (1)")
    how.add_argument("--engine", metavar="NAME", help="litert, tflite-runtime, onnxruntime (auto)")
    how.add_argument("--delegate", metavar="NAME", help="auto, none, xnnpack, or a delegate's library (auto)")
    how.add_argument("--align", choices=ALIGNMENTS, help="how the clocks are tied together (auto)")
    how.add_argument("--smoke", action="store_true", help="a trial of seconds; its record is marked as rejected")
    out = parser.add_argument_group("output")
    out.add_argument("--json", nargs="?", const="-", metavar="FILE", help="the record as JSON; alone on stdout for -")
    out.add_argument("--report", type=Path, metavar="FILE", help="the report as FILE.html or FILE.md")
    out.add_argument("--force", action="store_true", help="overwrite those files")
    out.add_argument("--quiet", action="store_true", help="the result in a few lines, no progress")
    out.add_argument("--state-dir", type=Path, metavar="DIR", help="keep the record there")
    out.add_argument("--no-publish", action="store_true", help="keep the record, but do not deliver it now")


def _key_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return key, value
