"""``edgejoule demo``: the whole system on this machine, in about a minute."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from edgejoule.argument_types import finite, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--seconds", type=positive, default=60.0, help="how long to measure (default 60)")
    parser.add_argument("--window-s", type=positive, default=5.0, help="length of a window (default 5)")
    parser.add_argument("--broker", metavar="URL", help="use this running broker, for example mqtt://127.0.0.1:1883")
    parser.add_argument(
        "--influxdb", type=_database_url, metavar="URL", help="also write InfluxDB 1.x: http://host:8086/database"
    )
    parser.add_argument("--out", type=Path, default=Path("demo-run"), help="where the run is kept (default demo-run)")
    parser.add_argument(
        "--serve", action="store_true", help="keep measuring until Ctrl-C, with a live page and the report on it"
    )
    parser.add_argument("--chaos", action="store_true", help="kill -9 collector and embedded broker on the way")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated meters' errors and noise")
    parser.add_argument("--json", action="store_true", help="the final report as JSON on stdout, nothing else")
    parser.add_argument(
        "--gain-error", type=finite, metavar="RATIO", help="give every meter this gain error: must fail"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    from edgejoule.demo.runner import DemoSettings, run_demo

    return run_demo(
        DemoSettings(
            seconds=arguments.seconds,
            window_s=arguments.window_s,
            broker_url=arguments.broker,
            influxdb_url=arguments.influxdb,
            out_dir=arguments.out,
            serve=arguments.serve,
            chaos=arguments.chaos,
            seed=arguments.seed,
            as_json=arguments.json,
            gain_error=arguments.gain_error,
        )
    )


def _database_url(text: str) -> str:
    """Return ``text`` if it names a server and, as the last part of its path, a database."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError(f"{text!r} is not a server's address; write http://host:8086/database")
    if not parts.path.rpartition("/")[2]:
        raise argparse.ArgumentTypeError(f"{text!r} names no database; write http://host:8086/database")
    return text
