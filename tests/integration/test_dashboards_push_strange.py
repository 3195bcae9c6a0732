"""``edgejoule dashboards push`` where something else answers, or somebody else has been there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgejoule.cli import main
from tests.fakes.grafana import TOKEN, FakeGrafana, grafana, said
from tests.fakes.json_server import Asked, Reply, as_json, json_server

HTML = {"Content-Type": "text/html"}
PAGE = b"<!DOCTYPE html><html><head><title>502\n Bad Gateway</title></head><body>" + b"<p>x</p>" * 9999
CONFIG = """
state_dir = "state"
[influxdb]
url = "http://127.0.0.1:8086"
database = "edgejoule"
[influxdb.hourly]
database = "edgejoule_hourly"
"""


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "collector.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def server(token_file: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[FakeGrafana]:
    """A Grafana that has had one push."""
    with grafana() as fake:
        assert push(address(fake), token_file, "--config", config) == 0
        capsys.readouterr()
        yield fake


def address(fake: FakeGrafana) -> str:
    assert fake.server is not None
    return fake.server.url


def push(url: str, token_file: Path, *more: str | Path) -> int:
    return main(["dashboards", "push", "--url", url, "--token-file", str(token_file), *map(str, more)])


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (Reply(404, PAGE, HTML), "has no Grafana at that path (404): a page with the title '502 Bad Gateway'"),
        (as_json({"error": "no such route"}, 404), "has no Grafana at that path (404)"),
        (Reply(502, PAGE, HTML), "the server failed (502): a page with the title '502 Bad Gateway'; look into"),
        (Reply(503, b"<html></html>", HTML), "the server failed (503): a page without a title; look into"),
        (said(500, "\x1b[31mred\x07" + "x" * 500), "xxx...; look into"),
        (as_json({}), "answers without a folder; is it a Grafana?"),
    ],
)
@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_what_is_no_grafana_gets_nothing(
    reply: Reply, line: str, words: list[str], token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with json_server(lambda _: reply) as other:
        assert push(other.url, token_file, "--no-alerts", *words) == 1
        assert {asked.method for asked in other.asked} == {"GET"}
    told = capsys.readouterr()
    (failed,) = told.err.splitlines()
    assert line in failed
    assert len(failed) < 400
    assert "\x1b" not in failed
    assert "created" not in told.out


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(
    status: int, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A write would come there as a reading, or without its token."""
    fake = FakeGrafana()
    with json_server(fake.answer) as real:

        def sends_on(asked: Asked) -> Reply:
            return Reply(status, headers={"Location": real.url + asked.path})

        with json_server(sends_on) as proxy:
            assert push(proxy.url, token_file, "--no-alerts") == 1
        assert real.asked == []
    failed = capsys.readouterr().err
    assert f"sends on to {real.url}/api/folders/edgejoule; give the address of the Grafana itself" in failed


def test_an_organisation_of_its_own(token_file: Path, config: Path) -> None:
    with grafana(org_id=7) as fake:
        assert push(address(fake), token_file, "--config", config) == 0
        writes = len(fake.writes)
        assert push(address(fake), token_file, "--config", config) == 0
        assert len(fake.writes) == writes


def test_rules_of_a_file_are_left_alone_in_whatever_folder_they_are(
    server: FakeGrafana, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files make a folder of their own, of the same title: the group that a push looks for is not there."""
    server.provisioned |= {rule["uid"] for there in server.groups.values() for rule in there["rules"]}
    server.groups = {("made-by-file", group): there for (_, group), there in server.groups.items()}
    writes = len(server.writes)
    assert push(address(server), token_file) == 1
    told = capsys.readouterr()
    assert "alert group edgejoule devices: skipped" in told.out
    assert "its rules were provisioned from a file there" in told.out
    assert told.err == ""
    assert len(server.writes) == writes


def test_rules_go_with_their_folder(server: FakeGrafana, token_file: Path) -> None:
    assert push(address(server), token_file, "--folder-uid", "energy", "--folder", "Énergie / 电") == 0
    assert server.folders["energy"]["title"] == "Énergie / 电"
    assert {folder for folder, _ in server.groups} == {"energy"}
    assert set(server.places.values()) == {"energy"}


def test_a_folder_that_is_there_keeps_its_title_unless_another_is_given(server: FakeGrafana, token_file: Path) -> None:
    server.folders["edgejoule"]["title"] = "Ours"
    assert push(address(server), token_file) == 0
    assert server.folders["edgejoule"]["title"] == "Ours"
    assert push(address(server), token_file, "--folder", "Theirs") == 0
    assert server.folders["edgejoule"]["title"] == "Theirs"


@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_rules_wait_for_their_data_source(
    words: list[str], token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with grafana() as fake:
        assert push(address(fake), token_file, "--json", *words) == 1
        things = json.loads(capsys.readouterr().out)["things"]
        left_out = [one for one in things if one["did"] == "skipped"]
        assert {one["kind"] for one in left_out} == {"alert group"}
        assert all("data source edgejoule-influxdb is not there; give --config" in one["reason"] for one in left_out)
        assert fake.groups == {}


def test_what_somebody_set_on_a_data_source_stays(server: FakeGrafana, token_file: Path, config: Path) -> None:
    source = server.sources["edgejoule-influxdb"]
    source |= {"isDefault": True, "jsonData": source["jsonData"] | {"tlsSkipVerify": True, "dbName": "old"}}
    assert push(address(server), token_file, "--config", config) == 0
    kept = server.sources["edgejoule-influxdb"]
    assert (kept["isDefault"], kept["jsonData"]["tlsSkipVerify"]) == (True, True)
    assert kept["jsonData"]["dbName"] == "edgejoule"
    assert server.sources["edgejoule-influxdb-hourly"]["jsonData"]["timeInterval"] == "1h"


def test_a_data_source_that_somebody_changes_meanwhile(
    server: FakeGrafana, token_file: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.sources["edgejoule-influxdb"]["url"] = "http://older:8086"

    def change(state: FakeGrafana) -> None:
        state.sources["edgejoule-influxdb"] |= {"version": 9, "url": "http://theirs:8086"}

    server.before_saving = change
    assert push(address(server), token_file, "--config", config) == 1
    assert "conflict (409): Datasource has already been updated by someone else" in capsys.readouterr().err
    assert server.sources["edgejoule-influxdb"]["url"] == "http://theirs:8086"


@pytest.mark.parametrize("url", ["influxdb:8086", "http://u:geheim@influxdb:8086"])
def test_an_influxdb_that_is_no_address(
    url: str, server: FakeGrafana, token_file: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(address(server), token_file, "--config", config, "--influxdb-url", url) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--influxdb-url is no address" in line
    assert "geheim" not in line
