"""The near end of ``ssh_worker``: asks it from any thread, and waits for the answer."""

import base64
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.fleet.problems import BoardError, connection_problem

CONNECT_TIMEOUT_S: Final = 15
ANSWER_S: Final = 60.0
_END_S: Final = 10.0


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How a board is reached. None: as ssh_config says, or the usual."""

    host: str
    port: int | None = None
    user: str | None = None
    key: str | None = None


class Said(msgspec.Struct, frozen=True):
    """What a command wrote, and whether it ended with 0."""

    succeeded: bool
    stdout: str
    stderr: str


class Hands:
    """SSH connections to boards, by device id. Use it in a ``with`` statement.

    ``known_hosts``: another file than the usual one. ``accept_new``: take and note the key of a host that it lacks.
    """

    def __init__(
        self, logins: Mapping[str, Login], *, known_hosts: Path | None = None, accept_new: bool = False
    ) -> None:
        """Raise ConfigurationError where pyinfra is not installed."""
        if find_spec("pyinfra") is None:
            raise ConfigurationError(
                "SSH to boards needs pyinfra, which is not installed: pip install 'edgejoule[deploy]'"
            )
        self._hosts = {name: _host_data(login, known_hosts, accept_new=accept_new) for name, login in logins.items()}
        self._where = {name: login.host for name, login in logins.items()}
        self._numbers = itertools.count(1)
        self._waiting: dict[int, SimpleQueue[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        # A session of its own: Ctrl-C is for whoever asked, and the connections outlive it until all is said.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edgejoule.deploy.fleet.ssh_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._send({"hosts": self._hosts, "connect_timeout_s": CONNECT_TIMEOUT_S})
        self._reader = threading.Thread(target=self._read, name="ssh answers", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_END_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(self, device_id: str, command: str, *, timeout_s: float = ANSWER_S) -> Said:
        """Run a shell command on a board. Raises BoardError when it cannot be reached or does not answer."""
        done = self._ask(device_id, {"op": "run", "command": command, "timeout_s": timeout_s})
        return Said(done["succeeded"], done["stdout"], done["stderr"])

    def put(  # a copy has two ends
        self,
        device_id: str,
        local: Path,
        remote: str,
        *,
        mode: int = 0o600,
        resume: bool = False,
        tell: Callable[[int], None] = lambda _bytes: None,
    ) -> None:
        """Copy a file to a board; with ``resume`` go on where an earlier copy ended. Raises BoardError."""
        request = {"op": "put", "local": str(local), "remote": remote, "mode": mode, "resume": resume}
        self._ask(device_id, request, tell)

    def put_bytes(self, device_id: str, content: bytes, remote: str) -> None:
        """Write a small file on a board, readable by us alone; it lies in no file here. Raises BoardError."""
        said = base64.b64encode(content).decode()
        self._ask(device_id, {"op": "put", "content": said, "remote": remote, "mode": 0o600, "resume": False})

    def _ask(
        self, device_id: str, request: dict[str, Any], tell: Callable[[int], None] = lambda _bytes: None
    ) -> dict[str, Any]:
        number = next(self._numbers)
        answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._waiting[number] = answers
        try:
            self._send({"id": number, "host": device_id, **request})
            while True:
                answer = answers.get()
                if "done_bytes" in answer:
                    tell(answer["done_bytes"])
                    continue
                if "error" in answer:
                    raise BoardError(connection_problem(answer["kind"], answer["error"], self._where[device_id]))
                return answer
        finally:
            del self._waiting[number]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            with self._lock:
                self._process.stdin.write(json.dumps(message).encode() + b"\n")
                self._process.stdin.flush()
        except OSError as error:
            raise BoardError(connection_problem("worker", str(error), "")) from error

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith(b"\n"):
                break  # it ended in the middle of a word
            message = json.loads(line)
            waiting = self._waiting.get(message["id"])
            if waiting is not None:
                waiting.put(message)
        for waiting in list(self._waiting.values()):
            waiting.put({"error": "the process that holds the connections ended", "kind": "worker"})


def _host_data(login: Login, known_hosts: Path | None, *, accept_new: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "ssh_hostname": login.host,
        "ssh_strict_host_key_checking": "accept-new" if accept_new else "yes",
    }
    given = {"ssh_port": login.port, "ssh_user": login.user, "ssh_key": login.key}
    data.update({key: value for key, value in given.items() if value is not None})
    if known_hosts is not None:
        data["ssh_known_hosts_file"] = str(known_hosts)
    return data
