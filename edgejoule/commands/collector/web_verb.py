"""``edgejoule collector web``: the live page of what a collector has stored, until SIGTERM or Ctrl-C."""

import argparse
import threading

from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console
from edgejoule.signals import STOP_SIGNALS, handled, setting

_LOOK_S = 1.0


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop. Raises ConfigurationError."""
    stop = threading.Event()
    with handled(STOP_SIGNALS, setting(stop)):
        from collector.config import listening_at, read_config
        from collector.serving import live_page

        config = listening_at(read_config(arguments.config), arguments.listen or "")
        with live_page(config) as page:
            stderr_console().print(f"live page at {page.url}, Ctrl-C ends", soft_wrap=True)
            while not stop.wait(_LOOK_S):
                if not page.alive:
                    return EXIT_NO
    return EXIT_DONE
