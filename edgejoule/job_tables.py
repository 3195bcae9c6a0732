"""Jobs that might wait for a greener hour, and what that saved, as tables for a terminal of eighty columns."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.markup import escape
from rich.table import Table

from collector.carbon.revisions import MOST_GCO2E_PER_KWH
from collector.job_savings import JobEntry, JobSum
from collector.numbers import UNKNOWN, si
from edgejoule.fleet_tables import plain_table
from edgejoule.output import MOST_ROWS, harmless, latest_of

WHY: Final = {
    "deadline": "no time to wait",
    "no_zone": "it knows no zone",
    "no_forecast": "no forecast",
    "stale": "the forecast was too old",
    "other_zone": "the forecast was of another zone",
    "other_kind": "the forecast was of another kind",
    "not_in_order": "the forecast contradicted itself",
    "not_known": "not enough hours were known",
    "clock": "the clock was not set",
}
_BADGE: Final = " [bold black on yellow] SIMULATED [/]"


def job_tables(entries: Sequence[JobEntry], sums: Sequence[JobSum]) -> list[Table]:
    """Return the latest jobs, and the sums of all."""
    return [_jobs(entries), _sums(sums)]


def _jobs(entries: Sequence[JobEntry]) -> Table:
    table = plain_table("Jobs that might wait, in gCO2e/kWh, and what waiting saved (ESTIMATES)")
    table.add_column("device, job, stage, asked, zone", overflow="fold")
    for heading in ("waited", "at once", "ran at", "energy", "saved"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in entries[:MOST_ROWS]:
        table.add_row(*_cells(entry))
        table.add_section()
    lines = "first line: as the device knew it when it chose; second: the same by what is known now"
    table.caption, table.caption_justify = "\n".join(filter(None, (lines, latest_of(len(entries))))), "left"
    return table


def _cells(entry: JobEntry) -> tuple[str, ...]:
    carbon, now = entry.carbon, entry.known_now
    asked = datetime.fromtimestamp(carbon.asked_unix_ns // 10**9, tz=UTC)
    why = f", at once: {WHY.get(carbon.why_now, escape(harmless(carbon.why_now)))}" if carbon.why_now else ""
    kind = "" if carbon.intensity_kind is None else f", {carbon.intensity_kind}"
    what = (
        f"{escape(entry.fleet)}/{escape(entry.device_id)}{_BADGE if carbon.simulated else ''}\n"
        f"{escape(entry.command_id)}: {escape(harmless(entry.kind))}\n{entry.stage}{why}\n"
        f"[dim]{asked:%Y-%m-%d %H:%M:%S} UTC\n{escape(harmless(carbon.zone)) or 'no zone'}{kind}[/]"
    )
    known = (None, None, None) if now is None else (
        now.at_once_gco2e_per_kwh, now.chosen_gco2e_per_kwh, now.saved_gco2e
    )  # fmt: skip
    return (
        what,
        _time(entry.waited_s),
        _both(_number(carbon.at_once_gco2e_per_kwh), _number(known[0])),
        _both(_number(carbon.chosen_gco2e_per_kwh), _number(known[1])),
        _both(_energy(carbon.energy_j), f"[dim]{carbon.energy_kind or ''}[/]"),
        _both(_grams(carbon.saved_gco2e), _grams(known[2])),
    )


def _sums(sums: Sequence[JobSum]) -> Table:
    table = plain_table("Done, in sum (ESTIMATES); what answers different questions is not added")
    table.add_column("intensity, energy", overflow="fold")
    for heading in ("jobs", "put off", "energy", "saved", "as known now"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in sums:
        table.add_row(
            f"{one.intensity_kind or 'unknown'}, {one.energy_kind or 'unknown'}{_BADGE if one.simulated else ''}",
            str(one.jobs),
            str(one.put_off),
            _energy(one.energy_j),
            _of(_grams(one.saved_gco2e), one.estimated, one.jobs),
            _of(_grams(one.known_now_gco2e), one.assessed, one.jobs),
        )
    return table


def _both(told: str, now: str) -> str:
    return f"{told}\n{now}"


def _of(figure: str, of_jobs: int, jobs: int) -> str:
    """Return a figure, and of how many jobs it is where it is not of all."""
    return figure if of_jobs in {0, jobs} else f"{figure}\n[dim]of {of_jobs} jobs[/]"


def _number(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.1f}" if value < MOST_GCO2E_PER_KWH else f"{value:.2e}"


def _energy(energy_j: float | None) -> str:
    return UNKNOWN if energy_j is None else si(energy_j, "J")


def _grams(value: float | None) -> str:
    return UNKNOWN if value is None else si(value, "g")


def _time(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 7200.0 else f"{seconds / 3600.0:.1f} h"
