"""``edgejoule agent run``: measure until SIGTERM or Ctrl-C."""

import argparse
import faulthandler

from edgejoule.output import EXIT_DONE
from edgejoule.signals import STOP_SIGNALS, handled


def run(arguments: argparse.Namespace) -> int:
    """Measure, then deliver what is left."""
    from edge_agent.service import StopFlag

    faulthandler.enable(2)  # where each thread was, when the service manager's watchdog ends the agent
    stop = StopFlag()
    with handled(STOP_SIGNALS, lambda *_: stop.request()):  # heard before what follows is loaded
        from edge_agent.app import run_agent
        from edge_agent.config import load_config

        run_agent(load_config(arguments.config), stop)
    return EXIT_DONE
