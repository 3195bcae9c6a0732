"""``edgejoule order send``: sign an order, send it to devices, and hear what they reply."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_agent.wire.errors import BrokerUnavailableError, ConfigurationError
from edge_agent.wire.orders import Action, Deferral
from edgejoule.argument_types import duration, moment, not_negative
from edgejoule.commands.order.actions import ACTIONS, DEFERRABLE, action_of, add_action
from edgejoule.commands.order.arguments import add_config, add_json, add_passphrase, config_of, key_of
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.orders.config import OrderConfig
    from edgejoule.orders.dispatch import Dispatch

DEFAULT_VALID_S: Final = 600.0
DEFAULT_PATIENCE_S: Final = 7200.0
LATE_S: Final = 3600.0
"""How long after a deferred order's deadline its device is still waited for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    what = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, purpose in ACTIONS.items():
        one = what.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        add_action(one, name)
        _add_addressees(one)
        _add_sending(one)
        if name in DEFERRABLE:
            _add_deferral(one)


def _add_addressees(parser: argparse.ArgumentParser) -> None:
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--device", action="append", metavar="ID", help="a device; may be repeated")
    whom.add_argument(
        "--site", action="append", metavar="NAME", help="all that the inventory has there; may be repeated"
    )
    whom.add_argument("--all", action="store_true", help="every device of the fleet that the broker knows")
    parser.add_argument("--fleet", metavar="NAME", help="whose devices (default: that of --config, or default)")
    parser.add_argument("--inventory", type=Path, metavar="FILE", help="the collector's inventory, for --site")


def _add_sending(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--broker", metavar="URL", help="instead of the one in --config, such as mqtts://host:8883")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the operator's key, of edgejoule order keygen")
    add_passphrase(parser)
    parser.add_argument(
        "--valid",
        type=duration,
        default=DEFAULT_VALID_S,
        metavar="TIME",
        help="how long it may be accepted (default: 10m)",
    )
    parser.add_argument("--wait", action="store_true", help="until each device is done, not only has accepted")
    parser.add_argument(
        "--wait-at-most",
        type=duration,
        metavar="TIME",
        help="with --wait: how long (default: 2h, or an hour after the deadline)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent to whom, and send nothing")
    add_json(parser)


def _add_deferral(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--defer-until", type=moment, metavar="TIME", help="it may wait for a greener hour, but is done by TIME: +8h"
    )
    parser.add_argument("--takes", type=duration, metavar="TIME", help="with --defer-until: how long it takes, about")
    parser.add_argument("--energy", type=not_negative, metavar="J", help="with --defer-until: what it takes, about")


def run(arguments: argparse.Namespace) -> int:
    """Send it. Raises ConfigurationError."""
    config = config_of(arguments)
    defer = _deferral(arguments)
    _check_times(arguments.valid, defer)
    try:
        return _run(arguments, config, defer)
    except BrokerUnavailableError as error:
        sys.stderr.write(f"edgejoule: {error}\n")
        return EXIT_NO


def _run(arguments: argparse.Namespace, config: "OrderConfig", defer: Deferral | None) -> int:
    from edgejoule.orders.dispatch import Dispatch
    from edgejoule.orders.display import OrderProgress, outcome_table
    from edgejoule.orders.sending import make_sendings, send

    key = key_of(config)
    devices = _devices(arguments, config)
    action = action_of(arguments.action, arguments, config)
    sendings = make_sendings(key, config.fleet, devices, action, arguments.valid, defer)
    dispatch = Dispatch(sendings, wait=arguments.wait)
    if arguments.dry_run:
        return _say_plan(dispatch, action, arguments)
    ends_s = time.monotonic() + _patience_s(arguments, defer)
    try:
        with OrderProgress() as progress:
            send(config.broker, dispatch, ends_s=ends_s, show=progress.show)
    except KeyboardInterrupt:
        stderr_console().print(outcome_table(dispatch.outcomes(time.monotonic())))
        raise
    now_s = time.monotonic()
    well = dispatch.well(now_s)
    if arguments.json:
        write_json({"well": well, "orders": dispatch.outcomes(now_s)})
    else:
        stdout_console().print(outcome_table(dispatch.outcomes(now_s)))
    return EXIT_DONE if well else EXIT_NO


def _deferral(arguments: argparse.Namespace) -> Deferral | None:
    until, takes, energy_j = (getattr(arguments, name, None) for name in ("defer_until", "takes", "energy"))
    if until is None:
        if takes is not None or energy_j is not None:
            raise ConfigurationError("order send: --takes and --energy belong to --defer-until TIME")
        return None
    if takes is None:
        raise ConfigurationError("order send: --defer-until needs --takes TIME: how long the work takes, about")
    return Deferral(deadline_unix_ns=until, duration_s=takes, energy_j=energy_j)


def _check_times(valid_s: float, defer: Deferral | None) -> None:
    """Raise ConfigurationError for what every device refuses."""
    from edge_agent.remote.guard import MAX_DEFERRED_NS, MAX_VALID_NS

    if valid_s * 1e9 > MAX_VALID_NS:
        raise ConfigurationError(f"order send: --valid: {MAX_VALID_NS // 86_400_000_000_000} days at most")
    if defer is not None and defer.deadline_unix_ns - time.time_ns() > MAX_DEFERRED_NS:
        raise ConfigurationError(
            f"order send: --defer-until: {MAX_DEFERRED_NS // 86_400_000_000_000} days from now at most"
        )


def _devices(arguments: argparse.Namespace, config: "OrderConfig") -> list[str]:
    from edgejoule.orders import addressees

    if arguments.device:
        return addressees.named(arguments.device)
    if arguments.site:
        return addressees.of_sites(config.inventory, arguments.site)
    return addressees.of_fleet(config.broker, config.fleet)


def _patience_s(arguments: argparse.Namespace, defer: Deferral | None) -> float:
    """Return how long to wait; without --wait every device has answered, or is silent, soon after the order's end."""
    if arguments.wait_at_most is not None:
        return float(arguments.wait_at_most)
    valid_s = float(arguments.valid)
    if defer is None:
        return max(DEFAULT_PATIENCE_S, valid_s + LATE_S)
    return max(valid_s, (defer.deadline_unix_ns - time.time_ns()) / 1e9) + LATE_S


def _say_plan(dispatch: "Dispatch", action: Action, arguments: argparse.Namespace) -> int:
    commands = [sending.command for sending in dispatch.sendings]
    if arguments.json:
        write_json({"dry_run": True, "commands": commands})
        return EXIT_DONE
    console = stdout_console()
    words = ", ".join(f"{name} = {getattr(action, name)}" for name in action.__struct_fields__) or "nothing else"
    whom = f"{len(commands)} device{'s' if len(commands) > 1 else ''}"
    console.print(f"would send {arguments.action} ({words}) to {whom}:", markup=False)
    for command in commands:
        console.print(f"  {command.fleet}/{command.device_id}", markup=False)
    return EXIT_DONE
