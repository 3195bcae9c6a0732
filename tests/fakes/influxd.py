"""A real InfluxDB 1.x server (Debian's influxd) on free loopback ports in a scratch directory."""

import http.client
import json
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ports import free_port

_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{directory}/meta"
[data]
dir = "{directory}/data"
wal-dir = "{directory}/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{http_port}"
auth-enabled = {auth}
log-enabled = false
[logging]
level = "warn"
"""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an InfluxQL answer."""

    tags: dict[str, str]
    columns: list[str]
    values: list[list[Any]]

    def column(self, name: str) -> list[Any]:
        index = self.columns.index(name)
        return [row[index] for row in self.values]


@dataclass(frozen=True, slots=True)
class InfluxServer:
    """A running server. ``query`` speaks to it without any of the product's code."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def query(self, influxql: str, database: str = "", user: str = "", password: str = "") -> list[Series]:
        """Run InfluxQL and return its series; an error in the answer fails the test."""
        arguments = {"q": influxql, "db": database, "epoch": "ns"} | ({"u": user, "p": password} if user else {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/query?" + urllib.parse.urlencode(arguments))
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in answer or any("error" in result for result in answer["results"]):
            pytest.fail(f"InfluxQL failed: {influxql}\n{answer}")
        return [
            Series(series.get("tags", {}), series["columns"], series["values"])
            for result in answer["results"]
            for series in result.get("series", ())
        ]

    def write(self, database: str, line: str) -> None:
        """Write one line as somebody else's client would."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", f"/write?db={database}", line.encode())
            assert connection.getresponse().status == 204
        finally:
            connection.close()


@contextmanager
def running_influxd(directory: Path, *, auth: bool = False, port: int | None = None) -> Iterator[InfluxServer]:
    """Start influxd with its data under ``directory``, yield it, stop it by its process id."""
    program = shutil.which("influxd")
    if program is None:
        pytest.skip("influxd is not installed: apt-get install influxdb")
    directory.mkdir(parents=True, exist_ok=True)
    http_port = port or free_port()
    config = directory / "influxdb.conf"
    config.write_text(
        _CONFIG.format(
            rpc_port=free_port(), http_port=http_port, directory=directory, auth="true" if auth else "false"
        )
    )
    with (directory / "influxd.log").open("ab") as log:
        process = subprocess.Popen([program, "-config", str(config)], stdout=log, stderr=log)
    try:
        _wait_until_up(http_port, process, directory / "influxd.log")
        yield InfluxServer(http_port, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(port: int, process: subprocess.Popen[bytes], log: Path, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/ping")
            if connection.getresponse().status == 204:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    pytest.fail(f"influxd did not come up:\n{log.read_text(errors='replace')[-2000:]}")
