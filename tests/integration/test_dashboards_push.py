"""``edgejoule dashboards push`` over real HTTP, against a server that speaks Grafana's documented API."""

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgejoule.cli import main
from tests.fakes.certificates import LOOPBACK, Authority
from tests.fakes.grafana import PASSWORD, TOKEN, USER, FakeGrafana, grafana, said
from tests.fakes.json_server import Reply, json_server

BOARDS = {"edgejoule-fleet", "edgejoule-device", "edgejoule-carbon", "edgejoule-models", "edgejoule-trust"}
COLLECTOR = """
state_dir = "state"
[influxdb]
api = "v2"
url = "http://127.0.0.1:8086"
org = "lab"
bucket = "edgejoule"
token_file = "influx-token"
[influxdb.hourly]
bucket = "edgejoule_hourly"
"""


@pytest.fixture
def server() -> Iterator[FakeGrafana]:
    with grafana() as fake:
        yield fake


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "influx-token").write_text("an influx token\n")
    path = tmp_path / "collector.toml"
    path.write_text(COLLECTOR)
    return path


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def address(server: FakeGrafana) -> str:
    assert server.server is not None
    return server.server.url + server.prefix


def push(server: FakeGrafana, token_file: Path, *more: str | Path) -> int:
    words = ["dashboards", "push", "--url", address(server), "--token-file", str(token_file), *map(str, more)]
    return main(words)


def test_everything_is_pushed_once_and_only_once(
    server: FakeGrafana, token_file: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(server, token_file, "--config", config) == 0
    first = capsys.readouterr().out
    assert set(server.boards) == BOARDS
    assert set(server.places.values()) == {"edgejoule"}
    assert server.folders["edgejoule"]["title"] == "edgejoule"
    assert server.secrets["edgejoule-influxdb"] == {"httpHeaderValue1": "Token an influx token"}
    assert server.sources["edgejoule-influxdb"]["jsonData"]["dbName"] == "edgejoule"
    assert server.sources["edgejoule-influxdb-hourly"]["jsonData"]["dbName"] == "edgejoule_hourly"
    assert server.groups
    assert "created" in first
    assert "failed" not in first
    writes = len(server.writes)

    assert push(server, token_file, "--config", config) == 0
    assert len(server.writes) == writes
    assert "created" not in capsys.readouterr().out


def test_a_dry_run_writes_nothing_and_shows_the_difference(
    server: FakeGrafana, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(server, token_file, "--no-alerts") == 0
    server.boards["edgejoule-fleet"]["title"] = "mine now"
    del server.boards["edgejoule-trust"]
    writes = len(server.writes)
    capsys.readouterr()

    assert push(server, token_file, "--no-alerts", "--dry-run", "--diff") == 0
    out = capsys.readouterr().out
    assert 'title: "mine now" -> "edgejoule fleet"' in out
    assert "edgejoule trust: would be created" in out
    assert "3 would" not in out
    assert len(server.writes) == writes

    assert push(server, token_file, "--no-alerts") == 0
    assert server.boards["edgejoule-fleet"]["title"] == "edgejoule fleet"
    assert server.boards["edgejoule-fleet"]["version"] == 2


def test_json_says_it_all(server: FakeGrafana, token_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert push(server, token_file, "--no-alerts", "--json", "--folder", "Energy", "--folder-uid", "en") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert {one["did"] for one in answer["things"]} == {"created"}
    assert server.folders["en"]["title"] == "Energy"
    assert set(server.places.values()) == {"en"}


def test_a_board_that_lies_elsewhere_comes_into_the_folder(server: FakeGrafana, token_file: Path) -> None:
    assert push(server, token_file, "--no-alerts") == 0
    server.places["edgejoule-fleet"] = ""
    assert push(server, token_file, "--no-alerts") == 0
    assert server.places["edgejoule-fleet"] == "edgejoule"


def test_user_and_password_under_a_prefix(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    with grafana(prefix="/tools/grafana") as server:
        words = ["--user", USER, "--password-file", str(tmp_path / "password"), "--no-alerts"]
        assert main(["dashboards", "push", "--url", address(server), *words]) == 0
        assert set(server.boards) == BOARDS


def test_a_secret_is_written_again_only_when_asked(server: FakeGrafana, token_file: Path, config: Path) -> None:
    assert push(server, token_file, "--config", config, "--no-alerts") == 0
    (config.parent / "influx-token").write_text("another token")
    assert push(server, token_file, "--config", config, "--no-alerts") == 0
    assert server.secrets["edgejoule-influxdb"] == {"httpHeaderValue1": "Token an influx token"}
    assert push(server, token_file, "--config", config, "--no-alerts", "--secrets") == 0
    assert server.secrets["edgejoule-influxdb"] == {"httpHeaderValue1": "Token another token"}


def test_credentials_that_are_not_accepted_stop_everything(
    server: FakeGrafana, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("glsa_expired")
    assert push(server, wrong, "--no-alerts") == 1
    told = capsys.readouterr()
    assert "folder edgejoule: failed: the credentials are not accepted (401)" in told.err
    assert "glsa_expired" not in told.out + told.err
    assert server.server is not None
    assert len(server.server.asked) == 1


def test_a_role_that_may_not_is_said_by_name_and_the_rest_goes_on(
    token_file: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with grafana(role="Editor") as server:
        assert push(server, token_file, "--config", config, "--no-alerts") == 1
        assert "data sources, and before Grafana 11 alert rules too, need the role Admin" in capsys.readouterr().err
        assert set(server.boards) == BOARDS


def test_a_name_that_is_taken(
    server: FakeGrafana, token_file: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.sources["other"] = {"uid": "other", "name": "edgejoule InfluxDB", "isDefault": True}
    server.folders["edgejoule"] = {"id": 1, "uid": "edgejoule", "title": "edgejoule", "version": 1}
    server.boards["mine"] = {"uid": "mine", "title": "edgejoule fleet", "version": 1}
    server.places["mine"] = "edgejoule"
    assert push(server, token_file, "--config", config, "--no-alerts") == 1
    err = capsys.readouterr().err
    assert "data source edgejoule InfluxDB: failed: conflict (409)" in err
    assert "dashboard edgejoule fleet: failed: not as expected (412)" in err
    assert set(server.boards) == BOARDS - {"edgejoule-fleet"} | {"mine"}


def test_somebody_else_saves_between_the_look_and_the_write(
    server: FakeGrafana, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(server, token_file, "--no-alerts") == 0
    board = server.boards["edgejoule-fleet"]
    board["title"] = "mine"

    def save(state: FakeGrafana) -> None:
        state.boards["edgejoule-fleet"] |= {"version": 7, "title": "theirs"}

    server.before_saving = save
    assert push(server, token_file, "--no-alerts") == 1
    assert "not as expected (412)" in capsys.readouterr().err
    assert server.boards["edgejoule-fleet"]["title"] == "theirs"


def test_what_a_file_provisions_is_left_alone_unless_nothing_is_different(
    server: FakeGrafana, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(server, token_file, "--no-alerts") == 0
    server.provisioned |= {"edgejoule-fleet", "edgejoule-device"}
    server.boards["edgejoule-fleet"]["title"] = "older"
    writes = len(server.writes)
    assert push(server, token_file, "--no-alerts") == 1
    assert "edgejoule fleet: skipped, 1 difference: it was provisioned from a file" in capsys.readouterr().out
    assert len(server.writes) == writes


def test_a_folder_that_cannot_be_had_stops_what_lies_in_it(
    server: FakeGrafana, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert server.server is not None
    server.server.replies.append(said(500, "database is locked"))
    assert push(server, token_file, "--no-alerts", "--json") == 1
    things = json.loads(capsys.readouterr().out)["things"]
    assert things[0]["did"] == "failed"
    assert "the server failed (500): database is locked" in things[0]["reason"]
    assert {one["reason"] for one in things[1:]} == {"its folder is not there"}
    assert server.writes == []


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (Reply(200, b"<html>please log in</html>", {"Content-Type": "text/html"}), "is it a Grafana?"),
        (Reply(200, b'{"half": ', {"Content-Type": "application/json"}), "answers with no JSON"),
        (Reply(200, b"[1]", {"Content-Type": "application/json"}), "answers with no JSON object"),
        (Reply(200, drop=True), "cannot be reached"),
        (Reply(200, hang=True), "did not answer within 0.5 s"),
        (Reply(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}), "the server failed (502)"),
    ],
)
def test_answers_of_something_else_are_one_line(
    reply: Reply, line: str, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with json_server(lambda _: reply) as server:
        words = ["--token-file", str(token_file), "--no-alerts", "--timeout-s", "0.5"]
        assert main(["dashboards", "push", "--url", server.url, *words]) == 1
    (failed,) = capsys.readouterr().err.splitlines()
    assert line in failed
    assert "Traceback" not in failed


def test_nobody_listens(token_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin = time.monotonic()
    words = ["--token-file", str(token_file), "--no-alerts"]
    assert main(["dashboards", "push", "--url", "http://127.0.0.1:9", *words]) == 1
    assert "http://127.0.0.1:9 cannot be reached" in capsys.readouterr().err
    assert time.monotonic() - begin < 60.0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--url", "ftp://grafana", "--token-file", "TOKEN"], "is not the address of a Grafana"),
        (["--url", "http://[::1", "--token-file", "TOKEN"], "is not the address of a Grafana"),
        (["--url", "http://u:geheim@host", "--token-file", "TOKEN"], "holds no user or password; give --user"),
        (["--url", "http://127.0.0.1:9/#x", "--token-file", "TOKEN"], "is not the address of a Grafana"),
        (["--url", "http://127.0.0.1:9/a b", "--token-file", "TOKEN"], "is not the address of a Grafana"),
        (["--url", "http://127.0.0.1:9", "--token-file", "STRANGE"], "holds letters that no token has"),
        (["--url", "http://127.0.0.1:9", "--token-file", "TOKEN", "--folder-uid", "a/b"], "is no uid: 1 to 40"),
        (["--url", "http://127.0.0.1:9", "--token-file", "TOKEN", "--folder", " "], "give the folder a title"),
        (["--url", "http://127.0.0.1:9"], "give --token-file, or --user with --password-file"),
        (["--url", "http://127.0.0.1:9", "--user", "a"], "belong together"),
        (["--url", "http://127.0.0.1:9", "--token-file", "TOKEN", "--user", "a"], "one of the two"),
        (["--url", "http://127.0.0.1:9", "--token-file", "missing"], "missing: cannot read it"),
        (["--url", "http://127.0.0.1:9", "--token-file", "EMPTY"], "holds no secret of one line"),
        (["--url", "http://127.0.0.1:9", "--token-file", "TOKEN", "--influxdb-url", "http://a"], "give --config"),
        (["--url", "https://127.0.0.1:9", "--token-file", "TOKEN", "--ca-file", "none"], "no such file"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    words: list[str], line: str, tmp_path: Path, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "strange").write_text("glsa_\u20ac")
    known = {"TOKEN": str(token_file), "EMPTY": str(tmp_path / "empty"), "STRANGE": str(tmp_path / "strange")}
    assert main(["dashboards", "push", *(known.get(word, word) for word in words)]) == 2
    told = capsys.readouterr().err
    assert line in told
    assert "geheim" not in told
    assert len(told.splitlines()) == 1


def test_a_configuration_without_an_influxdb(
    server: FakeGrafana, token_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "no-influx.toml"
    config.write_text('state_dir = "state"\n')
    assert push(server, token_file, "--config", config) == 2
    assert "has no [influxdb]" in capsys.readouterr().err


def test_tls_with_an_authority_of_ones_own(
    token_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("grafana", hosts=LOOPBACK))
    fake = FakeGrafana()
    with json_server(fake.answer, context) as server:
        url = server.url.replace("http://", "https://")
        words = ["dashboards", "push", "--url", url, "--token-file", str(token_file), "--no-alerts"]
        assert main([*words, "--ca-file", str(authority.path)]) == 0
        assert set(fake.boards) == BOARDS
        assert main(words) == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_rules_on_hourly_sums_are_pushed_only_where_these_are(
    server: FakeGrafana, token_file: Path, config: Path
) -> None:
    config.write_text(config.read_text().partition("[influxdb.hourly]")[0])
    assert push(server, token_file, "--config", config) == 0
    without = {name for _, name in server.groups}
    assert "edgejoule-influxdb-hourly" not in server.sources
    assert push(server, token_file) == 0
    assert {name for _, name in server.groups} == without

    server.sources["edgejoule-influxdb-hourly"] = {"uid": "edgejoule-influxdb-hourly", "name": "sums"}
    assert push(server, token_file) == 0
    assert {name for _, name in server.groups} > without
