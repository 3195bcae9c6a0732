"""``edgejoule pki renew``: the next certificate, with a new key, before the present one ends."""

import argparse
import datetime as dt
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.commands.pki.arguments import add_device_directory
from edgejoule.output import EXIT_DONE, stdout_console

if TYPE_CHECKING:
    from edgejoule.pki.enrolment import Held, Renewal

RESTART_TIMEOUT_S = 300
"""The agent's unit may take a minute to stop and three to start, with a slow meter."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_device_directory(parser)
    parser.add_argument("--if-due", action="store_true", help="do nothing while more than a third of its life is left")
    parser.add_argument("--server", default="", metavar="URL", help="default: where it was enrolled")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="agent.toml: the new certificate has to open its broker, too"
    )
    parser.add_argument(
        "--restart", metavar="UNIT", help="afterwards restart this systemd unit, if it runs: one that copies its key"
    )


def run(arguments: argparse.Namespace) -> int:
    """Renew, and say what was done. Raises ConfigurationError, RefusedError and UnreachableError."""
    from edgejoule.pki.enrolment import Renewal
    from edgejoule.pki.trial import broker_trial

    renewal = Renewal(arguments.out, arguments.server)
    if arguments.if_due and not renewal.is_due(dt.datetime.now(dt.UTC)):
        held = renewal.present()
        _say(held, f"not due before {held.due_at:%Y-%m-%d}; nothing done")
        return EXIT_DONE
    held = renewal.run(broker_trial(arguments.config) if arguments.config else None)
    if arguments.restart:
        _restart(renewal, arguments.restart)
    _say(held, "renewed")
    return EXIT_DONE


def _restart(renewal: "Renewal", unit: str) -> None:
    """Have ``unit`` take up the new pair; where only the old one works, go back to that. Raises RefusedError."""
    from edgejoule.pki.errors import RefusedError

    fault = _try_restart(unit)
    if not fault:
        return
    renewal.take_back()
    if _try_restart(unit):
        renewal.go_on()
        raise RefusedError(
            f"{unit} starts neither with the new certificate, which is in use, nor with the old one ({fault}): "
            f"see journalctl -u {unit}"
        )
    raise RefusedError(
        f"{unit} does not start with the new certificate ({fault}), and does with the old one, which is in use again: "
        f"see journalctl -u {unit}"
    )


def _try_restart(unit: str) -> str:
    try:
        outcome = subprocess.run(
            ["systemctl", "try-restart", unit],
            capture_output=True,
            text=True,
            timeout=RESTART_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if outcome.returncode == 0 else outcome.stderr.strip().splitlines()[0] if outcome.stderr else "failed"


def _say(held: "Held", what: str) -> None:
    stdout_console().print(f"{held.name}: valid until {held.not_after:%Y-%m-%d}, {what}", markup=False, soft_wrap=True)
