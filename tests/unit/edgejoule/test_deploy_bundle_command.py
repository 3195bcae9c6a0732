"""``edgejoule deploy targets`` and ``bundle`` from the command line: what they print, refuse and return."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from edge_agent.model_catalog import find_model, models_dir, open_check_set, open_model
from edgejoule.cli import main
from edgejoule.commands.deploy.targets_verb import markdown
from edgejoule.deploy.bundle.models import catalogue_files
from edgejoule.deploy.locks import lock_path, read_lock
from edgejoule.deploy.onboard.bundle_format import Bundle
from edgejoule.deploy.targets import read_targets
from tests.fakes.bundles import rewritten, small_bundle, small_wheel

PAGE = Path(__file__).parents[3] / "docs" / "targets.md"


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_targets_as_json_hold_the_engine_of_the_lock(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "targets", "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    engines = {one["id"]: (one["engine"], one["engine_version"]) for one in said["targets"]}
    assert engines["jetpack5"] == ("ai-edge-litert", "2.1.0")
    assert engines["bookworm-armhf"] == ("tflite-runtime", "2.14.0")
    assert {one["id"] for one in said["unsupported"]} >= {"trixie-armhf", "armv6", "bullseye-arm64"}


def test_targets_for_people_say_what_is_not_supported_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "targets"]) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert "not supported: Raspberry Pi 1, Zero, Zero W: there is no wheel of any inference engine for ARMv6" in said


def test_the_page_holds_the_tables_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "targets", "--markdown"]) == 0

    printed = capsys.readouterr().out
    assert printed == "\n".join(markdown(read_targets())) + "\n"
    assert printed in PAGE.read_text(encoding="utf-8"), (
        "docs/targets.md: put `edgejoule deploy targets --markdown` there"
    )


def test_a_good_bundle_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_bundle(tmp_path)

    assert main(["deploy", "bundle", "--check", str(path)]) == 0
    assert f"{path}: good: 9.8.7-" in capsys.readouterr().out
    assert main(["deploy", "bundle", "--check", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["good"], said["signed"], said["target"], said["files"]) == (True, False, "bookworm-arm64", 7)


def test_a_bundle_that_was_tampered_with_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rewritten(small_bundle(tmp_path), {"models/catalog.toml": b"# MODELS\n"})

    assert main(["deploy", "bundle", "--check", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"edgejoule: {path}: models/catalog.toml is not the file that the manifest names (wrong SHA-256)\n"
    )
    assert main(["deploy", "bundle", "--check", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["good"] is False


def test_a_bundle_without_the_signature_that_is_asked_for_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key.pub"
    key.write_text(
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
        "-----END PUBLIC KEY-----\n"
    )
    words = ["deploy", "bundle", "--check", str(small_bundle(tmp_path)), "--require-signature"]

    assert main([*words, str(key)]) == 1
    assert "is not signed, and a signature by" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "missing.pub")]) == 2
    assert "name a public key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "pi"], "target 'pi' is unknown; known: bookworm-arm64"),
        (["--target", "trixie-armhf"], "is not supported: there is no inference engine"),
        (["--target", "trixie-arm64", "--wheel", "missing.whl"], "missing.whl: is no wheel"),
        (["--target", "trixie-arm64", "--require-signature", "k"], "--require-signature belongs to --check"),
        (["--target", "trixie-arm64", "--models", "nowhere"], "nowhere/catalog.toml"),
        (["--target", "trixie-arm64", "--model", "nothing"], "model 'nothing' is not in"),
        (["--target", "trixie-arm64", "--config", "missing.toml"], "missing.toml"),
    ],
)
@pytest.mark.usefixtures("no_cache")
def test_what_cannot_be_is_one_line_and_exit_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "bundle", "--offline", *words]) == 2

    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--check", "missing.zip"], "missing.zip: there is no such file; name a bundle"),
        (["--check", "missing.zip", "--sign", "k"], "--sign belongs to --target; to check who signed"),
        (["--target", "trixie-arm64", "--sign", "missing.key"], "missing.key: cannot read it"),
        (["--target", "trixie-arm64", "--wheelhouse", "nowhere"], "nowhere: there is no such folder"),
    ],
)
@pytest.mark.usefixtures("no_cache")
def test_what_was_named_and_is_not_there_is_not_passed_over(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--wheelhouse" in words:
        words = [*words, "--wheel", str(small_wheel(tmp_path))]

    assert main(["deploy", "bundle", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_stated_time_that_is_none_is_said_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")

    assert main(["deploy", "bundle", "--target", "trixie-arm64", "--offline"]) == 2
    assert "SOURCE_DATE_EPOCH is 'yesterday', not seconds since 1970" in capsys.readouterr().err


@pytest.mark.usefixtures("no_cache")
def test_without_the_network_the_first_missing_wheel_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = small_wheel(tmp_path)
    first = read_lock(lock_path("trixie-arm64"))[0].file

    assert main(["deploy", "bundle", "--target", "trixie-arm64", "--offline", "--wheel", str(wheel)]) == 2

    assert f"edgejoule: {first}: not in " in capsys.readouterr().err


def test_a_stated_time_is_the_only_one_in_a_bundle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgejoule.commands.deploy.bundle_verb import _stated_time  # noqa: PLC0415  nothing else shows it cheaply

    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert _stated_time() is None
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert _stated_time() == "1970-01-01T00:00:00+00:00"


def test_some_models_of_a_catalogue_are_a_catalogue_that_loads(tmp_path: Path) -> None:
    files = catalogue_files(models_dir(), ["digits_mlp_int8"])
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)

    model = find_model("digits_mlp_int8", tmp_path, hashlib.sha256(files["catalog.toml"]).hexdigest())

    assert open_model(model).data == open_model(find_model("digits_mlp_int8")).data
    assert open_check_set(model) is not None
    assert set(files) == {"catalog.toml", "digits_mlp/card.md", "digits_mlp/check_set.npz", "digits_mlp/int8.tflite",
                          "recipes/digits_mlp.py"}  # fmt: skip


def test_a_model_that_is_not_what_its_catalogue_says_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(models_dir(), tmp_path / "models")
    model = find_model("digits_mlp_int8", tmp_path / "models")
    content = bytearray(model.path.read_bytes())
    content[100] ^= 1
    model.path.write_bytes(content)
    words = [
        "--target",
        "trixie-arm64",
        "--offline",
        "--models",
        str(tmp_path / "models"),
        "--model",
        "digits_mlp_int8",
    ]

    assert main(["deploy", "bundle", *words]) == 2

    assert str(model.path) in capsys.readouterr().err


def test_a_bundle_of_files_that_are_not_installed_yet_says_what_pip_is_to_install(tmp_path: Path) -> None:
    with Bundle(small_bundle(tmp_path)) as bundle:
        lines = bundle.read("requirements.txt").decode().splitlines()

    assert [line.split()[0] for line in lines] == ["edgejoule==9.8.7", "numpy==1.0"]
    assert all("--hash=sha256:" in line for line in lines)
