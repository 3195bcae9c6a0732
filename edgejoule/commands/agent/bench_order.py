"""From the command line, with or without a configuration file, to what is to be benched."""

import argparse
import re
import socket
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from edge_agent.bench_app import Order
from edge_agent.config import AgentConfig, AlignSection, BenchSection, DeviceSection, MeterSection, ModelSection
from edge_agent.config import load_config as load_agent_config
from edge_agent.model_catalog import file_sha256
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings
from firmware_bridge.registry import get_driver

MODEL_SUFFIXES: Final = (".tflite", ".onnx")
SMOKE: Final = BenchSection(windows=4, window_s=1.0, baseline_s=1.0, warm_up_s=0.5)
LONGEST_ID: Final = 64
Section = TypeVar("Section", bound=msgspec.Struct)


def order_of(arguments: argparse.Namespace) -> Order:
    """Return what to bench. Raises ConfigurationError: one line with the remedy."""
    config = _by_file(arguments) if arguments.config is not None else _by_flags(arguments)
    config = msgspec.structs.replace(
        config,
        bench=_bench(config.bench, arguments),
        align=_align(config.align, arguments.align),
        model=_runtime(config.model, arguments),
    )
    if arguments.state_dir is not None:
        device = msgspec.structs.replace(config.device, state_dir=str(arguments.state_dir.resolve()))
        config = msgspec.structs.replace(config, device=device)
    by_file = arguments.config is not None
    return Order(
        config=config,
        smoke=arguments.smoke,
        keep=by_file or arguments.state_dir is not None,
        publish=by_file and not arguments.no_publish,
    )


def _by_file(arguments: argparse.Namespace) -> AgentConfig:
    named = {"--driver": arguments.driver, "--port": arguments.port, "--boundary": arguments.boundary}
    extra = [flag for flag, value in named.items() if value] + (["--option"] if arguments.option else [])
    if extra:
        raise ConfigurationError(
            f"{' and '.join(extra)} and --config exclude each other: the meter stands in {arguments.config}, [meter]"
        )
    config = load_agent_config(arguments.config)
    meter, device = config.meter, config.device
    if arguments.meter_id:
        meter = msgspec.structs.replace(meter, meter_id=arguments.meter_id)
    if arguments.device_id:
        device = _made(DeviceSection, "--device-id", {**msgspec.structs.asdict(device), "id": arguments.device_id})
    model = config.model if arguments.model is None else _model(arguments, config.model)
    return msgspec.structs.replace(config, meter=meter, device=device, model=model)


def _by_flags(arguments: argparse.Namespace) -> AgentConfig:
    if arguments.model is None:
        raise ConfigurationError(
            "name a MODEL (edgejoule models list), or a configuration that has one: --config FILE"
        )
    missing = [flag for flag, value in (("--driver", arguments.driver), ("--port", arguments.port)) if not value]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: name the meter by --driver, "
            "--port and --boundary, or by --config FILE"
        )
    if arguments.boundary is None:
        raise ConfigurationError(_boundary_missing(arguments.driver))
    return AgentConfig(
        device=_made(DeviceSection, "--device-id", {"id": arguments.device_id or _host_name()}),
        meter=MeterSection(
            driver=arguments.driver,
            port=arguments.port,
            boundary=arguments.boundary,
            meter_id=arguments.meter_id,
            options=dict(arguments.option),
        ),
        model=_model(arguments, None),
        broker=BrokerSettings(),
    )


def _boundary_missing(driver: str) -> str:
    offered = [one for one in get_driver(driver).data_sheet.boundaries if one != "site"]
    if not offered:
        return f"a {driver} measures a whole site, not one device; take another meter (edgejoule meter list)"
    remedy = " or ".join(f"--boundary {one}" for one in offered)
    return f"on which side of the power supply does the meter sit? a {driver} takes {remedy}; there is no default"


def _model(arguments: argparse.Namespace, configured: ModelSection | None) -> ModelSection:
    """Return the model that is named: a file, or an entry of the catalog, run as configured else."""
    given: str = arguments.model
    base = {} if configured is None else _how(configured)
    if given.endswith(MODEL_SUFFIXES) or "/" in given:
        path = Path(given).resolve()
        check_set = str(arguments.check_set.resolve()) if arguments.check_set else ""
        named = {"id": _identifier(path.stem, "model"), "path": str(path), "sha256": file_sha256(path)}
        return _made(ModelSection, "MODEL", {**base, **named, "check_set": check_set})
    if arguments.check_set is not None:
        raise ConfigurationError("--check-set is for a model file; a model of the catalog has its own")
    catalog = {} if configured is None else _named(configured, "catalog", "catalog_sha256")
    return _made(ModelSection, "MODEL", {**base, **catalog, "id": given})


def _how(section: ModelSection) -> dict[str, Any]:
    return _named(section, "threads", "engine", "delegate", "delegate_options")


def _named(section: ModelSection, *names: str) -> dict[str, Any]:
    return {name: getattr(section, name) for name in names}


def _runtime(section: ModelSection, arguments: argparse.Namespace) -> ModelSection:
    given = {"threads": arguments.threads, "engine": arguments.engine, "delegate": arguments.delegate}
    changed = {name: value for name, value in given.items() if value is not None}
    if not changed:
        return section
    flags = ", ".join(f"--{name}" for name in changed)
    return _made(ModelSection, flags, {**msgspec.structs.asdict(section), **changed})


def _bench(configured: BenchSection, arguments: argparse.Namespace) -> BenchSection:
    """Return the lengths; ``bench.plan`` says which are allowed, as a trial may have others than a file."""
    base = configured
    if arguments.smoke:
        base = msgspec.structs.replace(
            configured,
            windows=SMOKE.windows,
            window_s=SMOKE.window_s,
            baseline_s=SMOKE.baseline_s,
            warm_up_s=SMOKE.warm_up_s,
        )
    given = {
        "windows": arguments.windows,
        "window_s": arguments.seconds,
        "baseline_s": arguments.baseline,
        "warm_up_s": arguments.warm_up,
    }
    return msgspec.structs.replace(base, **{name: value for name, value in given.items() if value is not None})


def _align(configured: AlignSection, method: str | None) -> AlignSection:
    if method is None:
        return configured
    return _made(AlignSection, "--align", {**msgspec.structs.asdict(configured), "method": method})


def _made(kind: type[Section], flag: str, values: dict[str, Any]) -> Section:
    """Return a section with its own rules applied to what was typed."""
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{flag}: {error}") from error


def _host_name() -> str:
    return _identifier(socket.gethostname(), "device")


def _identifier(text: str, otherwise: str) -> str:
    """Return the text with what no identifier may hold replaced."""
    kept = re.sub(r"[^A-Za-z0-9_.-]", "-", text).lstrip("_.-")[:LONGEST_ID]
    return kept or otherwise
