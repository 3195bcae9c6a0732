"""An installer that runs apart is in another folder: what it is given has to hold there too."""

from pathlib import Path

import pytest

from edgejoule.deploy.onboard import cli


def test_names_of_files_hold_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.zip", "agent.toml", "pi4.password"):
        (tmp_path / name).touch()

    asked = ["install", "--bundle", "a.zip", "--config=agent.toml", "--secret", "mqtt-password=pi4.password"]
    further = [
        "--secret",
        "other=/etc/passwd",
        "--meter-serial",
        "usb-X_1-if00",
        "--gate-seconds",
        "5",
        "--no-service",
    ]

    assert cli._absolute([*asked, *further]) == [
        *("install", "--bundle", f"{tmp_path}/a.zip", f"--config={tmp_path}/agent.toml"),
        *("--secret", f"mqtt-password={tmp_path}/pi4.password", *further),
    ]
