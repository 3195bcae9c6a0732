"""``edgejoule deploy status``: what is installed on this board and how it gets on."""

import argparse
from datetime import UTC, datetime
from typing import Any

from edgejoule.deploy.onboard import managing
from edgejoule.deploy.onboard.cli import add_place, site_of
from edgejoule.deploy.onboard.problems import InstallError
from edgejoule.deploy.onboard.report import Report
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where."""
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Show it; exit code 1 where nothing is installed."""
    from edge_agent.wire.errors import ConfigurationError

    try:
        status = managing.status(site_of(arguments, Report(lambda _: None), lenient=True))
    except (InstallError, OSError) as error:
        raise ConfigurationError(f"{error}; run it as root (sudo)") from error
    if arguments.json:
        write_json(status)
    else:
        console = stdout_console()
        for line in lines_of(status):
            console.print(line, markup=False, soft_wrap=True)
    return EXIT_DONE if status["current"] else EXIT_NO


def lines_of(status: dict[str, Any]) -> list[str]:
    """Return what there is to say, a line each."""
    if not status["current"]:
        return [f"{status['root']}: nothing is installed"]
    lines = [f"version   {status['current']}" + (f"  (before: {status['previous']})" if status["previous"] else "")]
    if status["pending"]:
        lines.append(f"pending   {status['pending']['to']} is not confirmed yet")
    service = status["service"]
    if service["active"] != "unknown":
        restarts = f", started again {service['restarts']} times" if service["restarts"] else ""
        lines.append(f"service   {service['active']}{restarts}")
    config = status["config"]
    by_hand = "  (changed by hand)" if config["changed_by_hand"] else ""
    lines.append(f"settings  {config['path']}{by_hand}")
    progress = status["progress"]
    if isinstance(progress, dict):
        lines.append(
            f"windows   {progress['windows_made']} made since its start, {progress['windows_stored']} stored, "
            f"{progress['outbox_windows']} waiting; meter {'connected' if progress['meter_connected'] else 'lost'}"
        )
    return [*lines, *map(_event, status["history"][-3:])]


def _event(entry: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(entry["t_unix_ns"] / 1e9, tz=UTC).strftime("%Y-%m-%d %H:%M")
    why = f": {entry['why']}" if entry.get("why") else ""
    return f"{when}  {entry['event']} {entry.get('to', '')}{why}"
