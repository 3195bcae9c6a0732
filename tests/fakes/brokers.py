"""Real brokers on loopback: mosquitto or the embedded one, on a free port that stays theirs over restarts."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tests.fakes.ports import free_port
from tests.what_is_there import find_program

START_TIMEOUT_S = 20.0
Kind = Literal["mosquitto", "embedded"]


class BrokerProcess:
    """A broker that a test may stop, kill and start again."""

    def __init__(self, kind: Kind, directory: Path, extra_config: str = "") -> None:
        self.kind = kind
        self.port = free_port()
        self.port_v311 = self.port
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        if kind == "mosquitto":
            # A scratch broker that forgets everything when killed: the harder case.
            (directory / "mosquitto.conf").write_text(
                f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
                f"max_queued_messages 100000\n{extra_config}"
            )
        else:
            self.port_v311 = free_port()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> "BrokerProcess":
        with (self._directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                break
            if all(listens(port) for port in {self.port, self.port_v311}):
                return self
            time.sleep(0.02)
        log_text = (self._directory / "broker.log").read_text()
        self.stop()
        raise RuntimeError(f"the {self.kind} broker did not start: {log_text}")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it accept connections but answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._process = None

    def _command(self) -> list[str]:
        if self.kind == "mosquitto":
            program = find_program("mosquitto")
            assert program is not None
            return [program, "-c", str(self._directory / "mosquitto.conf")]
        return [
            *(sys.executable, "-m", "edgejoule", "broker", "--port", str(self.port)),
            *("--port-v311", str(self.port_v311)),
        ]


def listens(port: int) -> bool:
    """Tell whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


@contextlib.contextmanager
def running_broker(kind: Kind, directory: Path, extra_config: str = "") -> Iterator[BrokerProcess]:
    """Start a broker; end it when the block ends."""
    broker = BrokerProcess(kind, directory, extra_config).start()
    try:
        yield broker
    finally:
        broker.stop()
