"""The agent's configuration: one TOML file, read into frozen structs. Paths are relative to that file."""

import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from edge_agent.jobs.config import JobConfig, check_jobs
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings, check_settings
from edge_agent.wire.orders import MAX_BLOB_BYTES, ActionKind
from edge_agent.wire.records import MAX_WINDOWS_PER_MESSAGE, Boundary, Identifier, RuntimeIdentity, Sha256
from edge_agent.wire.toml_config import read_toml
from edge_agent.wire.topics import RESERVED_NAMES

DEFAULT_DUTY_RATIO: Final = 0.5
DEFAULT_STATE_DIR: Final = "/var/lib/edgejoule-agent"

Ratio = Annotated[float, Meta(gt=0.0, le=1.0)]
Rate = Annotated[float, Meta(gt=0.0, le=1e6)]
OptionValue = str | int | float | bool


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables: an unknown key is an error."""


class DeviceSection(_Section, frozen=True, kw_only=True):
    """``[device]``: who this device is. ``pid_file`` is written while the agent runs, "" for none."""

    id: Identifier
    fleet: Identifier = "default"
    device_class: Identifier = "unspecified"
    state_dir: str = DEFAULT_STATE_DIR
    pid_file: str = ""

    def __post_init__(self) -> None:
        if self.id in RESERVED_NAMES:
            raise ValueError(f"id = {self.id!r} has a meaning of its own in topics and access lists: choose another")


class CalibrationSection(_Section, frozen=True, kw_only=True):
    """``[meter.calibration]``: a certificate of this very meter; replaces the data sheet's current limits.

    True current = ``gain_ratio`` x indicated + ``offset_a``; ``gain_u_ratio`` and ``offset_u_a`` are their standard
    uncertainties (k = 1).
    """

    gain_ratio: Annotated[float, Meta(gt=0.0)]
    offset_a: float
    gain_u_ratio: Annotated[float, Meta(ge=0.0)]
    offset_u_a: Annotated[float, Meta(ge=0.0)]
    certificate: str
    date: str

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.gain_ratio, self.offset_a, self.gain_u_ratio, self.offset_u_a))):
            raise ValueError(
                "gain and offset and their uncertainties are finite numbers: take them from the certificate"
            )


class MeterSection(_Section, frozen=True, kw_only=True):
    """``[meter]``: which meter on which port, and on which side of the power supply it sits.

    "site" is what some meters measure and no agent can use: ``app.prepare`` says so.
    """

    driver: str
    port: str
    boundary: Boundary | Literal["site"]
    meter_id: str = ""
    simulated: bool = False
    options: dict[str, OptionValue] = {}
    calibration: CalibrationSection | None = None


class ModelSection(_Section, frozen=True, kw_only=True):
    """``[model]``: a model of the catalog by ``id``, or an own file by ``path`` and ``sha256`` under that ``id``.

    ``catalog``: the folder of another catalogue than the one that comes along; ``catalog_sha256``, of its
    catalog.toml, pins everything in it. ``check_set``: npz with inputs for an own file; without it, random inputs of a
    fixed seed. ``delegate``: "auto" (what the engine takes by itself), "none", "xnnpack", or the library of an
    external delegate.
    """

    id: Identifier
    path: str = ""
    sha256: Sha256 | None = None
    check_set: str = ""
    check_set_sha256: Sha256 | None = None
    catalog: str = ""
    catalog_sha256: Sha256 | None = None
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    engine: str = "auto"
    delegate: str = "auto"
    delegate_options: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.path and self.sha256 is None:
            raise ValueError("path is set but sha256 is not: state the hash of your own model file")
        if self.check_set and not self.path:
            raise ValueError("check_set is for an own model file: set path too, or leave check_set out")
        if self.check_set_sha256 and not self.check_set:
            raise ValueError("check_set_sha256 is set but check_set is not: name the file, or leave the hash out")
        if self.path and (self.catalog or self.catalog_sha256):
            raise ValueError("path and catalog exclude each other: name a file of your own, or a model of a catalogue")
        if self.catalog and self.catalog_sha256 is None:
            raise ValueError(
                "catalog is set but catalog_sha256 is not: state the hash of its catalog.toml, which pins all in it"
            )


class WorkloadSection(_Section, frozen=True, kw_only=True):
    """``[workload]``: "saturate", or "paced" by either ``duty_ratio`` (the default, 0.5) or ``inferences_per_s``."""

    kind: Literal["paced", "saturate"] = "paced"
    duty_ratio: Ratio | None = None
    inferences_per_s: Rate | None = None

    def __post_init__(self) -> None:
        if self.kind == "saturate" and (self.duty_ratio or self.inferences_per_s):
            raise ValueError('kind = "saturate" takes neither duty_ratio nor inferences_per_s: remove them')
        if self.duty_ratio and self.inferences_per_s:
            raise ValueError("duty_ratio and inferences_per_s exclude each other: keep one")
        if self.kind == "paced" and not self.duty_ratio and not self.inferences_per_s:
            msgspec.structs.force_setattr(self, "duty_ratio", DEFAULT_DUTY_RATIO)


class InputSection(_Section, frozen=True, kw_only=True):
    """``[input]``: where inputs come from.

    "check_set": the model's own, over and over; "directory": the .npy and .npz files of ``path`` in order of name;
    "stdin" and "socket" (a Unix socket at ``path``): raw tensors back to back, each run as it arrives;
    "application": none, another program runs its own model and says so at the socket ``path`` or through
    ``edge_agent.metering``. ``runtime``: what that program runs its model with, as the records shall have it.
    ``models``: sha256 by id of further models that it may name, beside ``[model]`` and the catalog.
    """

    source: Literal["check_set", "directory", "stdin", "socket", "application"] = "check_set"
    path: str = ""
    runtime: RuntimeIdentity | None = None
    models: dict[Identifier, Sha256] = {}

    def __post_init__(self) -> None:
        if self.source in {"directory", "socket"} and not self.path:
            raise ValueError(f'source = "{self.source}" needs path')
        if self.source in {"check_set", "stdin"} and self.path:
            raise ValueError(f'source = "{self.source}" takes no path: remove it, or choose "directory" or "socket"')
        if (self.source == "application") != (self.runtime is not None):
            raise ValueError(
                'runtime is for source = "application", which needs it: runtime, version, delegate, threads'
            )


class AlignSection(_Section, frozen=True, kw_only=True):
    """``[align]``: how the meter's time is tied to the host's; "auto" takes the best that is wired or possible.

    A marker line into the meter's input ``marker_input``: ``gpio_chip`` and ``gpio_line`` (an offset or a name), or
    the ``modem_signal`` of the serial adapter ``modem_port``; ``marker_socket`` for an emulated meter. ``pulses``: at
    the start. ``pattern_s``: seconds of the load pattern of step correlation.
    """

    method: Literal["auto", "gpio_marker", "serial_marker", "step_correlation", "none"] = "auto"
    gpio_chip: str = ""
    gpio_line: str = ""
    modem_port: str = ""
    modem_signal: Literal["rts", "dtr"] = "rts"
    marker_socket: str = ""
    marker_input: Annotated[int, Meta(ge=0, le=7)] = 0
    pulses: Annotated[int, Meta(ge=3, le=64)] = 8
    pattern_s: Annotated[float, Meta(ge=2.0, le=120.0)] = 8.0

    def __post_init__(self) -> None:
        if bool(self.gpio_chip) != bool(self.gpio_line):
            raise ValueError("gpio_chip and gpio_line name a line together: give both or neither")
        if sum(map(bool, (self.gpio_chip, self.modem_port, self.marker_socket))) > 1:
            raise ValueError("gpio_chip, modem_port and marker_socket exclude each other: only one line is driven")
        if self.method == "gpio_marker" and not (self.gpio_chip or self.modem_port or self.marker_socket):
            raise ValueError('method = "gpio_marker" needs a line: gpio_chip and gpio_line, or modem_port')


class BenchSection(_Section, frozen=True, kw_only=True):
    """``[bench]``: what ``edgejoule agent bench`` does, and when it rejects its own result.

    ``max_baseline_drift_ratio``: of the baselines before and after. ``max_lost_ratio``: of the samples.
    ``max_spread_ratio``: coefficient of variation of the windows. ``max_other_cpu_ratio``: cores of other processes.
    """

    windows: Annotated[int, Meta(ge=5, le=1000)] = 5
    window_s: Annotated[float, Meta(ge=10.0, le=3600.0)] = 10.0
    baseline_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 10.0
    warm_up_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 3.0
    max_baseline_drift_ratio: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.05
    max_lost_ratio: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.001
    max_spread_ratio: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.02
    max_other_cpu_ratio: Annotated[float, Meta(gt=0.0, le=64.0)] = 0.1


class WindowSection(_Section, frozen=True, kw_only=True):
    """``[window]``: length of a measurement window; ``baseline_s`` of idling before the workload, 0 for none."""

    window_s: Annotated[float, Meta(ge=0.5, le=3600.0)] = 10.0
    baseline_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 0.0


class OutboxSection(_Section, frozen=True, kw_only=True):
    """``[outbox]``: what waits on the device's disk. ``max_bytes``: of windows as kept, compressed to about a third.

    ``synchronous``: "FULL" writes each window through to the card before it counts as kept; "NORMAL" leaves that to
    the system, and a power cut may take the latest windows.
    """

    max_bytes: Annotated[int, Meta(ge=64 * 1024, le=2**40)] = 256 * 1024 * 1024
    max_age_s: Annotated[float, Meta(ge=60.0, le=10 * 365 * 86_400.0)] = 30 * 86_400.0
    synchronous: Literal["FULL", "NORMAL"] = "FULL"


class PublishSection(_Section, frozen=True, kw_only=True):
    """``[publish]``: how windows are bundled, and whose clock dates a device that has none.

    A message goes out when it holds ``max_windows`` or its oldest window has waited ``max_wait_s``. ``clock_wait_s``:
    how long after connecting the system clock may still be set by itself before the collector is asked for the time.
    """

    max_windows: Annotated[int, Meta(ge=1, le=MAX_WINDOWS_PER_MESSAGE)] = MAX_WINDOWS_PER_MESSAGE
    max_wait_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 0.0
    clock_wait_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 5.0


class HealthSection(_Section, frozen=True, kw_only=True):
    """``[health]``: how often numbers about the agent itself are published."""

    interval_s: Annotated[float, Meta(ge=0.5, le=86400.0)] = 60.0


class RemoteSection(_Section, frozen=True, kw_only=True):
    """``[remote]``: who may order this device to do what. ``operators``: a file of public keys, "" for nobody.

    ``allow``: what may be ordered, nothing by default. ``max_model_bytes``: of a model and its check set together;
    ``max_fetch_s``: how long fetching them may take. ``batch_folders``: the inputs of a batch, by name.
    """

    operators: str = ""
    allow: tuple[ActionKind, ...] = ()
    max_model_bytes: Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)] = 64 * 1024 * 1024
    max_fetch_s: Annotated[float, Meta(ge=1.0, le=7 * 86_400.0)] = 6 * 3600.0
    batch_folders: dict[Identifier, str] = {}
    min_window_s: Annotated[float, Meta(ge=0.5, le=3600.0)] = 1.0
    max_window_s: Annotated[float, Meta(ge=0.5, le=3600.0)] = 600.0
    max_duty_ratio: Ratio = 1.0

    def __post_init__(self) -> None:
        if self.allow and not self.operators:
            raise ValueError("allow is set but operators is not: name the file with the operators' public keys")
        if self.min_window_s > self.max_window_s:
            raise ValueError("min_window_s is above max_window_s: swap them")


class GridSection(_Section, frozen=True, kw_only=True):
    """``[grid]``: where this device's power comes from, for work that may wait for a greener hour. "" for no ``zone``.

    ``kind``: the intensity to go by. ``max_age_s``: a forecast whose source said nothing for longer is not believed.
    """

    zone: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?\Z")] = ""
    kind: Literal["average", "marginal"] = "average"
    max_age_s: Annotated[float, Meta(ge=60.0, le=7 * 86_400.0)] = 24 * 3600.0


class AgentConfig(_Section, frozen=True, kw_only=True):
    """The whole file."""

    device: DeviceSection
    meter: MeterSection
    model: ModelSection
    broker: BrokerSettings
    workload: WorkloadSection = WorkloadSection()
    input: InputSection = InputSection()
    window: WindowSection = WindowSection()
    align: AlignSection = AlignSection()
    bench: BenchSection = BenchSection()
    outbox: OutboxSection = OutboxSection()
    publish: PublishSection = PublishSection()
    health: HealthSection = HealthSection()
    remote: RemoteSection = RemoteSection()
    grid: GridSection = GridSection()
    job: tuple[JobConfig, ...] = ()


def load_config(path: Path) -> AgentConfig:
    """Read, check and return the configuration, its paths made absolute. Raises ConfigurationError: one line."""
    config = _resolve(read_toml(path, AgentConfig), path.resolve().parent)
    try:
        _ = check_settings(config.broker)
        check_jobs(config.job, config.remote.batch_folders)
        _refuse_jobs_beside_other_work(config)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return config


def _refuse_jobs_beside_other_work(config: AgentConfig) -> None:
    if config.job and config.input.source not in {"check_set", "directory"}:
        raise ConfigurationError(
            f"[[job]] {config.job[0].name}: with [input] source = {config.input.source!r} the work comes from "
            "elsewhere; leave the jobs to whoever sends it"
        )


def _resolve(config: AgentConfig, base: Path) -> AgentConfig:
    paths = ["path", "check_set", "catalog"] + (["delegate"] if "/" in config.model.delegate else [])
    return msgspec.structs.replace(
        config,
        device=_absolute(config.device, base, "state_dir", "pid_file"),
        model=_absolute(config.model, base, *paths),
        input=_absolute(config.input, base, "path"),
        align=_absolute(config.align, base, "marker_socket"),
        remote=msgspec.structs.replace(
            _absolute(config.remote, base, "operators"),
            batch_folders={name: str(base / path) for name, path in config.remote.batch_folders.items()},
        ),
        broker=_absolute(config.broker, base, "password_file", "ca_file", "cert_file", "key_file"),
    )


def _absolute(section: Any, base: Path, *names: str) -> Any:
    given = {name: getattr(section, name) for name in names}
    return msgspec.structs.replace(section, **{name: str(base / value) for name, value in given.items() if value})
