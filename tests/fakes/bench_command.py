"""``edgejoule agent bench`` as a process of its own, beside an emulated meter that follows its CPU use."""

import csv
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from edge_agent.wire.records import BenchRecord
from firmware_bridge.driver import Options
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.faults import Faults
from firmware_bridge.loads import LoadSource, ProcessLoad
from firmware_bridge.registry import get_driver
from tests.fakes.agent import BUSY_W, IDLE_W

LENIENT = "max_other_cpu_ratio = 64.0\nmax_spread_ratio = 1.0\nmax_baseline_drift_ratio = 1.0\n"
"""This machine runs other tests meanwhile: what they do to the load is not what these tests are about."""


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> BenchRecord:
        return msgspec.json.decode(self.out, type=BenchRecord)


def bench_settings(
    directory: Path, *, faults: Faults | None = None, options: Options | None = None, seed: int = 1
) -> EmulatorSettings:
    return EmulatorSettings(
        voltage_v=5.1,
        noise_w=0.02,
        seed=seed,
        truth=directory / "truth.csv",
        faults=faults or Faults(),
        options=options or {},
    )


def bench_meter(
    directory: Path, driver: str, settings: EmulatorSettings, load: LoadSource | None = None
) -> MeterEmulator:
    """Return a meter at ``directory``/tty that follows the process of ``agent_toml``'s pid file."""
    process = ProcessLoad(directory / "agent.pid", idle_w=IDLE_W, busy_w=BUSY_W)
    return MeterEmulator(get_driver(driver), directory / "tty", load or process, settings)


@contextmanager
def running_bench(config: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "edgejoule", "agent", "bench", "--config", str(config), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def bench_command(config: Path, *words: str, timeout_s: float = 120.0) -> Done:
    with running_bench(config, *words) as process:
        out, err = process.communicate(timeout=timeout_s)
        return Done(process.returncode, out, err)


def true_j_per_inference(directory: Path, record: BenchRecord) -> tuple[float, float]:
    """Return the true gross and net joules per inference, from what the emulated load drew in each window."""
    with (directory / "truth.csv").open(encoding="ascii") as file:
        rows = [(float(t_unix_ns), float(energy_j)) for t_unix_ns, energy_j in list(csv.reader(file))[1:]]
    times_ns, energies_j = np.array(rows).T
    edges_ns = record.t_start_unix_ns + 1e9 * np.cumsum([0.0, *(one.duration_s for one in record.windows)])
    drawn_j = np.diff(np.interp(edges_ns, times_ns, energies_j))
    pairs = list(zip(drawn_j, record.windows, strict=True))
    gross_j = median(float(energy_j) / window.inference_count for energy_j, window in pairs)
    s_per_inference = median(window.duration_s / window.inference_count for window in record.windows)
    return gross_j, gross_j - IDLE_W * s_per_inference
