"""What ``apply`` and ``plan`` take alike, and how both show a plan and a summary."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from edgejoule.argument_types import whole
from edgejoule.output import stdout_console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgejoule.deploy.fleet.outcome import Outcome, Summary
    from edgejoule.deploy.fleet.planning import Plan


def add_fleet(parser: argparse.ArgumentParser) -> None:
    """Declare the fleet, the bundles and how boards are reached."""
    parser.add_argument("fleet", type=Path, metavar="FLEET.toml", help="the boards: see deploy/fleet.sample.toml")
    parser.add_argument(
        "--limit", action="append", default=[], metavar="KEY=NAME", help="only site=NAME, device=NAME or target=NAME"
    )
    parser.add_argument(
        "--bundle", type=Path, action="append", default=[], metavar="FILE", help="one for each target of the fleet"
    )
    parser.add_argument("--bundles", type=Path, metavar="DIR", help="every *.bundle.zip of a folder")
    parser.add_argument("--wave-size", metavar="N", help="so many boards, or such a share (10%%), in every wave")
    parser.add_argument("--parallel", type=whole, metavar="N", help="so many boards at a time")
    parser.add_argument("--accept-new-host-keys", action="store_true", help="note the key of a host not seen before")
    parser.add_argument("--known-hosts", type=Path, metavar="FILE", help="instead of ~/.ssh/known_hosts")
    parser.add_argument("--require-signature", type=Path, metavar="KEY", help="refuse a bundle that it did not sign")
    parser.add_argument("--allow-clock", action="store_true", help="take the boards' clocks as they are")
    parser.add_argument("--no-compile", action="store_true", help="do not compile: quicker now, slower at each start")
    changed = parser.add_mutually_exclusive_group()
    changed.add_argument("--replace-config", action="store_true", help="also where somebody changed it on the board")
    changed.add_argument("--keep-config", action="store_true", help="leave one that somebody changed on the board")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def show_plan(plans: "Sequence[Plan]", waves: "Sequence[Sequence[str]]") -> None:
    """Show what would change, on which board, and why."""
    numbers = {board: number for number, boards in enumerate(waves, 1) for board in boards}
    table = Table(box=None, pad_edge=False)
    for column in ("wave", "device", "site", "to do", "why"):
        table.add_column(column, overflow="fold")
    for plan in sorted(plans, key=lambda plan: numbers.get(plan.device.id, 0) or 10**6):
        words = plan.action if plan.problem is None else "cannot"
        why = "; ".join(plan.why) if plan.problem is None else plan.problem.text
        table.add_row(
            str(numbers.get(plan.device.id, "")), plan.device.id, plan.device.site, words, why or "as it shall be"
        )
    stdout_console().print(table)
    for plan in plans:
        if plan.problem is not None:
            _say(f"{plan.device.id}: {plan.problem.text}; {plan.problem.remedy}")
    changes = sum(plan.changes for plan in plans)
    _say(f"{changes} of {len(plans)} boards would change, in {len(waves)} wave{'s' * (len(waves) != 1)}")


def show_summary(summary: "Summary") -> None:
    """Show what became of each board; each failure with its remedy; one line at the end."""
    table = Table(box=None, pad_edge=False)
    for column in ("wave", "device", "site", "status", "runs", "seconds"):
        table.add_column(column, overflow="fold")
    for outcome in summary.boards:
        wave, seconds = (str(outcome.wave), f"{outcome.seconds:.0f}") if outcome.wave else ("", "")
        table.add_row(wave, outcome.device, outcome.site, outcome.status, outcome.now or "", seconds)
    stdout_console().print(table)
    for outcome in summary.boards:
        if outcome.failed:
            for line in _failure(outcome):
                _say(line)
    waiting = [outcome.device for outcome in summary.boards if outcome.status == "not-begun"]
    if summary.stopped:
        _say(f"stopped: {summary.stopped}")
    if waiting:
        _say(f"not begun: {', '.join(waiting)}")
    counts = f"{summary.changed} changed, {summary.unchanged} unchanged, {summary.failed} failed"
    _say(counts + (f", {summary.not_begun} not begun" if summary.not_begun else ""))


def plan_facts(plan: "Plan", waves: "Sequence[Sequence[str]]") -> dict[str, object]:
    """Return a plan for ``--json``."""
    numbers = {board: number for number, boards in enumerate(waves, 1) for board in boards}
    return {
        "device": plan.device.id,
        "site": plan.device.site,
        "action": plan.action,
        "why": plan.why,
        "wave": numbers.get(plan.device.id, 0),
        "release": plan.bundle.release if plan.bundle is not None else None,
        "present": plan.report.current if plan.report is not None else None,
        "problem": plan.problem,
    }


def _failure(outcome: "Outcome") -> "Iterator[str]":
    problem = outcome.problem
    assert problem is not None
    runs = f"; {outcome.now} runs" if outcome.status == "rolled-back" and outcome.now else ""
    yield f"{outcome.device} {outcome.status}: {problem.text}{runs}; {problem.remedy}"
    yield from (f"    {line}" for line in problem.journal[-5:])


def _say(line: str) -> None:
    stdout_console().print(line, markup=False, soft_wrap=True)
