"""``edgejoule models import``: real files, engines in processes of their own, a catalogue that the agent takes."""

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pymicro_wakeword
import pytest

from edge_agent.config import ModelSection
from edge_agent.model_catalog import find_model, models_dir, open_check_set, open_model
from edgejoule.cli import main
from edgejoule.zoo.card import card
from edgejoule.zoo.catalog_file import find_entry, find_family, read_catalog
from edgejoule.zoo.child import run_module
from tests.fakes.graph_files import GraphFile

DIGITS = models_dir() / "digits_mlp" / "int8.tflite"
DIGITS_CHECK_SET = models_dir() / "digits_mlp" / "check_set.npz"
WAKE_WORD = Path(pymicro_wakeword.__file__).parent / "models" / "alexa.tflite"


def _import(*arguments: str | Path) -> int:
    return main(["models", "import", *map(str, arguments)])


def _refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Return the one line that says why the import did not happen."""
    capsys.readouterr()
    assert _import(*arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    return error


def test_an_own_model_becomes_an_entry_that_the_agent_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stated = ["--task", "read digits", "--licence", "Apache-2.0", "--data", "UCI digits"]

    assert _import(DIGITS, "--id", "mine", "--into", tmp_path, "--check-set", DIGITS_CHECK_SET, *stated) == 0

    out = capsys.readouterr().out
    entry, shipped = find_entry(tmp_path, "mine"), find_entry(models_dir(), "digits_mlp_int8")
    same = ("sha256", "size_bytes", "macs", "parameters", "input_shape", "output_shape", "precision")
    assert {key: getattr(entry, key) for key in same} == {key: getattr(shipped, key) for key in same}
    assert entry.check_set_score == pytest.approx(shipped.check_set_score, abs=0.005)
    assert entry.runtimes[0].startswith("litert ")
    family = find_family(tmp_path, "mine")
    assert (family.task, family.licence, family.data) == ("read digits", "Apache-2.0", "UCI digits")
    assert (tmp_path / "mine" / "card.md").read_text() == card(family, [entry])
    assert main(["models", "verify", "--catalog-dir", str(tmp_path)]) == 0

    section = msgspec.convert(tomllib.loads(out[out.index("[model]") :])["model"], ModelSection)
    model = find_model(section.id, Path(section.catalog), section.catalog_sha256)
    assert open_model(model).data == DIGITS.read_bytes()
    assert open_check_set(model) is not None
    table = out[out.index("operator") : out.index(str(tmp_path / "mine"))]
    assert max(map(len, table.splitlines())) <= 80


def test_what_is_not_int8_is_said_and_everything_is_there_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _import(WAKE_WORD, "--into", tmp_path, "--json") == 0

    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    facts = answer["facts"]
    assert facts["precision"] == "mixed"
    assert [(one["dtype"], one["role"]) for one in facts["not_int8"]] == [("uint8", "output")]
    assert len(facts["by_operator"]) == 45
    assert facts["stateful"]
    assert answer["engines"][0]["runtime"]["runtime"] == "litert"
    assert answer["imported"]["model"]["file"] == "alexa/mixed.tflite"
    limits = find_family(tmp_path, "alexa").limits
    assert limits[0].startswith("not int8 throughout: ")
    assert "(output, uint8)" in limits[0]


def test_a_model_that_no_engine_runs_is_still_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = GraphFile()
    x, middle, y = (file.tensor((1, 4)) for _ in range(3))
    weights = file.tensor((4, 4), data=np.ones((4, 4), "<f4").tobytes())
    file.operator("FULLY_CONNECTED", [x, weights, -1], [middle])
    file.operator("CUSTOM", [middle], [y], custom="Spectrum")
    own = tmp_path / "own spectrum.tflite"
    own.write_bytes(file.to_bytes([x], [y]))

    assert _import(own, "--into", tmp_path / "catalogue") == 0

    out = capsys.readouterr().out
    entry = find_entry(tmp_path / "catalogue", "own_spectrum")
    assert (entry.macs, entry.runtimes, entry.parameters) == (None, [], 16)
    assert "unknown: nobody counts those of CUSTOM:Spectrum; the others have 16" in " ".join(out.split())
    assert main(["models", "list", "--catalog-dir", str(tmp_path / "catalogue")]) == 0


def test_nothing_is_overwritten_that_is_not_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("keep me")
    assert "does not know; choose another --id" in _refusal(capsys, DIGITS, "--id", "taken", "--into", tmp_path)
    assert (taken / "notes.txt").read_text() == "keep me"

    assert _import(WAKE_WORD, "--id", "mine", "--into", tmp_path) == 0
    before = (tmp_path / "catalog.toml").read_bytes()
    assert "'mine' already; choose another --id, or --replace it" in _refusal(
        capsys, DIGITS, "--id", "mine", "--into", tmp_path
    )
    assert (tmp_path / "catalog.toml").read_bytes() == before

    assert _import(DIGITS, "--id", "mine", "--into", tmp_path, "--replace") == 0
    assert [one.name for one in sorted((tmp_path / "mine").iterdir())] == ["card.md", "int8.tflite"]
    assert [one.precision for one in read_catalog(tmp_path).model] == ["int8"]


def test_the_catalogue_that_comes_along_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    error = _refusal(capsys, DIGITS, "--id", "mine", "--into", models_dir())

    assert "comes with edgejoule; name a folder of your own by --into" in error


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "does not begin as a .tflite file does"),
        (DIGITS.read_bytes()[:-1000], "cut short or damaged"),
        (DIGITS.read_bytes()[:2000], "cut short or damaged"),
    ],
)
def test_a_damaged_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, reason: str
) -> None:
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(data)

    error = _refusal(capsys, damaged, "--into", tmp_path / "own")

    assert reason in error
    assert not (tmp_path / "own").exists()


def test_a_missing_file_and_an_impossible_id_are_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "cannot read the model" in _refusal(capsys, tmp_path / "none.tflite", "--into", tmp_path)
    assert "an id is letters, digits" in _refusal(capsys, DIGITS, "--id", "../x", "--into", tmp_path)
    assert "give --id" in _refusal(capsys, tmp_path / "---.tflite", "--into", tmp_path)
    assert "--task, --licence, --data: '\\udcff' holds control" in _refusal(
        capsys, DIGITS, "--task", "\udcff", "--into", tmp_path
    )


def test_a_file_may_have_the_longest_name_and_messages_call_it_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = GraphFile()
    x, y = file.tensor((1, 4)), file.tensor((1, 4))
    file.operator("CUSTOM", [x], [y], custom="Spectrum")
    own = tmp_path / ("a" * 255)
    own.write_bytes(file.to_bytes([x], [y]))

    assert _import(own, "--into", tmp_path / "own", "--json") == 0

    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["engines"][0]["problem"].startswith(f"{own}: litert ")


def test_a_check_set_that_does_not_fit_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = tmp_path / "narrow.npz"
    np.savez(narrow, x=np.zeros((3, 5), np.int8), y=np.zeros(3, np.int64))

    error = _refusal(capsys, DIGITS, "--check-set", narrow, "--into", tmp_path / "own")

    assert f"{narrow}: x is int8 (3, 5)" in error
    assert not (tmp_path / "own").exists()


def test_a_dry_run_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert _import(DIGITS, "--dry-run", "--tensors") == 0

    assert "pixels" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_crashes_is_said_in_one_line() -> None:
    assert run_module("tests.fakes.crashing_module").failure == "its process crashed (SIGSEGV)"
    assert "No module named" in run_module("tests.fakes.no_such_module").failure
