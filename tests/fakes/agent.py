"""``edgejoule agent run`` as it runs on a device, with an emulated meter that follows its CPU use."""

import contextlib
import csv
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge_agent.outbox_file import unpack
from edge_agent.wire.records import InferenceWindow
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.loads import ProcessLoad
from firmware_bridge.registry import get_driver

IDLE_W = 2.7
BUSY_W = 4.1
DEVICE_ID = "pi4-01"
CLOSED_PORT_URL = "mqtt://127.0.0.1:1"


def agent_toml(directory: Path, broker_url: str = CLOSED_PORT_URL, **changed: str) -> Path:
    """Write a configuration for a TC66C on ``directory``/tty; ``changed`` replaces whole tables' bodies by name."""
    tables = {
        "device": f'id = "{DEVICE_ID}"\nfleet = "demo"\nstate_dir = "state"\npid_file = "agent.pid"',
        "meter": f'driver = "tc66c"\nport = "{directory / "tty"}"\nboundary = "usb_dc"',
        "model": 'id = "digits_mlp_int8"',
        "workload": "duty_ratio = 0.3",
        "window": "window_s = 1.0",
        "align": 'method = "none"',
        "health": "interval_s = 0.5",
        "broker": f'url = "{broker_url}"',
        **changed,
    }
    path = directory / "agent.toml"
    path.write_text("".join(f"[{name}]\n{body}\n" for name, body in tables.items()), encoding="utf-8")
    return path


def emulated_meter(directory: Path, seed: int = 1) -> MeterEmulator:
    """Return a TC66C at ``directory``/tty whose truth is in ``directory``/truth.csv. A context manager."""
    settings = EmulatorSettings(voltage_v=5.1, noise_w=0.02, seed=seed, truth=directory / "truth.csv")
    load = ProcessLoad(directory / "agent.pid", idle_w=IDLE_W, busy_w=BUSY_W)
    return MeterEmulator(get_driver("tc66c"), directory / "tty", load, settings)


class AgentProcess:
    """The agent as a process of its own."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.log_path = config.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edgejoule", "agent", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop_undelivered(self) -> int:
        """Ask twice, by two signals as equal ones may become one; return its exit code.

        The first request ends the measuring, the second the wait for a collector.
        """
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGINT)
        return self.wait()

    def wait(self, timeout_s: float = 45.0) -> int:
        assert self._process is not None
        return self._process.wait(timeout_s)

    def end(self) -> None:
        if self.running:
            self.signal(signal.SIGKILL)
            self.wait()

    @property
    def log(self) -> list[dict[str, Any]]:
        """Return the log's JSON lines."""
        lines = self.log_path.read_text(encoding="utf-8").splitlines() if self.log_path.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == name]

    def stored(self) -> list[InferenceWindow]:
        """Return what the outbox on disk holds, read beside the running agent."""
        return outbox_windows(self.config.parent / "state/outbox.sqlite3")


def outbox_windows(path: Path) -> list[InferenceWindow]:
    """Return what the outbox at ``path`` holds, in order; nothing where it is not there yet."""
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        try:
            rows = db.execute("SELECT payload FROM windows WHERE payload IS NOT NULL ORDER BY key").fetchall()
        except sqlite3.OperationalError:
            return []
    return [msgspec.json.decode(unpack(row[0]), type=InferenceWindow) for row in rows]


@contextlib.contextmanager
def running_agent(config: Path) -> Iterator[AgentProcess]:
    agent = AgentProcess(config)
    agent.start()
    try:
        yield agent
    finally:
        agent.end()


def true_energy_j(directory: Path, window: InferenceWindow) -> float:
    """Return what the emulated load really drew during ``window``."""
    with (directory / "truth.csv").open(encoding="ascii") as file:
        rows = [(float(t_unix_ns), float(energy_j)) for t_unix_ns, energy_j in list(csv.reader(file))[1:]]
    times, energies = np.array(rows).T
    begin_ns = float(window.t_start_unix_ns)
    edges_j = np.interp([begin_ns, begin_ns + window.duration_s * 1e9], times, energies)
    return float(edges_j[1] - edges_j[0])
