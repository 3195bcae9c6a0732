"""A new folder is there whole or not at all; a family takes its place in a catalogue, one process at a time."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from edge_agent.wire.errors import ConfigurationError
from edgejoule.zoo.catalog_file import read_catalog, write_catalog
from edgejoule.zoo.entry import Catalog
from edgejoule.zoo.family_files import check_writable, new_folder, replace_family
from tests.unit.edgejoule.test_model_card import make_entry, make_family

MOST_AT_ONCE = 6
REPLACE = """
import sys
from pathlib import Path
from edgejoule.zoo.family_files import replace_family
print("ready", flush=True)
sys.stdin.readline()
replace_family(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def make_catalogue(folder: Path, family_id: str, content: bytes) -> Path:
    """Write a catalogue of one family with one file, and return its folder."""
    entry = make_entry(id=f"{family_id}_int8", family=family_id)
    write_catalog(folder, Catalog(family=[make_family(id=family_id)], model=[entry]))
    (folder / family_id).mkdir()
    (folder / family_id / "int8.tflite").write_bytes(content)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with suppress(KeyError), new_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("half", encoding="utf-8")
        raise KeyError
    assert names(tmp_path) == []

    with new_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("whole", encoding="utf-8")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["file"]
    with pytest.raises(ConfigurationError, match="there is something already"), new_folder(tmp_path / "out"):
        pytest.fail("it is not empty")
    assert names(tmp_path / "out") == ["file"]


def test_an_empty_folder_stays_the_same_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    before = out.stat().st_ino

    with suppress(KeyError), new_folder(out) as folder:
        (folder / "file").touch()
        raise KeyError
    assert names(out) == []
    with new_folder(out) as folder:
        (folder / "file").touch()

    assert (names(out), out.stat().st_ino) == (["file"], before)


@pytest.mark.parametrize("is_there", [False, True])
def test_two_writers_do_not_share_a_folder(tmp_path: Path, *, is_there: bool) -> None:
    out = tmp_path / "out"
    if is_there:
        out.mkdir()

    with new_folder(out) as folder:
        (folder / "file").touch()
        with pytest.raises(ConfigurationError, match="another process is writing it"), new_folder(out):
            pytest.fail("it is taken")

    assert names(out) == ["file"]


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    script = "import os, sys\nfrom pathlib import Path\nfrom edgejoule.zoo.family_files import new_folder\n"
    script += "with new_folder(Path(sys.argv[1])) as folder:\n    (folder / 'half').touch(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "out")], check=False)
    assert len(names(tmp_path)) == 1

    with new_folder(tmp_path / "out") as folder:
        (folder / "file").touch()

    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["file"]


def test_what_cannot_be_put_in_place_is_kept(tmp_path: Path) -> None:
    def fill() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "file").write_text("took hours", encoding="utf-8")
            (tmp_path / "out").write_text("in the way", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="what was made lies in ") as refused:
        fill()

    place = Path(str(refused.value).rpartition("lies in ")[2])
    assert (place / "file").read_text(encoding="utf-8") == "took hours"


@pytest.mark.parametrize("is_known", [False, True])
def test_a_failed_catalogue_leaves_all_as_it_was(tmp_path: Path, *, is_known: bool) -> None:
    made = make_catalogue(tmp_path / "made", "gestures", b"new")
    directory = make_catalogue(tmp_path / "models", "gestures" if is_known else "walks", b"old")
    (directory / f".catalog.toml.{os.getpid()}.part").mkdir()  # in the way of the new catalogue
    before = names(directory)

    with pytest.raises(ConfigurationError, match=r"catalog\.toml: cannot be written: Is a directory; make room"):
        replace_family(made, directory)

    assert names(directory) == before
    assert all(
        (directory / one.family / "int8.tflite").read_bytes() == b"old" for one in read_catalog(directory).model
    )


def test_many_processes_put_their_families_into_one_catalogue(tmp_path: Path) -> None:
    families = [f"family_{number}" for number in range(MOST_AT_ONCE)]
    made = [make_catalogue(tmp_path / one, one, b"new") for one in families]
    directory = tmp_path / "models"
    with ExitStack() as stack:
        command = [sys.executable, "-c", REPLACE]
        started = [
            stack.enter_context(
                subprocess.Popen([*command, str(one), str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            for one in made
        ]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
        assert [process.wait(60.0) for process in started] == [0] * MOST_AT_ONCE

    assert {family.id for family in read_catalog(directory).family} == set(families)
    assert names(directory) == ["catalog.toml", *families]


def test_whoever_comes_second_finds_the_id_taken(tmp_path: Path) -> None:
    made = make_catalogue(tmp_path / "made", "gestures", b"new")

    def refuse() -> None:
        raise ConfigurationError("taken meanwhile")

    with pytest.raises(ConfigurationError, match="taken meanwhile"):
        replace_family(made, tmp_path / "models", refuse)
    assert names(tmp_path / "models") == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    check_writable(tmp_path)
    assert names(tmp_path) == []
    with pytest.raises(ConfigurationError, match=r"^/proc: cannot be written: .*; make room, or name a folder"):
        check_writable(Path("/proc"))
    made = make_catalogue(tmp_path / "made", "gestures", b"new")
    shutil.rmtree(made / "gestures")
    (made / "gestures").mkdir()
    (made / "gestures" / "int8.tflite").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="gestures: cannot be written: No such file or directory; make room"):
        replace_family(made, tmp_path / "models")
