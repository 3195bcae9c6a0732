"""Runs the demo from first process to final report."""

import fcntl
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from rich.live import Live

from collector.journal import Journal
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import parse_broker_url
from edgejoule.demo import fleet_plan
from edgejoule.demo.children import Child, Household
from edgejoule.demo.fleet_plan import DEVICES, DemoDevice
from edgejoule.demo.live import LiveView
from edgejoule.demo.outcome import DemoOutcome, assessor_for, conclude, show, write_files
from edgejoule.demo.page import serve_report
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

LOOPBACK: Final = "127.0.0.1"
READY_S: Final = 30.0
FLUSH_S: Final = 40.0
LOOK_S: Final = 0.25
TABLE_S: Final = 1.0
SETTLE_S: Final = 8.0
SERVE_REPORT_EVERY_S: Final = 15.0
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
    with _own_directory(root), _terminate_like_ctrl_c(), Household(root / "logs") as household:
        restarts = _measure(settings, root, household)
        outcome = conclude(root, restarts, _broker_label(settings))
    write_files(outcome, root)
    if settings.as_json:
        write_json(outcome)
    else:
        show(outcome, root, stdout_console())
    return EXIT_DONE if outcome.ok else EXIT_NO


def _measure(settings: DemoSettings, root: Path, household: Household) -> dict[str, int]:
    broker_url = settings.broker_url or _start_broker(household)
    _check_broker(broker_url)
    _write_configs(settings, root, broker_url)
    household.add(COLLECTOR, ["collector", "run", "--config", str(root / "collector.toml")])
    for device in DEVICES:
        household.add(f"meter-{device.device_id}", _emulator_words(device, root, settings))
    links = [fleet_plan.meter_link(device, root) for device in DEVICES]
    household.wait_until(lambda: all(link.exists() for link in links), READY_S, "the simulated meters' ports")
    agents = [f"agent-{device.device_id}" for device in DEVICES]
    for name, device in zip(agents, DEVICES, strict=True):
        household.add(name, ["agent", "run", "--config", str(root / f"{device.device_id}.toml")])
    journal_file = root / COLLECTOR / "journal.sqlite3"
    household.wait_until(journal_file.exists, READY_S, "the collector's journal")
    _watch(settings, root, household, agents)
    restarts = {child.name: child.restarts for child in household.children.values() if child.restarts}
    others = [name for name in household.children if name not in {*agents, BROKER, COLLECTOR}]
    household.stop(others, timeout_s=10.0)
    household.stop([COLLECTOR], timeout_s=20.0)
    return restarts


def _watch(settings: DemoSettings, root: Path, household: Household, agents: list[str]) -> None:
    """Show the table until time is up, then let the agents flush what they hold."""
    journal = Journal(root / COLLECTOR / "journal.sqlite3", read_only=True)
    try:
        view = LiveView(journal, assessor_for(root), settings.seconds)
        console = stderr_console()
        with Live(console=console, auto_refresh=False, transient=settings.as_json) as live:
            started_s = time.monotonic()

            def draw(stage: str) -> None:
                view.refresh()
                live.update(view.render(time.monotonic() - started_s, stage), refresh=True)

            def note_restart(child: Child) -> None:
                view.notes.append(f"[yellow]{child.name} died and was started again[/]")

            _until_time_is_up(settings, root, household, draw, note_restart)
            household.stop(agents, FLUSH_S, lambda: _tend(household, draw, note_restart, agents))
            draw("done")
        if not console.is_terminal:
            console.print()
    finally:
        journal.close()


def _until_time_is_up(
    settings: DemoSettings,
    root: Path,
    household: Household,
    draw: Callable[[str], None],
    note_restart: Callable[[Child], None],
) -> None:
    started_s = time.monotonic()
    kills = _chaos_plan(settings)
    next_table_s = next_report_s = 0.0
    with serve_report(root) if settings.serve else _nothing() as address:
        stage = f"serving {address}, Ctrl-C ends" if address else "measuring"
        while (elapsed_s := time.monotonic() - started_s) < settings.seconds or settings.serve:
            try:
                household.keep_running(note_restart)
                if kills and elapsed_s > kills[0][0]:
                    household.children[kills.pop(0)[1]].kill()
                if elapsed_s >= next_table_s:
                    next_table_s = elapsed_s + TABLE_S
                    draw(stage)
                if settings.serve and elapsed_s >= next_report_s and elapsed_s > SETTLE_S:
                    next_report_s = elapsed_s + SERVE_REPORT_EVERY_S
                    write_files(conclude(root, {}, _broker_label(settings)), root)
                time.sleep(LOOK_S)
            except KeyboardInterrupt:
                if not settings.serve:
                    raise
                return


def _tend(
    household: Household,
    draw: Callable[[str], None],
    note_restart: Callable[[Child], None],
    leaving: list[str],
) -> None:
    """While the agents flush, keep broker and collector alive."""
    for name in (BROKER, COLLECTOR):
        child = household.children.get(name)
        if child is not None and name not in leaving and child.exit_code is not None:
            child.restarts += 1
            child.start()
            note_restart(child)
    draw("flushing")
    time.sleep(LOOK_S)


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
    (root / "collector.toml").write_text(collector_toml, encoding="utf-8")
    (root / "inventory.toml").write_text(fleet_plan.inventory_toml(), encoding="utf-8")
    for device in DEVICES:
        text = fleet_plan.agent_toml(device, root, broker_url, settings.window_s)
        (root / f"{device.device_id}.toml").write_text(text, encoding="utf-8")


def _emulator_words(device: DemoDevice, root: Path, settings: DemoSettings) -> list[str]:
    words = ["meter", "emulate", device.meter_driver, "--link", str(fleet_plan.meter_link(device, root))]
    words += ["--voltage-v", str(device.voltage_v), "--idle-w", str(device.idle_w), "--busy-w", str(device.busy_w)]
    words += ["--noise-w", str(device.noise_w), "--cpu-of-pid-file", str(fleet_plan.pid_file(device, root))]
    words += [
        "--truth",
        str(fleet_plan.truth_file(device, root)),
        "--seed",
        str(settings.seed + DEVICES.index(device)),
    ]
    for key, value in device.meter_options:
        words += ["--option", f"{key}={value}"]
    if settings.gain_error is not None:
        words += ["--gain-error", str(settings.gain_error)]
    return words


@contextmanager
def _own_directory(root: Path) -> Iterator[None]:
    """Take the run's directory for this process alone, emptied of an earlier run, of nothing else."""
    marker = root / ".edgejoule-demo"
    if root.exists() and not marker.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigurationError(f"{root}: holds something that is no earlier demo run; name another --out")
    root.mkdir(parents=True, exist_ok=True)
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


@contextmanager
def _terminate_like_ctrl_c() -> Iterator[None]:
    """Have SIGTERM and SIGHUP unwind like Ctrl-C, so that every way out cleans up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _nothing() -> Iterator[str]:
    yield ""


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


__all__ = ["DemoOutcome", "DemoSettings", "run_demo"]
