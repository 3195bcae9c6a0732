"""The doctor over a collector's and an agent's configuration: every file, model and store that they name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgejoule.cli import main
from edgejoule.doctor.influxdb import InfluxFacts, check_influx
from tests.fakes.agent import agent_toml
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[2]
CLOSED = 'state_dir = "state"\n[broker]\nurl = "mqtt://127.0.0.1:1"\n'


def findings(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    """Return the doctor's findings by topic."""
    main(["doctor", "--json", *words])
    return {finding["topic"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}


def over_collector(
    capsys: pytest.CaptureFixture[str], directory: Path, text: str
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return what the doctor says of the inventory and of InfluxDB."""
    (directory / "collector.toml").write_text(CLOSED + text)
    found = findings(capsys, "--collector-config", str(directory / "collector.toml"))
    return found["inventory"], found.get("influxdb")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    with running_influxd(tmp_path_factory.mktemp("influxd"), auth=True) as running:
        running.query("CREATE USER admin WITH PASSWORD 'boss' WITH ALL PRIVILEGES")
        running.query("CREATE DATABASE edgejoule", user="admin", password="boss")
        yield running


def test_the_inventory_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inventory, influxdb = over_collector(capsys, tmp_path, "")
    assert (inventory["level"], influxdb) == ("warning", None)

    sample = ROOT / "collector" / "inventory.sample.toml"
    inventory, _ = over_collector(capsys, tmp_path, f'[inventory]\nfile = "{sample}"\n')
    assert inventory["level"] == "ok"

    (tmp_path / "inventory.toml").write_text(sample.read_text().replace('zone = "DK"', 'zone = "XX"'))
    inventory, _ = over_collector(capsys, tmp_path, '[inventory]\nfile = "inventory.toml"\n')
    assert inventory["level"] == "failure"
    assert "device 'zero-window': zone: no intensity for zone 'XX'" in inventory["text"]


@pytest.mark.influxdb
def test_a_store_with_password_and_database(
    server: InfluxServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text("boss\n")
    (tmp_path / "wrong").write_text("guess\n")
    table = f'[influxdb]\nurl = "{server.url}"\nusername = "admin"\n'

    _, good = over_collector(capsys, tmp_path, table + 'password_file = "password"\n')
    _, locked = over_collector(capsys, tmp_path, table + 'password_file = "wrong"\n')
    _, absent = over_collector(capsys, tmp_path, table + 'password_file = "password"\ndatabase = "lost"\n')
    _, unread = over_collector(capsys, tmp_path, table + 'password_file = "nowhere"\n')

    assert good is not None
    assert good["level"] == "ok"
    assert "(InfluxDB 1." in good["text"]
    for finding, words in ((locked, "HTTP 401"), (absent, 'database not found: "lost"'), (unread, "No such file")):
        assert finding is not None
        assert finding["level"] == "failure"
        assert words in finding["text"].replace('\\"', '"')
        assert finding["remedy"]


def test_a_store_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for url in (f"http://127.0.0.1:{free_port()}", "http://127.0.0.1:99999", "nonsense"):
        _, found = over_collector(capsys, tmp_path, f'[influxdb]\nurl = "{url}"\n')
        assert found is not None
        assert found["level"] == "failure"
        assert "not reachable" in found["text"]


def test_a_server_that_refuses_an_empty_write_is_only_a_warning() -> None:
    facts = InfluxFacts(where="http://host bucket 'b'", status=400, message='{"message": "writing requires points"}')
    assert check_influx(facts).level == "warning"


def test_driver_and_model_of_an_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = findings(capsys, "--agent-config", str(agent_toml(tmp_path)))["agent parts"]
    lost = findings(capsys, "--agent-config", str(agent_toml(tmp_path, model='id = "lost"')))["agent parts"]
    meter = 'driver = "tc66"\nport = "/dev/null"\nboundary = "usb_dc"'
    near = findings(capsys, "--agent-config", str(agent_toml(tmp_path, meter=meter)))["agent parts"]

    assert good["level"] == "ok"
    assert (lost["level"], near["level"]) == ("failure", "failure")
    assert "known: " in lost["text"]
    assert "digits_mlp_int8" in lost["text"]
    assert "did you mean tc66c?" in near["text"]
