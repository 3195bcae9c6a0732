"""Processes that a chaos test kills, freezes and starts again: device, collector, InfluxDB. None outlives its test."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from tests.fakes.brokers import BrokerProcess
from tests.fakes.chaos_device import DeviceState
from tests.fakes.chaos_truth import WindowKey, true_windows
from tests.fakes.delivery import CollectorProcess, wait_until
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.ports import free_port
from tests.what_is_there import find_program

DATABASE = "edgejoule"
PATIENCE_S = 60.0


class Victim(Protocol):
    """What may be hit."""

    def kill(self) -> None: ...
    def start(self) -> object: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class DeviceProcess:
    """``tests.fakes.chaos_device`` in a process of its own."""

    def __init__(
        self,
        directory: Path,
        broker_url: str,
        device_id: str,
        *,
        protocol: Literal["5", "3.1.1"] = "5",
        jumping: bool = False,
        max_bytes: int | None = None,
    ) -> None:
        self.device_id = device_id
        self.boot_number = 1
        self.directory = directory
        self._arguments = ["--broker", broker_url, "--protocol", protocol, *(["--jumping"] if jumping else [])]
        self._arguments += [] if max_bytes is None else ["--max-bytes", str(max_bytes)]
        self._work: tuple[int, float] = (0, 0.0)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["--dir", str(self.directory), "--device", self.device_id, "--boot", str(self.boot_number)]
        with (self.directory / f"{self.device_id}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.chaos_device", *words, *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        if self._work[0]:
            self.make(*self._work)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._end()

    def reboot(self) -> None:
        """Kill it; its next start is after another boot of the kernel."""
        self.kill()
        self.boot_number += 1

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Let it say goodbye; kill it when it does not end."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.wait(20)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process = None

    def make(self, count: int, rate_hz: float = 0.0) -> None:
        """Make ``count`` more windows, also over kills: the rest is made after the next start."""
        self._work = (count, rate_hz)
        self._ask(f"make {count} {rate_hz}")

    def halt(self) -> DeviceState:
        """Make no more."""
        self._work = (0, 0.0)
        self._ask("halt")
        return self.state()

    def state(self) -> DeviceState:
        return self._ask("state")

    def _ask(self, line: str) -> DeviceState:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        assert answer, f"{self.device_id} died:\n{self.log_text}"
        return msgspec.json.decode(answer, type=DeviceState)

    def wait_made(self) -> None:
        wait_until(lambda: not self.state().to_make, f"{self.device_id} made what it was told", PATIENCE_S)
        self._work = (0, 0.0)

    def wait_empty(self) -> None:
        wait_until(lambda: not self.state().held, f"the outbox of {self.device_id} is empty", PATIENCE_S)

    def true_windows(self) -> dict[WindowKey, float]:
        """Return every window that it ever made. It may run, but must not make more now."""
        return true_windows(self.directory, self.device_id)

    @property
    def log_text(self) -> str:
        return (self.directory / f"{self.device_id}.log").read_text(errors="replace")[-3000:]


class ChaosCollector(CollectorProcess):
    """The collector with an InfluxDB, and with hands on its process."""

    def __init__(self, directory: Path, broker_url: str, influxdb_url: str) -> None:
        super().__init__(directory, broker_url)
        self.config_file = directory / "collector.toml"
        self.lake_dir = directory / "lake"
        text = self.config_file.read_text()
        with self.config_file.open("w") as config:
            config.write(text.replace("[lake]\n", f'[lake]\ndir = "{self.lake_dir}"\n'))
            config.write(f'[influxdb]\nurl = "{influxdb_url}"\ndatabase = "{DATABASE}"\nmax_wait_s = 0.05\n')

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """Stop it; kill it when it does not end."""
        if not self.running:
            return
        try:
            self.thaw()
            self.stop()
        finally:
            if self.running:
                self.kill()

    def peak_memory_bytes(self) -> int:
        """Return the highest resident memory since the process began (VmHWM)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM in /proc")


class InfluxProcess:
    """The real influxd, always on the same port and the same directory."""

    def __init__(self, directory: Path) -> None:
        assert find_program("influxd")
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._context = contextlib.ExitStack()
        self.server: InfluxServer | None = None

    def start(self) -> None:
        self.server = self._context.enter_context(running_influxd(self.directory, port=self.port))

    def kill(self) -> None:
        assert self.server is not None
        self.server.process.kill()
        self.server.process.wait(20)
        self._context.close()
        self.server = None

    def freeze(self) -> None:
        assert self.server is not None
        self.server.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.server is not None
        self.server.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        if self.server is not None:
            self.thaw()
        self._context.close()
        self.server = None

    def windows_of(self, device_id: str) -> list[tuple[WindowKey, float]]:
        """Return (boot id, seq) and joules of every point of a device."""
        assert self.server is not None
        series = self.server.query(
            f"SELECT boot, seq, energy_j FROM inference_window WHERE device = '{device_id}'", DATABASE
        )
        if not series:
            return []
        boots, seqs, joules = (series[0].column(name) for name in ("boot", "seq", "energy_j"))
        return [((boot, seq), one) for boot, seq, one in zip(boots, seqs, joules, strict=True)]

    def total(self, device_id: str) -> tuple[int, float]:
        """Return the count and the sum of the joules of one device, as a dashboard asks for them."""
        assert self.server is not None
        series = self.server.query(
            f"SELECT COUNT(energy_j), SUM(energy_j) FROM inference_window WHERE device = '{device_id}'", DATABASE
        )
        return (series[0].column("count")[0], series[0].column("sum")[0]) if series else (0, 0.0)


class ChaosBroker(BrokerProcess):
    """A broker whose end cannot hang on a frozen process."""

    def stop(self) -> None:
        with contextlib.suppress(AssertionError, ProcessLookupError):
            self.thaw()
        super().stop()
