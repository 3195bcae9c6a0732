"""``edgejoule broker``: the embedded in-memory broker, for one machine and for tests."""

import argparse
import signal
import sys
import threading

from edgejoule.argument_types import port_number
from edgejoule.signals import STOP_SIGNALS, setting

DEFAULT_PORT = 1883


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "It keeps everything in memory and has no access control: agents send again what the collector has not "
        "stored, so a restart loses nothing, but use mosquitto where others can reach the port."
    )
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="address to bind (127.0.0.1)")
    parser.add_argument("--port", type=port_number, default=DEFAULT_PORT, help=f"port for MQTT 5 ({DEFAULT_PORT})")
    parser.add_argument(
        "--port-v311", type=port_number, default=None, metavar="PORT", help="port for MQTT 3.1.1 (none)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT, which are heard to the very end of the process."""
    stop = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, setting(stop))
    from collector.embedded_broker import run_embedded_broker

    places = f"MQTT 5 on {arguments.listen}:{arguments.port}"
    if arguments.port_v311 is not None:
        places += f", MQTT 3.1.1 on {arguments.listen}:{arguments.port_v311}"

    def say_ready() -> None:
        sys.stdout.write(f"embedded broker, in-memory: {places}\n")
        sys.stdout.flush()

    return run_embedded_broker(arguments.listen, arguments.port, arguments.port_v311, say_ready, stop)
