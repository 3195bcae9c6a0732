"""``edgejoule order`` without a broker: keys, settings, files, what would be sent, and every fault in one line."""

import hashlib
import json
import re
import stat
from pathlib import Path

import msgspec
import pytest

import edgejoule.orders
from collector.blobs import BlobStore
from edge_agent.remote.operators import load_operators
from edge_agent.wire.codec import decode
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import ChangeModel, Command, Deferral, SignedCommand
from edgejoule.cli import main
from edgejoule.orders.addressees import of_sites
from edgejoule.orders.config import OrderConfig, parse_config
from edgejoule.orders.keys import load_key, make_key
from edgejoule.orders.sending import make_sendings

STANDING = (("b", "attic"), ("a", "attic"), ("c", "barn"))
SAMPLE = Path(edgejoule.orders.__path__[0]) / "order.sample.toml"


def output(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["order", *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def fault(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["order", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "operator.key")
    return tmp_path / "operator.key"


def test_the_sample_is_the_defaults_and_has_every_key(tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    assert parse_config(text, "sample", tmp_path) == OrderConfig()
    for field in (*OrderConfig.__struct_fields__[:-1], *OrderConfig().broker.__struct_fields__):
        assert re.search(rf"^{field} = ", text, re.MULTILINE), field


def test_a_key_is_kept_from_others_and_devices_can_read_its_public_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "k"
    lines = output(capsys, "keygen", str(path), "--name", "ada")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert output(capsys, "public", str(path), "--name", "ada") == lines
    (tmp_path / "operators.toml").write_text(lines, encoding="utf-8")
    (operator,) = load_operators(tmp_path / "operators.toml").values()
    told = json.loads(output(capsys, "public", str(path), "--json"))
    assert (operator.name, operator.key_id) == ("ada", told["key_id"])
    before = path.read_bytes()
    assert "never written over" in fault(capsys, "keygen", str(path))
    assert path.read_bytes() == before


def test_a_passphrase_opens_its_key_and_nothing_else_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pass").write_text("correct horse\n", encoding="utf-8")
    (tmp_path / "wrong").write_text("incorrect\n", encoding="utf-8")
    path = str(tmp_path / "k")
    lines = output(capsys, "keygen", path, "--passphrase-file", str(tmp_path / "pass"))
    assert output(capsys, "public", path, "--passphrase-file", str(tmp_path / "pass")) == lines
    assert "right passphrase?" in fault(capsys, "public", path, "--passphrase-file", str(tmp_path / "wrong"))
    assert "has a passphrase" in fault(capsys, "public", path)
    (tmp_path / "empty").touch()
    assert "is empty" in fault(capsys, "keygen", f"{path}2", "--passphrase-file", str(tmp_path / "empty"))
    assert not Path(f"{path}2").exists()


def test_a_key_that_others_may_read_or_that_is_none_is_refused(key: Path, tmp_path: Path) -> None:
    key.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_key(key)
    key.chmod(0o600)
    key.write_text("nothing", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        load_key(key)
    with pytest.raises(ConfigurationError, match="order keygen made"):
        load_key(tmp_path / "none")


def test_what_is_signed_is_what_a_device_reads(key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "public", str(key))
    (tmp_path / "operators.toml").write_text(lines, encoding="utf-8")
    operators = load_operators(tmp_path / "operators.toml")
    defer = Deferral(deadline_unix_ns=2**62, duration_s=60.0, energy_j=5.0)
    action = ChangeModel(model_id="m", sha256="0" * 64)
    sendings = make_sendings(load_key(key), "lab", ["a", "b"], action, 600.0, defer)
    assert len({sending.command.command_id for sending in sendings}) == 1
    for sending in sendings:
        signed = decode(sending.payload, SignedCommand)
        assert operators[signed.key_id].has_signed(signed.command, signed.signature)
        assert decode(signed.command, Command) == sending.command
        assert sending.command.expires_unix_ns - sending.command.issued_unix_ns == 600 * 10**9


def test_dry_run_says_what_would_go_to_whom(key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "my-net.tflite"
    model.write_bytes(b"model")
    words = ["send", "model", "--file", str(model), "--device", "a", "--device", "b", "--device", "a"]
    words += [
        "--key",
        str(key),
        "--fleet",
        "lab",
        "--valid",
        "2m",
        "--defer-until",
        "+8h",
        "--takes",
        "90s",
        "--dry-run",
    ]
    told = json.loads(output(capsys, *words, "--json"))
    commands = [msgspec.convert(one, Command) for one in told["commands"]]
    assert [(one.fleet, one.device_id) for one in commands] == [("lab", "a"), ("lab", "b")]
    digest = hashlib.sha256(b"model").hexdigest()
    assert commands[0].action == ChangeModel(model_id="my-net", sha256=digest, size_bytes=5)
    assert commands[0].defer is not None
    assert commands[0].defer.duration_s == 90.0
    assert "lab/b" in output(capsys, *words)


def test_files_are_published_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.tflite").write_bytes(b"model")
    words = ["publish", str(tmp_path / "m.tflite"), "--blobs", str(tmp_path / "blobs")]
    digest = hashlib.sha256(b"model").hexdigest()
    assert output(capsys, *words).startswith(digest)
    (told,) = json.loads(output(capsys, *words, "--json"))["files"]
    assert (told["sha256"], told["size_bytes"], told["new"]) == (digest, 5, False)
    assert BlobStore(tmp_path / "blobs").read(digest, 0, 9) == (5, b"model")


def test_a_site_is_what_the_inventory_says(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.toml"
    inventory.write_text(
        '[defaults]\nzone = "DE"\n'
        + "".join(f'[[device]]\nid = "{name}"\nsite = "{site}"\n' for name, site in STANDING),
        encoding="utf-8",
    )
    assert of_sites(str(inventory), ["attic"]) == ["a", "b"]
    assert of_sites(str(inventory), ["attic", "barn"]) == ["a", "b", "c"]
    with pytest.raises(ConfigurationError, match="its sites: attic, barn"):
        of_sites(str(inventory), ["cellar"])
    with pytest.raises(ConfigurationError, match="--inventory FILE"):
        of_sites("", ["attic"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["bench", "--windows", "2"], "windows"),
        (["window", "9999"], "window_s"),
        (["duty-cycle", "0"], "duty_ratio"),
        (["batch", "../x"], "folder"),
        (["model"], "--file FILE, or --model-id"),
        (["model", "--model-id", "nothing"], "the catalogue has"),
        (["model", "--file", "x.bin"], r"a \.tflite or an \.onnx"),
        (["bench", "--takes", "5m"], "belong to --defer-until"),
        (["bench", "--defer-until", "+2h"], "needs --takes"),
        (["bench", "--defer-until", "2h", "--takes", "5m"], "that time is over"),
        (["bench", "--defer-until", "+15d", "--takes", "5m"], "14 days from now at most"),
        (["bench", "--valid", "8d"], "7 days at most"),
        (["model", "--file", "nothing.tflite", "--published"], "cannot read the file"),
        (["reset", "--fleet", "+"], "no fleet is called so"),
        (["reset", "--broker", "http://x"], "names no MQTT broker"),
        (["reset", "--device", "grid"], "no device may be called so"),
        (["reset", "--device", "a/b"], "no device is called so"),
    ],
)
def test_faults_are_one_line(key: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str) -> None:
    whom = [] if "--device" in words else ["--device", "a"]
    assert re.search(expected, fault(capsys, "send", *words, *whom, "--key", str(key), "--dry-run"))


def test_files_that_nobody_serves_are_no_order(key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.tflite").write_bytes(b"model")
    words = ["send", "model", "--file", str(tmp_path / "m.tflite"), "--device", "a", "--key", str(key)]
    assert "--blobs DIR" in fault(capsys, *words)
    assert "no key is named" in fault(capsys, "send", "reset", "--device", "a")
    (tmp_path / "m.tflite").write_bytes(b"")  # and a size of 0 would name a model of the device's catalogue
    assert "is empty" in fault(capsys, *words, "--published")
