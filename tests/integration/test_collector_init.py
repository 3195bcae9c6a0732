"""``edgejoule collector init`` and the doctor: on the real influxd 1.6.7, and on what is documented of 2 and 3."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgejoule.cli import main
from tests.fakes.influx_admin_http import TOKEN, AdminServer, running_admin_server
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.ports import free_port

CLOSED = 'state_dir = "state"\n[broker]\nurl = "mqtt://127.0.0.1:1"\n'
HOURLY = '[influxdb.hourly]\ndatabase = "years"\nbucket = "years"\nretention_days = 0\n'
DAY_S = 86_400


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    with running_influxd(tmp_path_factory.mktemp("influxd"), auth=True) as running:
        running.query("CREATE USER admin WITH PASSWORD 'boss' WITH ALL PRIVILEGES")
        running.query("CREATE USER writer WITH PASSWORD 'pen'", user="admin", password="boss")
        yield running


@pytest.fixture
def admin() -> Iterator[AdminServer]:
    with running_admin_server() as running:
        yield running


class Configured:
    """A directory with collector.toml, and the commands on it."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = directory / "collector.toml"
        self._capsys = capsys
        (directory / "secret").write_text(f"{TOKEN}\n")
        (directory / "boss").write_text("boss\n")
        (directory / "pen").write_text("pen\n")

    def write(self, influxdb: str) -> None:
        self.file.write_text(CLOSED + "[influxdb]\n" + influxdb)

    def init(self, *words: str) -> tuple[int, dict[str, str], dict[str, str]]:
        """Return the exit code, and state and text of each store by name."""
        code = main(["collector", "init", "--config", str(self.file), "--json", *words])
        stores: list[dict[str, Any]] = json.loads(self._capsys.readouterr().out)["stores"]
        return code, {one["name"]: one["state"] for one in stores}, {one["name"]: one["text"] for one in stores}

    def doctor(self) -> dict[str, dict[str, str]]:
        main(["doctor", "--json", "--collector-config", str(self.file)])
        findings = json.loads(self._capsys.readouterr().out)["findings"]
        return {one["topic"]: one for one in findings if one["topic"].startswith("influxdb")}


@pytest.fixture
def configured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Configured:
    return Configured(tmp_path, capsys)


@pytest.mark.influxdb
def test_databases_are_made_once_and_their_retention_follows_the_configuration(
    influxd: InfluxServer, configured: Configured
) -> None:
    def config(days: int) -> str:
        who = 'username = "admin"\npassword_file = "boss"\n'
        return f'url = "{influxd.url}"\ndatabase = "raw \\"1\\""\n{who}retention_days = {days}\n{HOURLY}'

    def policies(database: str) -> list[Any]:
        (series,) = influxd.query(f'SHOW RETENTION POLICIES ON "{database}"', user="admin", password="boss")
        return [row[:3] for row in series.values]

    raw = 'raw "1"'
    configured.write(config(30))
    assert configured.init("--dry-run")[:2] == (0, {raw: "missing", "years": "missing"})
    before = configured.doctor()
    assert {one["level"] for one in before.values()} == {"failure"}
    assert "influxdb hourly points" not in before
    assert "collector init" in before["influxdb windows"]["remedy"]
    assert configured.init()[:2] == (0, {raw: "created", "years": "created"})
    assert configured.init()[:2] == (0, {raw: "there", "years": "there"})
    assert policies('raw \\"1\\"') == [["autogen", "720h0m0s", "24h0m0s"]]
    assert policies("years") == [["autogen", "0s", "168h0m0s"]]

    configured.write(config(1))
    assert configured.doctor()["influxdb windows"]["level"] == "warning"
    assert configured.init("--dry-run")[1] == {raw: "different", "years": "there"}
    assert configured.init()[1] == {raw: "changed", "years": "there"}
    assert policies('raw \\"1\\"') == [["autogen", "24h0m0s", "1h0m0s"]]
    configured.write(config(0))
    assert configured.init()[1][raw] == "changed"
    assert policies('raw \\"1\\"') == [["autogen", "0s", "168h0m0s"]]

    after = configured.doctor()
    assert [after[topic]["level"] for topic in ("influxdb", "influxdb windows", "influxdb hourly sums")] == ["ok"] * 3
    assert after["influxdb hourly points"]["level"] == "warning"
    assert "none yet" in after["influxdb hourly points"]["text"]


@pytest.mark.influxdb
def test_a_user_who_may_not_is_told_so(influxd: InfluxServer, configured: Configured) -> None:
    configured.write(f'url = "{influxd.url}"\nusername = "writer"\npassword_file = "pen"\n')
    code, states, texts = configured.init()
    assert (code, states) == (1, {"edgejoule": "failed"})
    assert "HTTP 403" in texts["edgejoule"] or "requires admin" in texts["edgejoule"]
    influxd.query("CREATE DATABASE lent", user="admin", password="boss")
    influxd.query("GRANT ALL ON lent TO writer", user="admin", password="boss")
    configured.write(f'url = "{influxd.url}"\nusername = "writer"\npassword_file = "pen"\ndatabase = "lent"\n')
    assert configured.init()[:2] == (0, {"lent": "there"})
    assert {one["level"] for one in configured.doctor().values()} == {"ok"}


def test_buckets_of_version_2(admin: AdminServer, configured: Configured) -> None:
    table = f'api = "v2"\nurl = "{admin.url}"\norg = "green"\ntoken_file = "secret"\n'
    configured.write(f"{table}retention_days = 14\n{HOURLY}")
    assert configured.init("--dry-run")[:2] == (0, {"edgejoule": "missing", "years": "missing"})
    assert admin.changes == []
    assert configured.init()[1] == {"edgejoule": "created", "years": "created"}
    assert admin.buckets == {"edgejoule": 14 * DAY_S, "years": 0}
    configured.write(f"{table}retention_days = 7\n{HOURLY}")
    assert configured.init()[1] == {"edgejoule": "changed", "years": "there"}
    assert admin.buckets == {"edgejoule": 7 * DAY_S, "years": 0}
    assert len(admin.changes) == 3
    configured.write(f'api = "v2"\nurl = "{admin.url}"\norg = "grey"\nbucket = "new"\ntoken_file = "secret"\n')
    code, _, texts = configured.init()
    assert code == 1
    assert "no organisation 'grey'" in texts["new"]


def test_databases_of_version_3(admin: AdminServer, configured: Configured) -> None:
    table = f'api = "v3"\nurl = "{admin.url}"\ntoken_file = "secret"\n'
    configured.write(f"{table}retention_days = 14\n{HOURLY}")
    assert configured.init()[1] == {"edgejoule": "created", "years": "created"}
    assert configured.init()[:2] == (0, {"edgejoule": "there", "years": "there"})
    assert admin.databases == {"edgejoule": 14 * DAY_S, "years": 0}
    configured.write(f"{table}retention_days = 7\n{HOURLY}")
    admin.can_update = False  # as Core
    code, states, texts = configured.init()
    assert (code, states["edgejoule"]) == (1, "failed")
    assert "name another database" in texts["edgejoule"]
    admin.can_update = True  # as Enterprise
    assert configured.init()[1]["edgejoule"] == "changed"
    admin.tells_retention = False
    assert configured.init()[:2] == (0, {"edgejoule": "unknown", "years": "unknown"})


def test_a_wrong_token_an_absent_server_and_no_store_at_all(admin: AdminServer, configured: Configured) -> None:
    configured.write(f'api = "v3"\nurl = "{admin.url}"\ntoken_file = "pen"\n')
    assert "HTTP 401" in configured.init()[2]["edgejoule"]
    configured.write(f'url = "http://127.0.0.1:{free_port()}"\n')
    assert "not reachable" in configured.init()[2]["edgejoule"]
    configured.file.write_text(CLOSED)
    assert configured.init() == (0, {}, {})


def test_the_lines_for_people(admin: AdminServer, configured: Configured, capsys: pytest.CaptureFixture[str]) -> None:
    configured.write(f'api = "v3"\nurl = "{admin.url}"\ntoken_file = "secret"\nretention_days = 30\n')
    assert main(["collector", "init", "--config", str(configured.file)]) == 0
    assert capsys.readouterr().out == "database edgejoule (windows): created; it keeps its points 30 days\n"
