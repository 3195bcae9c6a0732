"""``edgejoule fleet jobs``: work that might wait for a greener hour, and what that saved."""

import argparse
from typing import TYPE_CHECKING

from edgejoule.journals import config_of, opened
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.carbon.operational import IntensityKind
    from collector.carbon.timeline import IntensityTimeline
    from collector.config import CollectorConfig
    from collector.job_savings import HoursOf


def run(arguments: argparse.Namespace) -> int:
    """Print the jobs, the latest first, and their sums. Raises ConfigurationError."""
    from collector import replies
    from collector.job_savings import job_entries, job_sums
    from collector.orders import orders
    from edgejoule.job_tables import job_tables

    with opened(arguments) as journal, journal.snapshot() as db:
        found = orders(replies.stored(db))
    asked = [order for order in found if not arguments.device or order.device_id in arguments.device]
    entries = job_entries(asked, _hours(config_of(arguments)))
    sums = job_sums(entries)
    if arguments.json:
        write_json({"estimates": True, "jobs": entries, "sums": sums})
    elif entries:
        for table in job_tables(entries, sums):
            stdout_console().print(table)
    else:
        told = f"none of {', '.join(arguments.device)}" if arguments.device else "no device"
        line = f"{told} has told of a job that might wait; see docs/carbon-aware.md"
        stdout_console().print(line, markup=False, soft_wrap=True)
    return EXIT_DONE


def _hours(config: "CollectorConfig") -> "HoursOf":
    """Return how to look up what sources say of a zone. Raises ConfigurationError."""
    from collector.build import build_intensities

    by_kind = {provider.kind: provider for provider in build_intensities(config)}

    def hours_of(kind: "IntensityKind", zone: str, start_unix_ns: int, end_unix_ns: int) -> "IntensityTimeline":
        from collector.carbon.steps import held_steps

        provider = by_kind.get(kind)
        if provider is None:
            return held_steps(()).timeline
        return provider.timeline(zone, start_unix_ns, end_unix_ns).without_yearly()

    return hours_of
