"""The front door: commands are found, loaded when named, and every error is one line with an exit code."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgejoule import __version__, commands
from edgejoule.cli import COMMANDS, main

HEAVY = ("pyarrow", "matplotlib", "paho", "iotcore", "serial", "influxdb_client", "numpy")


def test_the_list_and_the_files_agree() -> None:
    (folder,) = commands.__path__
    files = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in Path(folder).glob("*/__init__.py")}

    assert files | packages == {name.replace("-", "_") for name in COMMANDS}
    assert not files & packages


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([name, "--help"])

    assert exit_info.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: edgejoule {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_offers_what_the_front_door_calls(name: str) -> None:
    module = importlib.import_module(f"edgejoule.commands.{name.replace('-', '_')}")

    assert callable(module.add_arguments)
    assert callable(module.run)


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_help_names_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(words)

    shown = capsys.readouterr().out
    assert exit_info.value.code == 0
    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["--version"])

    assert exit_info.value.code == 0
    assert capsys.readouterr().out == f"edgejoule {__version__}\n"


@pytest.mark.parametrize(
    "words", [["nonsense"], [], ["--nonsense"], ["models"], ["models", "lost"], ["doctor", "--x"]]
)
def test_wrong_usage_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        raise SystemExit(main(words))

    outcome = capsys.readouterr()
    assert exit_info.value.code == 2
    assert outcome.out == ""
    assert outcome.err


def test_help_loads_nothing_heavy() -> None:
    script = f"import sys, edgejoule.cli; sys.exit(', '.join(m for m in {HEAVY!r} if m in sys.modules) or 0)"
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert outcome.stderr == ""
    assert outcome.returncode == 0


def test_a_missing_package_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['iotcore'] = None\n", encoding="utf-8")
    outcome = subprocess.run(
        [sys.executable, "-m", "edgejoule", "broker", "--port", "1"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert outcome.returncode == 2
    assert outcome.stderr.count("\n") == 1
    assert "edgejoule[all]" in outcome.stderr


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    """As in `edgejoule models list --json | head -1`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edgejoule", "models", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 141
    assert errors == b""


@pytest.mark.parametrize("words", [["meter", "list"], ["meter", "list", "--json"]])
def test_a_full_disk_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [sys.executable, "-m", "edgejoule", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert process.stderr == "edgejoule: cannot write: No space left on device; free some space\n"
    assert process.returncode == 1
