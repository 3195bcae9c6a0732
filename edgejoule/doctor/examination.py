"""The whole examination: which checks apply to what the user named."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings
from edgejoule.doctor import certificates, machine, models, runtimes, serial_ports
from edgejoule.doctor.finding import DoctorReport, Finding, failure, ok, summarise, warning

if TYPE_CHECKING:
    from collector.config import CollectorConfig
    from collector.store_config import InfluxConfig
    from edge_agent.config import AgentConfig, ModelSection
    from edge_agent.model_catalog import CatalogModel


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What the user named; without anything only the machine itself is looked at."""

    agent_config: Path | None = None
    collector_config: Path | None = None
    broker_url: str | None = None
    mosquitto_conf: Path | None = None
    probe: bool = False


def examine(subject: Subject) -> DoctorReport:
    """Look at the machine and at everything named. Raises ConfigurationError for a file that cannot be read."""
    agent = None if subject.agent_config is None else _read_agent_config(subject.agent_config)
    findings = [
        *_examine_machine(agent),
        *_examine_agent(subject.agent_config, agent, probe=subject.probe),
        *_examine_collector(subject.collector_config, probe=subject.probe),
    ]
    if subject.broker_url is not None:
        findings.extend(_examine_broker(BrokerSettings(url=subject.broker_url), probe=subject.probe))
    if subject.mosquitto_conf is not None:
        from edgejoule.doctor.mosquitto_checks import (  # noqa: PLC0415  only when asked for
            check_mosquitto_conf,
            installed_version,
        )
        from edgejoule.doctor.mosquitto_conf import read_mosquitto_conf  # noqa: PLC0415

        conf = read_mosquitto_conf(subject.mosquitto_conf)
        findings.extend(check_mosquitto_conf(conf, installed_version()))
        for listener in conf.listeners:
            findings.extend(certificates.examine_broker_files(listener.settings, dt.datetime.now(dt.UTC)))
    return summarise(findings)


def _read_agent_config(path: Path) -> "AgentConfig":
    from edge_agent.config import load_config  # noqa: PLC0415  only when asked for

    return load_config(path)


def _examine_machine(agent: "AgentConfig | None") -> Iterator[Finding]:
    facts = runtimes.gather_engine_facts()
    yield runtimes.check_python(facts.python)
    needed = agent is not None and agent.input.source != "application"
    model = None if agent is None else agent.model
    is_onnx = model is not None and (model.path.lower().endswith(".onnx") or model.engine == "onnxruntime")
    yield from runtimes.check_engine(facts, required=needed, suffix=".onnx" if is_onnx else ".tflite")
    yield from runtimes.check_packages(runtimes.missing_packages())
    yield models.check_catalog()
    yield machine.check_sqlite()
    yield machine.check_clock(machine.gather_clock_facts())


def _examine_agent(path: Path | None, config: "AgentConfig | None", *, probe: bool) -> Iterator[Finding]:
    if config is None:
        yield from serial_ports.check_ports(serial_ports.gather_ports())
        return
    yield ok("agent config", f"{path} is valid")
    yield from _examine_agent_parts(config)
    yield serial_ports.check_configured_port(serial_ports.gather_port(config.meter.port))
    yield from _examine_directory("agent state", config.device.state_dir)
    yield from certificates.examine_client(config.broker, config.device.id, dt.datetime.now(dt.UTC))
    yield from certificates.examine_server(config.broker, dt.datetime.now(dt.UTC))
    yield from _examine_broker(config.broker, probe=probe)


def _examine_agent_parts(config: "AgentConfig") -> Iterator[Finding]:
    from edge_agent.app import prepare  # noqa: PLC0415  only when asked for
    from firmware_bridge.errors import FirmwareBridgeError  # noqa: PLC0415

    try:
        prepared = prepare(config)
    except (ConfigurationError, FirmwareBridgeError) as error:
        yield failure("agent parts", str(error), "correct it in the agent's configuration")
        return
    yield ok("agent parts", f"driver {prepared.driver.name} and model {prepared.model.model_id} are here and fit")
    if config.input.source != "application":
        yield _examine_model(config.model, prepared.model)


def _examine_model(section: "ModelSection", model: "CatalogModel") -> Finding:
    """Load the model as the agent would: engine, delegate, and inputs that fit."""
    from edge_agent.loaded_model import load_with_inputs  # noqa: PLC0415  only when asked for

    try:
        runner, _ = load_with_inputs(section, model)
    except ConfigurationError as error:
        return failure("model", str(error), "correct [model] in the agent's configuration; the agent does not start")
    took = runner.identity
    return ok("model", f"{took.runtime} {took.version} runs it, delegate {took.delegate}, threads {took.threads}")


def _examine_collector(path: Path | None, *, probe: bool) -> Iterator[Finding]:
    if path is None:
        return
    from collector.config import read_config  # noqa: PLC0415  only when asked for

    config = read_config(path)
    yield ok("collector config", f"{path} is valid")
    yield from _examine_directory("collector state", config.state_dir)
    yield from _examine_lake(config)
    yield _examine_inventory(config)
    if config.influxdb is not None:
        yield from _examine_influxdb(config.influxdb, path)
    yield from certificates.examine_client(config.broker, "", dt.datetime.now(dt.UTC))
    yield from certificates.examine_server(config.broker, dt.datetime.now(dt.UTC))
    yield from _examine_broker(config.broker, probe=probe)


def _examine_lake(config: "CollectorConfig") -> Iterator[Finding]:
    lake = config.lake_dir
    if isinstance(lake, Path) and config.lake.dir:
        yield from _examine_directory("lake", str(lake))
    elif lake is not None and not isinstance(lake, Path):
        from edgejoule.doctor.lake import check_lake_address  # noqa: PLC0415  only where the lake is elsewhere

        yield check_lake_address(lake)


def _examine_influxdb(influxdb: "InfluxConfig", path: Path) -> Iterator[Finding]:
    from edgejoule.doctor import influxdb as doctor  # noqa: PLC0415  only when named

    facts = doctor.gather_influx_facts(influxdb)
    yield doctor.check_influx(facts)
    if facts.fault:
        return
    stores = list(doctor.check_stores(influxdb, str(path)))
    yield from stores
    if influxdb.hourly is not None and stores[-1].level != "failure":
        yield doctor.check_hourly_sums(influxdb)


def _examine_inventory(config: "CollectorConfig") -> Finding:
    from collector.build import build_assessor  # noqa: PLC0415  only when asked for

    try:
        build_assessor(config)
    except ConfigurationError as error:
        return failure("inventory", str(error), "correct it in that file; the collector does not start like this")
    if not config.inventory.file:
        text = "none is named: the grams of every device are unknown"
        return warning("inventory", text, "[inventory] file = a list like collector/inventory.sample.toml")
    return ok("inventory", f"{config.inventory.file}: hardware and zones are known")


def _examine_directory(topic: str, directory: str) -> list[Finding]:
    return machine.check_directory(topic, machine.gather_directory_facts(Path(directory)))


def _examine_broker(settings: BrokerSettings, *, probe: bool) -> list[Finding]:
    from edgejoule.doctor.broker import check_broker, gather_broker_facts  # noqa: PLC0415  needs paho, an extra

    facts = gather_broker_facts(settings)
    findings = check_broker(facts)
    if probe and not facts.fault:
        from edgejoule.doctor.broker_probe import check_probe, gather_probe_facts  # noqa: PLC0415  needs paho

        findings.extend(check_probe(gather_probe_facts(settings)))
    return findings
