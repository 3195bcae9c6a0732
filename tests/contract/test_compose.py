"""compose.yaml cannot be run here, so everything about it that can be checked is: schema, files, names, ports."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from collector.build import build_assessor, build_sinks
from collector.config import CollectorConfig, read_config
from edge_agent.wire.mqtt import parse_broker_url
from edgejoule.cli import COMMANDS

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
DOCKERFILE = ROOT / "deploy" / "collector.Dockerfile"


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    content: dict[str, Any] = read_yaml(COMPOSE)["services"]
    return content


@pytest.fixture(scope="module")
def collector_config() -> CollectorConfig:
    return read_config(ROOT / "deploy" / "compose" / "collector" / "collector.toml")


def test_it_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_four_services_are_there_healthy_and_kept_up(services: dict[str, Any]) -> None:
    assert set(services) == {"mosquitto", "influxdb", "grafana", "collector"}
    for name, service in services.items():
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
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[other]


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


def test_grafana_finds_data_source_and_dashboards(services: dict[str, Any], collector_config: CollectorConfig) -> None:
    provisioning = ROOT / "grafana" / "provisioning"
    (source,) = read_yaml(provisioning / "datasources" / "influxdb.yaml")["datasources"]
    assert collector_config.influxdb is not None
    assert source["type"] == "influxdb"
    assert source["url"] == collector_config.influxdb.url
    assert source["jsonData"]["dbName"] == collector_config.influxdb.database
    (provider,) = read_yaml(provisioning / "dashboards" / "edgejoule.yaml")["providers"]
    mounted = {mount.split(":")[1]: mount.split(":")[0] for mount in services["grafana"]["volumes"]}
    assert list((ROOT / mounted[provider["options"]["path"]]).glob("*.json"))
    assert (ROOT / mounted["/etc/grafana/provisioning"]).samefile(provisioning)


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
