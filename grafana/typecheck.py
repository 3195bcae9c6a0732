"""Checks the dashboards against Grafana's published types, the npm package @grafana/schema (Apache-2.0).

``schema/types.ts`` brings its types together for each kind of panel; ``schema/check.mjs`` makes JSON Schema of them
and has the TypeScript compiler check the same. Node.js and the packages are needed for this check alone.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from edge_agent.wire.errors import ConfigurationError

PACKAGES: Final = ("@grafana/schema", "typescript", "ts-json-schema-generator", "ajv")
_SCRIPT: Final = Path(__file__).parent / "schema" / "check.mjs"
_LIMIT_S: Final = 120
_LONGEST: Final = 300


class _Board(Protocol):
    def to_json(self) -> str: ...


def schema_faults(boards: Mapping[str, _Board], folder: Path) -> list[str]:
    """Return what in the dashboards Grafana's types do not allow, one line each; empty when nothing is.

    ``folder``: where npm installed ``PACKAGES``. Raises ConfigurationError where they or Node.js are missing.
    """
    return faults_in({name: json.loads(board.to_json()) for name, board in boards.items()}, folder)


def faults_in(contents: Mapping[str, Any], folder: Path) -> list[str]:
    """Do the same for dashboards as Grafana reads them: a file's content by its name."""
    node = shutil.which("node")
    if node is None:
        raise ConfigurationError("dashboards: --grafana-schema needs Node.js (the program node); install it")
    if missing := [name for name in PACKAGES if not (folder / "node_modules" / name).is_dir()]:
        raise ConfigurationError(
            f"dashboards: {folder} lacks {', '.join(missing)}; install them with: "
            f"npm install --prefix {folder} {' '.join(missing)}"
        )
    try:
        outcome = subprocess.run(  # the first of our own arguments is the program that was looked up
            [node, str(_SCRIPT), str(folder)],
            input=json.dumps(contents),
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"dashboards: the check in {folder} took over {_LIMIT_S} s; try again") from error
    if outcome.returncode != 0:
        raise ConfigurationError(
            f"dashboards: the check in {folder} failed: {_reason(outcome.stderr)}; "
            f"bring the packages up to date with: npm install --prefix {folder} {' '.join(PACKAGES)}"
        )
    return [_line(fault) for fault in json.loads(outcome.stdout)]


def _line(fault: Mapping[str, str]) -> str:
    where = f"{fault['dashboard']}: {fault['part']}"
    message = fault["message"]
    short = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} …"
    return f"{where}: {fault['path'] or 'its top'}: {short} (Grafana's {fault['by']})"


def _reason(stderr: str) -> str:
    """Return the line that says what went wrong, of what Node.js prints when a script fails."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return next((line for line in lines if "Error" in line), lines[0] if lines else "no reason given")
