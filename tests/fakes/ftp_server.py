"""A real FTP server (pyftpdlib) on loopback, as a process of its own: a store with names to change, not objects."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.ports import free_port

USER, PASSWORD = "collector", "pass"


@contextmanager
def running_ftp_server(directory: Path) -> Iterator[int]:
    """Serve ``directory``, writable for ``USER``; yield the port."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    words = ["-i", "127.0.0.1", "-p", str(port), "-w", "-d", str(directory), "-u", USER, "-P", PASSWORD]
    with (directory.parent / "ftp.log").open("ab") as log:
        command = [sys.executable, "-W", "ignore", "-m", "pyftpdlib", *words]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_up(port, process)
        yield port
    finally:
        process.kill()
        process.wait()


def _wait_until_up(port: int, process: subprocess.Popen[bytes], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the FTP server did not come up")
