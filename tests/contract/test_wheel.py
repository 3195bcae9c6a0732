"""The wheel holds what it should and nothing else, and works alone in an empty folder."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("edgejoule", "firmware_bridge", "edge_agent", "collector")
CARRIED = {"models": "edge_agent/_models", "grafana": "collector/_grafana", "deploy/board": "edgejoule/_board"}
KINDS = {".py", ".toml", ".typed", ".j2", ".json", ".yaml", ".yml", ".md", ".npz", ".tflite"}
KINDS |= {".css", ".js", ".svg", ".html", ".txt"}  # the live page, and the licence of the library that it carries
KINDS |= {".mjs", ".ts"}  # the check of the dashboards against Grafana's types
KINDS |= {".service", ".timer", ".rules", ".conf"}  # for a board
SHIPPABLE = {"Apache-2.0", "MIT", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "OGL-UK-3.0", "cited fact"}
FORBIDDEN = re.compile(r"electricity maps|watttime|odbl|gpl|by-nc|by-sa|boavizta", re.IGNORECASE)
CITED = {"circuit-board": "board of a GPU card as BoaviztAPI states it (0.0325)"}
"""Single numbers that are cited as facts, by row: the citation, word by word."""
AGPL = {"boaviztapi", "e-footprint", "efootprint"}
CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel: without the network where the build back end is installed, else build fetches it."""
    out = tmp_path_factory.mktemp("wheel")
    how = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    outcome = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", *how, "--outdir", str(out), str(REPOSITORY)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr or outcome.stdout
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _sources(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not CACHES & set(path.parts) and path.suffix != ".pyc"
    }


def test_the_wheel_holds_exactly_the_packages_and_the_data(names: set[str]) -> None:
    expected = {f"{package}/{name}" for package in PACKAGES for name in _sources(REPOSITORY / package)}
    for source, target in CARRIED.items():
        expected |= {f"{target}/{name}" for name in _sources(REPOSITORY / source)}

    assert {name for name in names if ".dist-info/" not in name} == expected


def test_nothing_in_the_wheel_is_of_an_unexpected_kind(names: set[str]) -> None:
    inside = {name for name in names if ".dist-info/" not in name}
    strange = {name for name in inside if Path(name).suffix not in KINDS and Path(name).name != ".keep"}

    assert strange == set()
    assert not [name for name in inside if {"tests", "benchmarks", *CACHES} & set(Path(name).parts)]
    assert {Path(name).parts[0] for name in inside} == set(PACKAGES)


def test_each_package_says_that_it_is_typed(names: set[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_every_model_of_the_catalog_is_in_the_wheel(names: set[str]) -> None:
    catalog: dict[str, Any] = tomllib.loads((REPOSITORY / "models" / "catalog.toml").read_text(encoding="utf-8"))
    assert {f"edge_agent/_models/{entry['file']}" for entry in catalog["model"]} <= names
    for family in catalog["family"]:
        assert {f"edge_agent/_models/{family[key]}" for key in ("check_set", "recipe") if family.get(key)} <= names
        assert f"edge_agent/_models/{family['id']}/card.md" in names
    assert "edge_agent/_models/latency.toml" in names
    assert "edgejoule/making/cpu_power.toml" in names  # what a training's cost is modelled with


def test_the_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata_name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(metadata_name).decode()
        files = archive.namelist()

    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    for extra in ("serial", "site", "agent", "collector", "analysis", "grafana", "train", "all"):
        assert f"\nProvides-Extra: {extra}\n" in metadata
    assert any(name.endswith("/licenses/LICENSE") for name in files)


def test_the_factor_tables_of_the_wheel_may_be_shipped(wheel: Path) -> None:
    """Read from the archive, without the reader of the package: each row's licence, and no source that forbids it."""
    with zipfile.ZipFile(wheel) as archive:
        tables = {
            name: tomllib.loads(archive.read(name).decode())
            for name in archive.namelist()
            if name.startswith("collector/data/") and name.endswith(".toml")
        }

    factors = 0
    for name, table in tables.items():
        common = table.get("common", {})
        for kind, rows in table.items():
            for row in (common | one for one in rows if kind != "common"):
                factors += kind == "factor"
                assert kind != "factor" or row["licence"] in SHIPPABLE, f"{name}: {row['id']}"
                said = f"{row.get('source')} {row.get('licence')}".replace(CITED.get(row.get("id"), "-"), "-")
                assert not FORBIDDEN.search(said), f"{name}: {row}"
    assert factors > 70


def test_the_wheel_neither_needs_nor_imports_what_would_change_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        needed = re.findall(r"^Requires-Dist: ([\w.-]+)", archive.read(metadata).decode(), flags=re.MULTILINE)
        sources = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".py")}

    assert needed
    assert AGPL.isdisjoint(name.casefold().replace("_", "-") for name in needed)
    imports = re.compile(r"^\s*(?:from|import)\s+(?:boaviztapi|efootprint)\b", re.MULTILINE)
    assert [name for name, text in sources.items() if imports.search(text)] == []


def test_the_wheel_works_alone(wheel: Path, tmp_path: Path) -> None:
    """Unpacked anywhere, it is complete: version, help, and models that verify."""
    site = tmp_path / "site"
    _run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], tmp_path)
    environment = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}

    program = [sys.executable, "-P", str(site / "bin" / "edgejoule")]
    where = _run([sys.executable, "-P", "-c", "import edgejoule; print(edgejoule.__file__)"], tmp_path, environment)
    version = _run([*program, "--version"], tmp_path, environment)
    models = json.loads(_run([*program, "models", "verify", "--json"], tmp_path, environment))

    assert where.strip() == str(site / "edgejoule" / "__init__.py")
    assert version.startswith("edgejoule ")
    assert version.split()[1] in wheel.name
    assert models["directory"] == str(site / "edge_agent" / "_models")
    assert all(model["ok"] for model in models["models"])


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    outcome = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout
