"""What ``edgejoule meter`` takes, verb by verb. Imports nothing heavy."""

import argparse
import re
from pathlib import Path
from typing import Any

from edgejoule.argument_types import finite, not_negative, positive, share, whole

DRIVER_HELP = "a name from 'edgejoule meter list'"


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = _verb(verbs, "list", "the supported meters and the serial ports of this machine")
    listing.add_argument("--markdown", action="store_true", help="the table of meters for a document")
    show = _verb(verbs, "show", "one meter's page: protocol, limits, traps, data sheet, options")
    show.add_argument("driver", metavar="DRIVER", help=DRIVER_HELP)
    _read(_verb(verbs, "read", "live volts, amperes, watts and joules"))
    _record(_verb(verbs, "record", "write the meter's raw bytes with their times to a file"))
    _replay(_verb(verbs, "replay", "play a recorded file as if it happened now"))
    _decode(_verb(verbs, "decode", "turn a recorded file, or raw bytes, into samples and joules"))
    _internal(_verb(verbs, "internal", "the board's own power sensors, alone or against an external meter"))
    _emulate(_verb(verbs, "emulate", "serve a meter's protocol on a pseudo-terminal"))


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text.capitalize() + ".")
    parser.add_argument("--json", action="store_true", help="JSON alone on stdout")
    return parser


def _read(parser: argparse.ArgumentParser) -> None:
    _meter(parser)
    parser.add_argument("--seconds", type=positive, help="stop after this long (default: at Ctrl-C)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write every sample as a row (or .parquet)")
    parser.add_argument("--force", action="store_true", help="overwrite that file")
    _limit(parser)


def _record(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "The file is good up to its last whole read, even if this process is killed."
    _meter(parser)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--seconds", type=positive, help="stop after this long (default: at Ctrl-C)")
    parser.add_argument("--force", action="store_true", help="overwrite the file")


def _replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="what 'edgejoule meter record' wrote; - for stdin")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=positive, default=1.0, metavar="X", help="times as fast (default 1)")
    pace.add_argument("--fast", action="store_true", help="as fast as it can be decoded")
    _option(parser)
    _limit(parser)


def _decode(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Raw bytes have no times: a meter with a clock of its own keeps its time, the readings of one without are "
        "taken one sample interval apart."
    )
    parser.add_argument("driver", metavar="DRIVER", help=DRIVER_HELP)
    parser.add_argument("file", metavar="FILE", help="a capture, raw bytes, hex text or .ppk2; - for stdin")
    _option(parser)
    parser.add_argument("--hex", action="store_true", help="the file is text: pairs of digits, comments after #")
    parser.add_argument("--interval-s", type=positive, metavar="S", help="nominal time between readings without any")
    parser.add_argument("--samples", type=Path, metavar="OUT", help="write every sample to OUT.csv or OUT.parquet")
    parser.add_argument("--any-driver", action="store_true", help="decode a capture of another driver")
    _limit(parser)


def _internal(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "A cross-check, never the measurement: what a sensor cannot tell is a named warning, no number."
    parser.add_argument("--seconds", type=positive, default=10.0, help="read for this long (default 10)")
    parser.add_argument(
        "--against", nargs=2, metavar=("DRIVER", "PORT"), help="fit the sensors to this external meter, by windows"
    )
    parser.add_argument("--window-s", type=positive, default=1.0, metavar="S", help="length of a window (default 1)")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="look for sensors below a copied file tree"
    )
    _option(parser)


def _emulate(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The first line on stdout is the port. It serves until Ctrl-C, SIGTERM or --seconds, and then says what the "
        "load has truly drawn. All faults are drawn from --seed."
    )
    parser.add_argument("driver", metavar="DRIVER", help=DRIVER_HELP)
    parser.add_argument("--link", type=Path, metavar="PATH", help="symbolic link to the port")
    parser.add_argument("--seconds", type=positive, help="stop after this long (default: at Ctrl-C)")
    parser.add_argument("--truth", type=Path, metavar="FILE.csv", help="write the true cumulative energy")
    parser.add_argument("--seed", type=whole, default=0, help="decides the unit's errors, the noise and the faults")
    _option(parser)
    load = parser.add_argument_group("load")
    load.add_argument("--profile", type=Path, metavar="FILE.csv", help="follow t_s,power_w[,voltage_v][,marker]")
    load.add_argument(
        "--marker-socket",
        type=Path,
        metavar="PATH",
        help="Unix datagram socket that drives the marker inputs: 0 or 1 for input 0, 3:1 for input 3",
    )
    load.add_argument("--cpu-of-pid-file", type=Path, metavar="FILE", help="follow the CPU use of this process")
    load.add_argument("--voltage-v", type=positive, metavar="V", help="supply (default: what the meter is made for)")
    load.add_argument(
        "--idle-w",
        type=not_negative,
        metavar="W",
        help="power at rest, or the constant power (default 2, or what the meter shows well)",
    )
    load.add_argument(
        "--busy-w", type=not_negative, metavar="W", help="power with one core busy (default: twice --idle-w)"
    )
    load.add_argument(
        "--noise-w", type=not_negative, default=0.0, metavar="W", help="standard deviation of the load's noise"
    )
    faults = parser.add_argument_group("faults")
    faults.add_argument("--gain-error", type=finite, metavar="RATIO", help="override the drawn gain error")
    faults.add_argument(
        "--drift-ppm", type=finite, metavar="PPM", help="override the drawn rate of the device's clock"
    )
    faults.add_argument("--loss", type=share, default=0.0, metavar="RATIO", help="drop samples, or answers")
    faults.add_argument("--garbage", type=not_negative, default=0.0, metavar="RATE", help="insert bytes a second")
    faults.add_argument("--bit-flips", type=not_negative, default=0.0, metavar="RATE", help="flip bits a second")
    faults.add_argument("--jitter-ms", type=not_negative, default=0.0, metavar="MS", help="deliver late, up to this")
    faults.add_argument("--reset-at", type=_times, default=(), metavar="T[,T]", help="the meter begins anew")
    faults.add_argument(
        "--unplug-at", type=_outage, action="append", default=[], metavar="T:S", help="no port for S seconds"
    )


def _meter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("driver", metavar="DRIVER", help=DRIVER_HELP)
    parser.add_argument(
        "port", metavar="PORT", help="/dev/..., usb://SERIAL, socket://host:port, rfcomm://, a capture"
    )
    _option(parser)


def _option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--option", type=_key_value, action="append", default=[], metavar="K=V", help="an option of the driver"
    )


def _limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit-w", type=positive, metavar="W", help="the most that the supply can deliver: bounds what a gap hides"
    )


def _key_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return key, value


def _times(text: str) -> tuple[float, ...]:
    return tuple(not_negative(part) for part in text.split(","))


def _outage(text: str) -> tuple[float, float]:
    if not re.fullmatch(r"[^:]+:[^:]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form begin:seconds")
    begin, _, length = text.partition(":")
    return not_negative(begin), positive(length)
