"""Builds the dashboards and checks them: run by ``edgejoule dashboards build|check|push``."""

from pathlib import Path
from typing import Final

from .boards import BOARDS
from .model import Dashboard
from .rules import faults_of

HERE: Final = Path(__file__).parent
FOLDER: Final = "dashboards"


def dashboards() -> dict[str, Dashboard]:
    """Return every dashboard by the name of its file, without the suffix."""
    return {name: board() for name, board in BOARDS.items()}


def build(directory: Path = HERE) -> list[Path]:
    """Write every dashboard's JSON; return the files."""
    written = []
    for name, dashboard in dashboards().items():
        path = directory / FOLDER / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dashboard.to_json(), encoding="utf-8")
        written.append(path)
    return written


def check(directory: Path = HERE) -> list[str]:
    """Return what is wrong with the dashboards or with their files, one line each; empty when nothing is."""
    faults = []
    for name, dashboard in dashboards().items():
        faults += [f"{name}: {fault}" for fault in faults_of(dashboard)]
        path = directory / FOLDER / f"{name}.json"
        if not path.is_file():
            faults.append(f"{path}: missing; write it with: edgejoule dashboards build")
        elif path.read_text(encoding="utf-8") != dashboard.to_json():
            faults.append(f"{path}: not what the builder makes; write it again with: edgejoule dashboards build")
    strange = {path.stem for path in (directory / FOLDER).glob("*.json")} - set(BOARDS)
    return faults + [
        f"{directory / FOLDER / name}.json: no dashboard of the builder; remove it" for name in sorted(strange)
    ]
