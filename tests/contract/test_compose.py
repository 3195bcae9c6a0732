"""compose.yaml cannot be run here, so everything about it that can be checked is: schema, files, names, ports."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from collector.build import build_assessor, build_sinks
from collector.config import CollectorConfig, parse_config, read_config
from edge_agent.wire.mqtt import parse_broker_url
from edgejoule.cli import COMMANDS, main
from grafana.builder import dashboards
from grafana.model import FOLDER, PROVISIONED
from tests.fakes.influxd import running_influxd

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
DOCKERFILE = ROOT / "deploy" / "collector.Dockerfile"
SETTINGS = ROOT / "deploy" / "compose" / "collector"
PROVISIONING = ROOT / "grafana" / "provisioning"


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def data_sources() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = read_yaml(PROVISIONING / "datasources" / "influxdb.yaml")["datasources"]
    return listed


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    content: dict[str, Any] = read_yaml(COMPOSE)["services"]
    return content


@pytest.fixture(scope="module")
def collector_config() -> CollectorConfig:
    return read_config(SETTINGS / "collector.toml")


def test_it_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_four_services_are_there_healthy_and_kept_up(services: dict[str, Any]) -> None:
    assert set(services) == {"mosquitto", "influxdb", "grafana", "collector", "collector-init"}
    for name, service in services.items():
        if name == "collector-init":
            assert service["restart"] == "no", "it does its work and ends"
            continue
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert "image" in service or "build" in service, name
        if "image" in service:
            assert re.search(r":\d+\.\d+\.\d+$", service["image"]), name


def test_every_port_is_on_loopback(services: dict[str, Any]) -> None:
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_every_file_and_volume_that_is_named_exists(services: dict[str, Any]) -> None:
    volumes = set(read_yaml(COMPOSE)["volumes"])
    used = set()
    for service in services.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
                assert mount.endswith(":ro"), mount
            else:
                used.add(source)
    assert used == volumes
    build = services["collector"]["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).is_file()


def test_who_waits_for_whom_has_a_health_check(services: dict[str, Any]) -> None:
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            ends = "healthcheck" not in services[other]
            assert how == {"condition": "service_completed_successfully" if ends else "service_healthy"}
            assert ends == (services[other]["restart"] == "no")


def test_the_collectors_configuration_names_the_services(
    services: dict[str, Any], collector_config: CollectorConfig
) -> None:
    broker = parse_broker_url(collector_config.broker.url)
    assert (broker.host, broker.port) == ("mosquitto", 1883)
    assert broker.host in services
    influxdb = collector_config.influxdb
    assert influxdb is not None
    assert urlsplit(influxdb.url).hostname in services
    assert influxdb.database == services["influxdb"]["environment"]["INFLUXDB_DB"]
    mounts = [mount.split(":") for mount in services["collector"]["volumes"]]
    assert collector_config.state_dir in {mount[1] for mount in mounts}
    for sink in build_sinks(collector_config, build_assessor(collector_config)):
        sink.close()


def test_what_is_commented_out_in_its_configuration_would_be_read() -> None:
    text = (SETTINGS / "collector.toml").read_text()
    start = text.index("# [[budget]]")
    config = parse_config(text[:start] + text[start:].replace("# ", ""), "collector.toml", SETTINGS)
    assert [budget.fleet for budget in config.budget] == ["default"]


@pytest.mark.influxdb
def test_the_databases_that_grafana_asks_are_those_that_the_collector_makes(
    services: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of the service collector-init, with this machine's InfluxDB in place of the service influxdb."""
    word, verb, option, path = services["collector-init"]["command"]
    assert path == services["collector"]["volumes"][0].split(":")[1] + "/collector.toml"
    assert services["collector-init"]["volumes"] == services["collector"]["volumes"][:1]
    text = (SETTINGS / "collector.toml").read_text()
    with running_influxd(tmp_path) as server:
        copied = tmp_path / "collector.toml"
        copied.write_text(text.replace("http://influxdb:8086", server.url))
        shutil.copy(SETTINGS / "inventory.toml", tmp_path)
        for done in ("created; it keeps its points for ever", "is there"):
            assert main([word, verb, option, str(copied)]) == 0
            lines = capsys.readouterr().out.splitlines()
            assert len(lines) == 2
            assert all(done in line for line in lines), lines
        (databases,) = server.query("SHOW DATABASES")
    wanted = {source["jsonData"]["dbName"] for source in data_sources()}
    assert set(databases.column("name")) - {"_internal"} == wanted


def test_grafana_finds_both_stores_and_the_dashboards(
    services: dict[str, Any], collector_config: CollectorConfig
) -> None:
    influxdb = collector_config.influxdb
    assert influxdb is not None
    assert influxdb.hourly is not None
    windows, hourly = data_sources()
    assert (windows["jsonData"]["dbName"], hourly["jsonData"]["dbName"]) == (influxdb.store, influxdb.hourly_store)
    for source, name in ((windows, "datasource"), (hourly, "datasource_hourly")):
        assert (source["uid"], source["name"]) == PROVISIONED[name]
        assert (source["type"], source["url"]) == ("influxdb", influxdb.url)
        assert source["jsonData"]["version"] == "InfluxQL"
    assert [source.get("isDefault", False) for source in (windows, hourly)] == [True, False]
    (provider,) = read_yaml(PROVISIONING / "dashboards" / "edgejoule.yaml")["providers"]
    mounted = {mount.split(":")[1]: mount.split(":")[0] for mount in services["grafana"]["volumes"]}
    assert list((ROOT / mounted[provider["options"]["path"]]).glob("*.json"))
    assert (ROOT / mounted["/etc/grafana/provisioning"]).samefile(PROVISIONING)


def test_each_drop_down_of_data_sources_offers_the_right_one_first() -> None:
    """Grafana lists those of the type, in the order of their names, that the variable's expression finds."""
    names = sorted(source["name"] for source in data_sources())
    for board in dashboards().values():
        chosen = {
            variable.name: [
                name for name in names if re.search((variable.regex or "").strip("/i"), name, re.IGNORECASE)
            ]
            for variable in board.variables
            if variable.type == "datasource"
        }
        assert chosen, board.uid
        for variable, offered in chosen.items():
            assert offered[0] == PROVISIONED[variable][1], board.uid


def test_alert_rules_and_dashboards_share_one_folder_and_ask_stores_that_are_there() -> None:
    (provider,) = read_yaml(PROVISIONING / "dashboards" / "edgejoule.yaml")["providers"]
    assert provider["folder"] == FOLDER[1]
    assert "folderUid" not in provider, "alert rules are read first, and can name no uid: there would be two folders"
    known = {"__expr__", *(source["uid"] for source in data_sources())}
    groups = read_yaml(PROVISIONING / "alerting" / "edgejoule.yaml")["groups"]
    assert groups
    for group in groups:
        assert group["folder"] == provider["folder"]
        asked = {step["datasourceUid"] for rule in group["rules"] for step in rule["data"]}
        assert asked <= known


def test_the_broker_queues_and_saves() -> None:
    lines = (ROOT / "deploy" / "compose" / "mosquitto.conf").read_text().splitlines()
    settings = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    assert settings["persistence"] == "true"
    assert int(settings["max_queued_messages"]) >= 10_000
    assert int(settings["autosave_interval"]) <= 60
    assert int(settings["max_packet_size"]) > 262_144
    assert "per_listener_settings" not in settings


def test_the_dockerfile_copies_what_exists_and_starts_a_real_command() -> None:
    text = DOCKERFILE.read_text()
    ignored = (DOCKERFILE.parent / f"{DOCKERFILE.name}.dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, flags=re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored
    command = re.search(r'^CMD \["(\w+)"', text, flags=re.MULTILINE)
    assert command is not None
    assert command[1] in COMMANDS
    assert re.search(r"^USER (?!root)\w+", text, flags=re.MULTILINE)
