"""``edgejoule doctor``: check this machine and the configuration that is named."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.doctor.finding import DoctorReport

STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "Exit code 1 if anything is a failure, 0 if all is well or only warned about."
    parser.add_argument("--agent-config", type=Path, metavar="FILE", help="check what this agent.toml names")
    parser.add_argument("--collector-config", type=Path, metavar="FILE", help="check what this collector.toml names")
    parser.add_argument(
        "--broker", metavar="URL", help="check the broker at mqtt:// or ws://host:port, without credentials"
    )
    parser.add_argument("--mosquitto-conf", type=Path, metavar="FILE", help="check a mosquitto configuration")
    parser.add_argument(
        "--probe",
        action="store_true",
        help="also try the broker's queue, sessions and flow control with 1600 small messages that it removes again",
    )
    parser.add_argument("--json", action="store_true", help="print JSON only")


def run(arguments: argparse.Namespace) -> int:
    """Examine, print, and return the exit code."""
    from edgejoule.doctor.examination import Subject, examine

    report = examine(
        Subject(
            agent_config=arguments.agent_config,
            collector_config=arguments.collector_config,
            broker_url=arguments.broker,
            mosquitto_conf=arguments.mosquitto_conf,
            probe=arguments.probe,
        )
    )
    if arguments.json:
        write_json(report)
    else:
        _print(report)
    return EXIT_NO if report.failures else EXIT_DONE


def _print(report: "DoctorReport") -> None:
    console = stdout_console()
    for finding in report.findings:
        console.print(f"{finding.level:<8}", style=STYLES[finding.level], end=" ")
        console.print(f"{finding.topic}: {finding.text}", markup=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"         remedy: {finding.remedy}", markup=False, soft_wrap=True)
    console.print(f"{_counted(report.failures, 'failure')}, {_counted(report.warnings, 'warning')}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
