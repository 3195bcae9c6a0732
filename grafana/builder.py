"""Builds the dashboards and alert rules and checks them: run by ``edgejoule dashboards build|check|push``."""

from pathlib import Path
from typing import Final

from . import alert_checks, alerts
from .boards import BOARDS
from .model import Dashboard
from .rules import faults_of
from .yaml_text import to_yaml

HERE: Final = Path(__file__).parent
FOLDER: Final = "dashboards"
ALERTS: Final = "provisioning/alerting/edgejoule.yaml"
_ALERTS_COMMENT: Final = """\
Alert rules, which Grafana reads when it starts. Written by `edgejoule dashboards build` from grafana/alerts.py.
Who is told is Grafana's matter: contact points and notification policies, by the labels service and severity."""
_WRITE_AGAIN: Final = "write it with: edgejoule dashboards build"


def dashboards() -> dict[str, Dashboard]:
    """Return every dashboard by the name of its file, without the suffix."""
    return {name: board() for name, board in BOARDS.items()}


def texts() -> dict[str, str]:
    """Return the text of every file that is built, by its path below the directory."""
    built = {f"{FOLDER}/{name}.json": dashboard.to_json() for name, dashboard in dashboards().items()}
    return built | {ALERTS: to_yaml(alerts.provisioning(), _ALERTS_COMMENT)}


def build(directory: Path = HERE) -> list[Path]:
    """Write every file; return them."""
    written = []
    for name, text in texts().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def check(directory: Path = HERE) -> list[str]:
    """Return what is wrong with dashboards, alert rules or their files, one line each; empty when nothing is."""
    faults = [f"{name}: {fault}" for name, dashboard in dashboards().items() for fault in faults_of(dashboard)]
    faults += alert_checks.faults_of(alerts.groups())
    for name, text in texts().items():
        path = directory / name
        if not path.is_file():
            faults.append(f"{path}: missing; {_WRITE_AGAIN}")
        elif path.read_bytes() != text.encode():
            faults.append(f"{path}: not what the builder makes; {_WRITE_AGAIN}")
    strange = {path.stem for path in (directory / FOLDER).glob("*.json")} - set(BOARDS)
    return faults + [
        f"{directory / FOLDER / name}.json: no dashboard of the builder; remove it" for name in sorted(strange)
    ]
