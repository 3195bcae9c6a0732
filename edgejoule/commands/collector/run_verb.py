"""``edgejoule collector run``: take what the devices send until SIGTERM or Ctrl-C."""

import argparse
import threading

from edgejoule.signals import STOP_SIGNALS, handled, setting


def run(arguments: argparse.Namespace) -> int:
    """Hear signals first: what follows takes a moment to load."""
    stop = threading.Event()
    with handled(STOP_SIGNALS, setting(stop)):
        from collector.app import run_collector
        from collector.config import listening_at, read_config

        config = read_config(arguments.config)
        return run_collector(config if arguments.web is None else listening_at(config, arguments.web), stop)
