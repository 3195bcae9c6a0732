"""``edgejoule deploy apply``: a bundle and each board's configuration to many boards, in waves, over SSH."""

import argparse
from typing import TYPE_CHECKING

from edgejoule.commands.deploy.fleet_arguments import add_fleet, plan_facts, show_plan, show_summary
from edgejoule.output import EXIT_DONE, EXIT_NO, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgejoule.deploy.fleet.apply import Application, Order
    from edgejoule.deploy.fleet.devices import Fleet
    from edgejoule.deploy.fleet.planning import Plan

_EPILOG = """\
Every board is looked at first; nothing is changed where something stands in the way. Then wave after wave: upload
(broken ones go on where they were), install beside the present version, and keep it only if a collector stores its
windows in time; else the board goes back by itself. Too many failures in a wave stop the roll-out. Ctrl-C begins no
more boards and waits for those that have begun; Ctrl-C again leaves, and they end by themselves.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what, where and how."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_fleet(parser)
    parser.add_argument("--dry-run", action="store_true", help="look and plan, and change nothing")


def run(arguments: argparse.Namespace) -> int:
    """Roll out; exit code 1 if a board failed or was not begun. Raises ConfigurationError."""
    return roll_out_or_plan(arguments, dry_run=arguments.dry_run)


def roll_out_or_plan(arguments: argparse.Namespace, *, dry_run: bool) -> int:
    """Look at all boards, and bring them where the file says unless ``dry_run``. Raises ConfigurationError."""
    from edgejoule.deploy.fleet.apply import Application, logins, stops
    from edgejoule.deploy.fleet.devices import load_fleet
    from edgejoule.deploy.fleet.display import Display
    from edgejoule.deploy.fleet.hands import Hands
    from edgejoule.signals import STOP_SIGNALS, handled

    fleet = load_fleet(arguments.fleet)
    order = _order(arguments, fleet)
    stop, hear = stops()
    with (
        Display() as display,
        handled(STOP_SIGNALS, hear),
        Hands(
            logins(order.devices), known_hosts=arguments.known_hosts, accept_new=arguments.accept_new_host_keys
        ) as hands,
    ):
        application = Application(fleet, order, hands, display, stop)
        plans = application.plans()
        if dry_run:
            return _show_plans(arguments, application, plans)
        summary = application.run(plans)
    if arguments.json:
        write_json(summary)
    else:
        show_summary(summary)
    return EXIT_NO if summary.failed or summary.not_begun else EXIT_DONE


def _order(arguments: argparse.Namespace, fleet: "Fleet") -> "Order":
    from edgejoule.deploy.fleet.apply import Order
    from edgejoule.deploy.fleet.bundle_shelf import read_shelf
    from edgejoule.deploy.fleet.installing import Options
    from edgejoule.deploy.fleet.selection import limited
    from edgejoule.deploy.fleet.waves import equal_waves
    from edgejoule.deploy.installer_zipapp import installer_zipapp

    if arguments.wave_size is not None:
        equal_waves((), arguments.wave_size)
    rules = {"--replace-config": arguments.replace_config, "--keep-config": arguments.keep_config}
    return Order(
        devices=limited(fleet.devices, arguments.limit),
        shelf=read_shelf(arguments.bundle, arguments.bundles, signer=arguments.require_signature),
        options=Options(
            installer=installer_zipapp(),
            signer=arguments.require_signature,
            allow_clock=arguments.allow_clock,
            config_rule=next((word for word, asked in rules.items() if asked), ""),
            no_compile=arguments.no_compile,
        ),
        wave_size=arguments.wave_size,
        parallel=arguments.parallel,
    )


def _show_plans(arguments: argparse.Namespace, application: "Application", plans: "Mapping[str, Plan]") -> int:
    waves = application.waves(plans)
    if arguments.json:
        write_json({"boards": [plan_facts(plan, waves) for plan in plans.values()], "waves": waves})
    else:
        show_plan(list(plans.values()), waves)
    return EXIT_NO if any(plan.problem is not None for plan in plans.values()) else EXIT_DONE
