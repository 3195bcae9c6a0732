"""``edgejoule models train``: a recipe's process is listened to, ended, and leaves a whole folder or none."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edgejoule.cli import main
from edgejoule.zoo.catalog_file import read_catalog, write_catalog
from edgejoule.zoo.entry import Catalog
from edgejoule.zoo.latency import write_latencies
from edgejoule.zoo.recipe_process import Step, run_recipe
from tests.unit.edgejoule.test_model_card import make_entry, make_family, make_latency

pytestmark = pytest.mark.train

PATIENCE_S = 60.0
RECIPE = """
import json, os, sys
from pathlib import Path
print("a package greets")
for done in (1, 2):
    print(json.dumps({"stage": "training", "done": done, "total": 2, "note": f"loss {1 / done}"}), flush=True)
out = Path(sys.argv[1])
(out / "gestures").mkdir(parents=True)
(out / "gestures" / "int8.tflite").write_bytes(b"new")
(out / "catalog.toml").write_text(%r)
"""
STUCK = """
import os, sys, time
from pathlib import Path
out = Path(sys.argv[1])
out.mkdir(exist_ok=True)
(out / "half").write_text("half")
os.fork()
Path(%r).open("a").write(f"{os.getpid()}\\n")
time.sleep(600)
"""
SLEEPING = """
import os, time
from pathlib import Path
from edgejoule.making.recipe import Recipe, main
from edgejoule.zoo.entry import Family

def train(progress):
    Path(%r).write_text(f"{os.getpid()}\\n")
    time.sleep(600)

main(Recipe(family=Family(id="gestures", task="sleeping", architecture="none"), train=train))
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a catalogue of one family, whose recipe gives another one of the same score."""
    folder = tmp_path / "models"
    write_catalog(folder, Catalog(family=[make_family()], model=[make_entry()]))
    write_recipe(folder)
    (folder / "gestures").mkdir()
    (folder / "gestures" / "int8.tflite").write_bytes(b"old")
    (folder / "gestures" / "left_over").write_bytes(b"old")
    write_latencies(folder, [make_latency(sha256="e" * 64)])
    return folder


def write_recipe(folder: Path, value: float = 0.9, family_id: str = "gestures", model_id: str = "") -> None:
    catalog = Catalog(
        family=[make_family(id=family_id)],
        model=[make_entry(value=value, id=f"{model_id or family_id}_int8", family=family_id, sha256="e" * 64)],
    )
    made = folder.parent / f"made-{family_id}-{value}"
    text = write_catalog(made, catalog).read_text(encoding="utf-8")
    recipes = folder / "recipes"
    recipes.mkdir(exist_ok=True)
    (recipes / f"{family_id}.py").write_text(RECIPE.replace('"gestures"', repr(family_id)) % text, encoding="utf-8")


def train(directory: Path, *words: str) -> int:
    return main(["models", "train", "gestures", "--catalog-dir", str(directory), *words])


def test_a_recipe_tells_its_steps_and_a_package_may_talk(directory: Path, tmp_path: Path) -> None:
    steps: list[Step] = []

    run_recipe(directory / "recipes" / "gestures.py", tmp_path / "out", steps.append)

    assert steps == [Step("training", 1, 2, "loss 1.0"), Step("training", 2, 2, "loss 0.5")]


def test_a_stage_is_one_line_where_there_is_no_terminal(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(directory) == 0

    outcome = capsys.readouterr()
    assert "training: loss 0.5\n" in outcome.err
    assert "loss 1.0" not in outcome.err
    assert "score 90.00%, 90.00% in the catalogue" in outcome.out
    assert "nothing kept" in outcome.out
    assert (directory / "gestures" / "int8.tflite").read_bytes() == b"old"


def test_a_terminal_gets_a_bar_for_each_stage_that_fits_eighty_columns(directory: Path) -> None:
    command = [sys.executable, "-m", "edgejoule", "models", "train", "gestures", "--catalog-dir", str(directory)]
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    with (
        os.fdopen(ours, "rb", buffering=0) as screen,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as process,
    ):
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how Linux says that nobody writes there any more
            while part := screen.read(4096):
                shown += part
        assert process.wait(PATIENCE_S) == 0

    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()))
    bars = [line for line in lines if line.startswith("training ") and "2/2" in line]
    assert "loss 0.5" in bars[-1]
    assert all(len(bar) <= 80 for bar in bars)


def test_out_is_a_catalogue_of_its_own(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "there" / "out"
    assert train(directory, "--out", str(out), "--json") == 0

    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["models"][0]["bit_identical"] is False
    assert read_catalog(out).model[0].sha256 == "e" * 64
    assert {path.name for path in out.parent.iterdir()} == {"out"}


def test_out_that_holds_something_is_refused_before_any_training(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(directory, "--out", str(directory)) == 2

    assert "there is something already; name a new folder" in capsys.readouterr().err


def test_replace_puts_folder_catalogue_and_card_in_place(directory: Path) -> None:
    assert train(directory, "--replace") == 0

    assert (directory / "gestures" / "int8.tflite").read_bytes() == b"new"
    assert not (directory / "gestures" / "left_over").exists()
    assert read_catalog(directory).model[0].sha256 == "e" * 64
    card = (directory / "gestures" / "card.md").read_text(encoding="utf-8")
    assert "e" * 64 in card
    assert "10.5" in card  # the latency that was measured on just this file
    assert {path.name for path in directory.iterdir()} == {"catalog.toml", "gestures", "latency.toml", "recipes"}


def test_who_pinned_the_former_check_set_is_named(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = Catalog(
        family=[make_family(check_set_sha256="a" * 64), make_family(id="pruned", check_set_sha256="a" * 64)],
        model=[make_entry()],
    )
    write_catalog(directory, catalog)

    assert train(directory, "--replace") == 0

    assert "pruned pinned the former check set of gestures: train them again too" in capsys.readouterr().err


def test_a_worse_model_replaces_nothing(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recipe(directory, value=0.85)

    assert train(directory, "--replace") == 1

    assert "do not use this model" in capsys.readouterr().out
    assert (directory / "gestures" / "int8.tflite").read_bytes() == b"old"
    assert read_catalog(directory).model[0].sha256 != "e" * 64


def test_a_recipe_without_a_family_yet_gives_a_new_one(directory: Path) -> None:
    write_recipe(directory, family_id="walks")

    assert main(["models", "train", "walks", "--replace", "--catalog-dir", str(directory)]) == 0

    assert [family.id for family in read_catalog(directory).family] == ["gestures", "walks"]


def test_a_model_is_not_taken_from_another_family(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recipe(directory, family_id="walks", model_id="gestures")
    before = (directory / "catalog.toml").read_bytes()

    assert main(["models", "train", "walks", "--replace", "--catalog-dir", str(directory)]) == 2

    assert "'gestures_int8' belongs to family 'gestures'" in capsys.readouterr().err
    assert (directory / "catalog.toml").read_bytes() == before


@pytest.mark.parametrize("name", ["../recipes/gestures", "nothing", "gestures.py"])
def test_a_name_that_is_none_is_answered_with_the_families(
    name: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "train", name, "--catalog-dir", str(directory)]) == 2

    assert "families: gestures" in capsys.readouterr().err


def test_a_recipe_outside_the_catalogue_is_not_run(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "recipes" / "gestures.py").rename(directory.parent / "gestures.py")
    write_catalog(directory, Catalog(family=[make_family(recipe="../gestures.py")], model=[make_entry()]))

    assert train(directory) == 2

    assert "lies outside" in capsys.readouterr().err


def test_a_catalogue_that_cannot_be_written_is_said_before_any_training(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / f".{os.getpid()}.probe").mkdir()

    assert train(directory, "--replace") == 2

    assert capsys.readouterr().err.startswith(f"edgejoule: {directory}: cannot be written: ")


def test_what_cannot_be_put_into_the_catalogue_is_still_kept(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / f".catalog.toml.{os.getpid()}.part").mkdir()  # in the way of the new catalogue

    assert train(directory, "--replace", "--out", str(tmp_path / "out")) == 2

    outcome = capsys.readouterr()
    assert f"written to {tmp_path / 'out'}\n" in outcome.out
    assert f"written to {directory}\n" not in outcome.out
    assert "catalog.toml: cannot be written" in outcome.err
    assert (tmp_path / "out" / "gestures" / "int8.tflite").read_bytes() == b"new"
    assert (directory / "gestures" / "int8.tflite").read_bytes() == b"old"


def test_a_recipe_that_is_killed_says_so(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "recipes" / "gestures.py").write_text("import os; os.kill(os.getpid(), 9)", encoding="utf-8")

    assert train(directory) == 2

    assert "ended by SIGKILL (it said nothing); see whether the machine ran out of memory" in capsys.readouterr().err


def test_a_recipe_may_say_more_than_a_pipe_holds(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = "import sys; sys.stderr.write('w' * 300000); sys.exit('the last line')"
    (directory / "recipes" / "gestures.py").write_text(script, encoding="utf-8")

    assert train(directory) == 2

    assert "the last line" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit('no data; apt install them')", "the recipe failed: no data; apt install them\n"),
        ("import nothing_of_this_name", "No module named 'nothing_of_this_name'; check that there is space"),
        ("raise SystemExit(1)", "it said nothing; check that there is space"),
    ],
)
def test_a_recipes_own_remedy_is_the_only_one(
    script: str, said: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "recipes" / "gestures.py").write_text(script, encoding="utf-8")

    assert train(directory) == 2

    assert said in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_the_recipe_and_its_children_and_leaves_nothing(
    number: signal.Signals, directory: Path, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    (directory / "recipes" / "gestures.py").write_text(STUCK % str(pids), encoding="utf-8")
    places = tmp_path / "places"
    command = [sys.executable, "-m", "edgejoule", "models", "train", "gestures", "--catalog-dir", str(directory)]

    with subprocess.Popen([*command, "--out", str(places / "out")], stderr=subprocess.PIPE) as process:
        recipe_pids = wait_for_lines(pids, 2)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 128 + signal.SIGINT
    assert b"stopped by Ctrl-C" in said
    wait_for_end(recipe_pids)
    assert list(places.iterdir()) == []


def test_a_recipe_does_not_outlive_a_command_that_was_killed(directory: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    (directory / "recipes" / "gestures.py").write_text(SLEEPING % str(pids), encoding="utf-8")
    command = [sys.executable, "-m", "edgejoule", "models", "train", "gestures", "--catalog-dir", str(directory)]

    with subprocess.Popen([*command, "--out", str(tmp_path / "out")], stderr=subprocess.DEVNULL) as process:
        (recipe_pid,) = wait_for_lines(pids, 1)
        process.kill()

    wait_for_end([recipe_pid])


def wait_for_lines(pids: Path, count: int) -> list[int]:
    """Return the process numbers in a file, once there are so many."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        lines = pids.read_text(encoding="utf-8").split("\n") if pids.exists() else []
        if len(lines) == count + 1:
            return [int(line) for line in lines[:count]]
        assert time.monotonic() < deadline_s, "the recipe never began"
        time.sleep(0.05)


def wait_for_end(pids: list[int]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while any(map(runs, pids)):
        assert time.monotonic() < deadline_s, "the recipe lives on"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # ended, and nobody has asked how yet
