"""``edgejoule agent bench`` as a process of its own, beside an emulated meter that follows its CPU use."""

import csv
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import msgspec
import numpy as np

from edge_agent.bench.plan import make_plan
from edge_agent.config import BenchSection
from edge_agent.wire.records import BenchRecord
from firmware_bridge.driver import Options
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.faults import Faults
from firmware_bridge.loads import LoadSource, ProcessLoad
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import F64
from tests.fakes.delivery import wait_until

IDLE_W, BUSY_W = 0.3, 4.1
"""Little idle power: joules per inference then hardly change with the share of the CPU that other tests leave, and a
bench beside which tests end or begin does not drift one way."""

LENIENT = "max_other_cpu_ratio = 64.0\nmax_spread_ratio = 1.0\nmax_baseline_drift_ratio = 1.0\nmax_lost_ratio = 0.05\n"
"""This machine runs other tests meanwhile: what they do to the load is not what these tests are about, nor is what an
emulator or a reader loses that gets no CPU for half a second."""


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


class BenchProcess:
    """A bench that runs, in the test's hand."""

    def __init__(self, process: subprocess.Popen[str], err_path: Path) -> None:
        self._process, self._err_path = process, err_path

    @property
    def err(self) -> str:
        """Return what it has said on standard error by now."""
        return self._err_path.read_text(encoding="utf-8")

    def wait_for_phase(self, phase: str) -> None:
        """Return when it says that ``phase`` begins; fail with what it said instead where it ends before that."""
        wait_until(lambda: f"\n{phase}, about" in f"\n{self.err}" or self._process.poll() is not None, phase)
        assert self._process.poll() is None, self.err

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def done(self, timeout_s: float = 120.0) -> Done:
        """Wait for its end."""
        out, _ = self._process.communicate(timeout=timeout_s)
        return Done(self._process.returncode, out, self.err)


@contextmanager
def running_bench(config: Path, *words: str) -> Iterator[BenchProcess]:
    err_path = config.with_name("bench.err")
    with err_path.open("w", encoding="utf-8") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "edgejoule", "agent", "bench", "--config", str(config), *words],
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
    try:
        yield BenchProcess(process, err_path)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def bench_command(config: Path, *words: str) -> Done:
    with running_bench(config, *words) as process:
        return process.done()


class TrueLoad:
    """What the emulated load drew, from the truth file in ``directory``."""

    def __init__(self, directory: Path) -> None:
        with (directory / "truth.csv").open(encoding="ascii") as file:
            rows = [(float(t_unix_ns), float(energy_j)) for t_unix_ns, energy_j in list(csv.reader(file))[1:]]
        self._times_ns, self._energies_j = np.array(rows).T

    def drawn_j(self, edges_ns: F64) -> F64:
        """Return the energy between each two of ``edges_ns``, shape ``(n,)``."""
        return np.diff(np.interp(edges_ns, self._times_ns, self._energies_j))

    def mean_w(self, begin_ns: float, seconds: float) -> float:
        return float(self.drawn_j(np.array([begin_ns, begin_ns + 1e9 * seconds]))[0]) / seconds


def true_baselines_w(directory: Path, record: BenchRecord) -> tuple[float, float]:
    """Return the true mean powers of the baselines before and after: what the agent itself costs is in them.

    Where they lie follows from the plan and the windows, up to what the host was late: idling lasts beyond both ends.
    """
    before, after = record.baseline_before, record.baseline_after
    assert before is not None
    assert after is not None
    is_smoke = any(reason.startswith("smoke run") for reason in record.rejections)
    plan = make_plan(BenchSection(), get_driver(record.meter_driver).data_sheet, smoke=is_smoke)
    margin_s, load = plan.guard_s + record.sync_residual_s, TrueLoad(directory)
    before_ns = record.t_start_unix_ns - 1e9 * (record.warm_up_s + margin_s + before.duration_s)
    windows_s = sum(window.duration_s for window in record.windows)
    after_ns = record.t_start_unix_ns + 1e9 * (windows_s + 2.0 * margin_s + plan.settle_s)
    return load.mean_w(before_ns, before.duration_s), load.mean_w(after_ns, after.duration_s)


def true_j_per_inference(directory: Path, record: BenchRecord) -> tuple[float, float]:
    """Return the true gross and net joules per inference, from what the load drew in windows and baselines."""
    edges_ns = record.t_start_unix_ns + 1e9 * np.cumsum([0.0, *(one.duration_s for one in record.windows)])
    pairs = list(zip(TrueLoad(directory).drawn_j(edges_ns).tolist(), record.windows, strict=True))
    idle_w = fmean(true_baselines_w(directory, record))
    gross_j = median(energy_j / one.inference_count for energy_j, one in pairs)
    net_j = median((energy_j - idle_w * one.duration_s) / one.inference_count for energy_j, one in pairs)
    return gross_j, net_j
