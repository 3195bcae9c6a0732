"""The process that holds the SSH connections, with pyinfra: ``python -m edgejoule.deploy.fleet.ssh_worker``.

pyinfra wants gevent to replace sockets, threads and time of the whole interpreter, so it has one to itself. It speaks
JSON lines: a request ``{"id", "op", "host", ...}`` on stdin is answered on stdout by ``{"id", "ok": true, ...}`` or
``{"id", "error", "kind"}``, a long upload also by ``{"id", "done_bytes"}``. The first line names the hosts. See
``hands.py``, its only caller. It ends with its stdin.
"""

# ruff: noqa: E402  gevent replaces the standard library before anybody else imports it
from gevent import monkey

monkey.patch_all()

import base64
import io
import json
import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from gevent import Greenlet
from gevent.fileobject import FileObjectThread
from paramiko import SFTPClient, SSHException, Transport
from pyinfra.api.config import Config
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.connectors.ssh import SSHConnector

CHUNK_BYTES: Final = 1 << 15
TELL_BYTES: Final = 1 << 20
KEEPALIVE_S: Final = 15
UNHEARD_S: Final = 60
"""A connection of which the other side acknowledges nothing for so long is broken: a plug was pulled."""
# What pyinfra says when it cannot connect, and what that is to whoever asked.
KINDS: Final = (
    ("No host key for", "host-key-unknown"),
    ("does not match", "host-key-changed"),
    ("Authentication error", "login"),
    ("rivate key file", "ssh-key"),
    ("No authentication methods", "login"),
    ("Could not resolve hostname", "no-such-host"),
    ("SFTP", "no-sftp"),
)


class Worker:
    """The hosts, and what is asked of them."""

    def __init__(self, hosts: dict[str, dict[str, Any]], connect_timeout_s: int, say: Callable[[Any], None]) -> None:
        self._say = say
        make_inventory: Any = Inventory  # untyped in pyinfra
        make_config: Any = Config
        inventory = make_inventory((list(hosts.items()), {}))
        state = State(inventory, make_config(CONNECT_TIMEOUT=connect_timeout_s))
        self._hosts: dict[str, Host] = {name: state.inventory.get_host(name) for name in hosts}

    def answer(self, request: dict[str, Any]) -> None:
        """Do what was asked for and say how it went."""
        number = request["id"]
        try:
            result = getattr(self, f"_do_{request['op']}")(request)
        except PyinfraError as error:
            self._refuse(number, str(error), next((kind for word, kind in KINDS if word in str(error)), "unreachable"))
        except TimeoutError:
            self._refuse(number, "no answer in time", "lost")
        except (SSHException, EOFError, ConnectionError) as error:
            self._refuse(number, str(error) or "the connection broke", "lost")
        except (OSError, ValueError) as error:
            self._refuse(number, str(error), "file" if _is_alive(self._hosts[request["host"]]) else "lost")
        else:
            self._say({"id": number, "ok": True, **result})

    def crashed(self, number: int, error: BaseException | None) -> None:
        """Say that a request met what nobody thought of: whoever asked waits for an answer."""
        self._refuse(number, f"{type(error).__name__}: {error}", "ssh")

    def _refuse(self, number: int, error: str, kind: str) -> None:
        self._say({"id": number, "error": " ".join(error.split()), "kind": kind})

    def _do_run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run a shell command; its exit code is not what ``ok`` means."""
        host = self._connected(request["host"])
        done, output = host.run_shell_command(request["command"], _timeout=request["timeout_s"])
        return {"succeeded": done, "stdout": output.stdout, "stderr": output.stderr}

    def _do_put(self, request: dict[str, Any]) -> dict[str, Any]:
        """Copy a file; what is there of an earlier try is gone on with where it ended."""
        host = self._connected(request["host"])
        sftp = _sftp(host)
        begin = _size(sftp, request["remote"]) if request["resume"] else 0
        size = Path(request["local"]).stat().st_size if "local" in request else 0
        begin = begin if begin <= size else 0
        with _source(request) as source, sftp.open(request["remote"], "r+b" if begin else "wb") as sink:
            if not request["resume"]:
                sink.chmod(request["mode"])
            sink.set_pipelined(True)
            source.seek(begin)
            sink.seek(begin)
            told = sent = begin
            while chunk := source.read(CHUNK_BYTES):
                sink.write(chunk)
                sent += len(chunk)
                if sent - told >= TELL_BYTES:
                    told = sent
                    self._say({"id": request["id"], "done_bytes": sent})
        return {"resumed_bytes": begin}

    def _do_disconnect(self, request: dict[str, Any]) -> dict[str, Any]:
        self._hosts[request["host"]].disconnect()
        return {}

    def _connected(self, name: str) -> Host:
        host = self._hosts[name]
        if host.connected and not _is_alive(host):
            host.disconnect()
        if not host.connected:
            host.connect(show_errors=False, raise_exceptions=True)
            transport = _connector(host).client.get_transport()
            assert transport is not None
            transport.set_keepalive(KEEPALIVE_S)
            _end_when_unheard(transport)
        return host


def _connector(host: Host) -> Any:
    connector = host.connector
    assert isinstance(connector, SSHConnector)
    return connector


def _is_alive(host: Host) -> bool:
    client = _connector(host).client
    transport = client.get_transport() if client is not None else None
    return transport is not None and transport.is_active()


def _end_when_unheard(transport: Transport) -> None:
    """Let the kernel end a connection that nobody acknowledges, where it can: not on a Mac, not behind a jump host."""
    if hasattr(socket, "TCP_USER_TIMEOUT") and isinstance(transport.sock, socket.socket):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD_S * 1000)


def _source(request: dict[str, Any]) -> BinaryIO:
    """Return what is to be copied: a file, or what the request brings."""
    if "local" in request:
        return Path(request["local"]).open("rb")
    return io.BytesIO(base64.b64decode(request["content"]))


def _sftp(host: Host) -> SFTPClient:
    """Return pyinfra's own connection for files; its ``put_file`` begins anew each time."""
    sftp = _connector(host).get_file_transfer_connection()
    assert isinstance(sftp, SFTPClient)
    return sftp


def _size(sftp: SFTPClient, path: str) -> int:
    try:
        return sftp.stat(path).st_size or 0
    except FileNotFoundError:
        return 0


def main() -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    for name in ("pyinfra", "paramiko"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False

    def say(message: Any) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    requests = FileObjectThread(os.dup(0), "rb")
    first = json.loads(requests.readline())
    worker = Worker(first["hosts"], first["connect_timeout_s"], say)
    for line in requests:
        request = json.loads(line)
        work = Greenlet(worker.answer, request)
        work.link_exception(lambda ended, number=request["id"]: worker.crashed(number, ended.exception))
        work.start()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
