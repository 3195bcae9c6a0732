"""Runs the demo from first process to final report."""

import contextlib
import fcntl
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec
from rich.live import Live

from collector.build import build_assessor
from collector.config import listening_at, read_config
from collector.journal import Journal
from collector.serving import live_page
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import parse_broker_url
from edgejoule.demo import fleet_plan
from edgejoule.demo.children import Household
from edgejoule.demo.fleet_plan import DEVICES
from edgejoule.demo.live import LiveView
from edgejoule.demo.models import inventory_rows
from edgejoule.demo.outcome import TITLE, conclude, show, write_files
from edgejoule.demo.watch import Watch
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json
from edgejoule.signals import handled

LOOPBACK: Final = "127.0.0.1"
READY_S: Final = 30.0
FLUSH_S: Final = 40.0
REPORT_EVERY_S: Final = 10.0
COLLECTOR: Final = "collector"
BROKER: Final = "broker"


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What the user asked for."""

    seconds: float
    window_s: float
    broker_url: str | None
    influxdb_url: str | None
    out_dir: Path
    serve: bool
    chaos: bool
    seed: int
    as_json: bool
    gain_error: float | None


def run_demo(settings: DemoSettings) -> int:
    """Run the demo and return its exit code: 1 if a window was lost or a meter is off by more than three u."""
    root = settings.out_dir.resolve()
    with (
        _own_directory(root),
        handled((signal.SIGTERM, signal.SIGHUP), _unwind_like_ctrl_c),
        Household(root / "logs") as household,
    ):
        try:
            _measure(settings, root, household)
        except KeyboardInterrupt:
            stderr_console().print("\nstopping every process of the demo")
            raise
        outcome = conclude(root, household.restarts, _broker_label(settings))
    write_files(outcome, root)
    if settings.as_json:
        write_json(outcome)
    else:
        show(outcome, root, stdout_console())
    return EXIT_DONE if outcome.ok else EXIT_NO


def _measure(settings: DemoSettings, root: Path, household: Household) -> None:
    broker_url = settings.broker_url or _start_broker(household)
    _check_broker(broker_url)
    _write_configs(settings, root, broker_url)
    household.add(COLLECTOR, ["collector", "run", "--config", str(fleet_plan.collector_config_file(root))])
    for device in DEVICES:
        household.add(
            f"meter-{device.device_id}", fleet_plan.emulator_words(device, root, settings.seed, settings.gain_error)
        )
    links = [fleet_plan.meter_link(device, root) for device in DEVICES]
    household.wait_until(lambda: all(link.exists() for link in links), READY_S, "the simulated meters' ports")
    agents = [f"agent-{device.device_id}" for device in DEVICES]
    for name, device in zip(agents, DEVICES, strict=True):
        household.add(name, ["agent", "run", "--config", str(root / f"{device.device_id}.toml")])
    config = read_config(fleet_plan.collector_config_file(root))
    household.wait_until(config.journal_path.exists, READY_S, "the collector's journal")
    with contextlib.closing(Journal(config.journal_path, read_only=True)) as journal:
        view = LiveView(journal, build_assessor(config), settings.seconds)
        _watch(settings, root, household, view, agents)
    household.stop([name for name in household.children if name not in {BROKER, COLLECTOR}], timeout_s=10.0)
    household.stop([COLLECTOR], timeout_s=20.0)
    household.stop([BROKER], timeout_s=5.0)


def _watch(settings: DemoSettings, root: Path, household: Household, view: LiveView, agents: list[str]) -> None:
    """Show the table until time is up, then let the agents flush what they hold."""
    console = stderr_console()
    with Live(console=console, auto_refresh=False, transient=settings.as_json) as live:
        watch = Watch(household, view, live)
        if settings.serve:
            _serve_until_ctrl_c(watch, root, settings)
        else:
            watch.until(settings.seconds, _chaos_plan(settings))
        watch.while_they_leave(agents, FLUSH_S, (BROKER, COLLECTOR))
    if not console.is_terminal:
        console.print()


def _serve_until_ctrl_c(watch: Watch, root: Path, settings: DemoSettings) -> None:
    """Serve the live page, with the report beside it, and keep measuring until the user has seen enough."""
    config = listening_at(read_config(fleet_plan.collector_config_file(root)), f"{LOOPBACK}:0")
    titled = msgspec.structs.replace(config, web=msgspec.structs.replace(config.web, title=TITLE))
    with live_page(titled, report=root / "report.html") as page, contextlib.suppress(KeyboardInterrupt):
        watch.say(f"live page at {page.url}, Ctrl-C ends; the report is at {page.url}report")
        kills = _chaos_plan(settings)
        while True:
            watch.until(watch.elapsed_s + REPORT_EVERY_S, kills)
            write_files(conclude(root, {}, _broker_label(settings)), root)


def _chaos_plan(settings: DemoSettings) -> list[tuple[float, str]]:
    if not settings.chaos:
        return []
    plan = [(settings.seconds * 0.4, COLLECTOR)]
    return plan if settings.broker_url else [*plan, (settings.seconds * 0.6, BROKER)]


def _start_broker(household: Household) -> str:
    port = _free_port()
    household.add(BROKER, ["broker", "--listen", LOOPBACK, "--port", str(port)])
    household.wait_until(lambda: _accepts(LOOPBACK, port), READY_S, "the embedded broker")
    return f"mqtt://{LOOPBACK}:{port}"


def _check_broker(url: str) -> None:
    address = parse_broker_url(url)
    if not _accepts(address.host, address.port):
        raise ConfigurationError(
            f"{url}: no broker answers there; start one, or leave --broker out for the embedded one"
        )


def _write_configs(settings: DemoSettings, root: Path, broker_url: str) -> None:
    for folder in ("dev", "run", "truth"):
        (root / folder).mkdir()
    collector_toml = fleet_plan.collector_toml(root, broker_url, settings.influxdb_url)
    fleet_plan.collector_config_file(root).write_text(collector_toml, encoding="utf-8")
    (root / "inventory.toml").write_text(fleet_plan.inventory_toml(inventory_rows()), encoding="utf-8")
    for device in DEVICES:
        text = fleet_plan.agent_toml(device, root, broker_url, settings.window_s)
        (root / f"{device.device_id}.toml").write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _own_directory(root: Path) -> Iterator[None]:
    """Take the run's directory for this process alone, emptied of an earlier run, of nothing else."""
    marker = root / ".edgejoule-demo"
    if root.exists() and not marker.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigurationError(f"{root}: holds something that is no earlier demo run; name another --out")
    try:
        root.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError as error:
        raise ConfigurationError(f"{root}: cannot write there: {error.strerror}; name another --out") from error
    with marker.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(f"{root}: another demo runs there; stop it or name another --out") from error
        for entry in root.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != marker:
                entry.unlink()
        try:
            yield
        finally:
            shutil.rmtree(root / "dev", ignore_errors=True)
            shutil.rmtree(root / "run", ignore_errors=True)


def _unwind_like_ctrl_c(_number: int, _frame: FrameType | None) -> None:
    """Answer SIGTERM and SIGHUP so that every way out cleans up."""
    raise KeyboardInterrupt


def _broker_label(settings: DemoSettings) -> str:
    return settings.broker_url or "embedded (in-memory)"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False
