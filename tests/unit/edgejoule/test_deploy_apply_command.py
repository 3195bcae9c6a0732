"""``edgejoule deploy apply`` and ``plan`` where no board is: what is refused, and keys that cannot be used."""

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edgejoule.cli import main
from tests.fakes.bundles import small_bundle, small_wheel

HEAD = """
[defaults]
model = "digits_mlp_int8"
broker = "mqtt://broker"
agent = { meter = { driver = "tc66c", port = "/dev/ttyUSB0", boundary = "usb_dc" } }
"""


def fleet_file(folder: Path, *devices: str) -> Path:
    path = folder / "fleet.toml"
    path.write_text(HEAD + "".join(f"[[device]]\n{device}\n" for device in devices))
    return path


def test_a_bundle_that_nobody_signed_is_refused_before_any_board_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "release.pub"
    key.write_bytes(
        Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    fleet = fleet_file(tmp_path, 'id = "a"')
    words = ["--bundle", str(small_bundle(tmp_path)), "--require-signature", str(key)]
    assert main(["deploy", "apply", str(fleet), *words]) == 2
    said = capsys.readouterr()
    assert "is not signed" in said.err
    assert not said.out


def test_a_wheel_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(fleet_file(tmp_path, 'id = "a"')), "--bundle", str(small_bundle(tmp_path))]
    assert main(["deploy", "plan", *words]) == 2
    assert "wheels/numpy-1.0-py3-none-any.whl is damaged" in capsys.readouterr().err


def test_an_ssh_key_that_cannot_be_used_is_said_with_its_remedy_and_nobody_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "garbage").write_text("no key\n")
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(locked)], check=True)
    keys = ("missing", "garbage", "locked")
    ports = enumerate(keys, 1)
    rows = (f'id = "{key}"\nhost = "127.0.0.1"\nport = {port}\nssh_key = "{key}"' for port, key in ports)
    numpy, pip = (small_wheel(tmp_path, name, "1.0") for name in ("numpy", "pip"))
    words = ["--bundle", str(small_bundle(tmp_path, wheels={"numpy": numpy}, pip=pip)), "--json"]
    assert main(["deploy", "plan", str(fleet_file(tmp_path, *rows)), *words]) == 1
    problems = {board["device"]: board["problem"] for board in json.loads(capsys.readouterr().out)["boards"]}
    assert set(problems) == set(keys)
    for key, problem in problems.items():
        assert problem["kind"] == "ssh-key"
        assert str(tmp_path / key) in problem["text"]
        assert "ssh-agent" in problem["remedy"]
