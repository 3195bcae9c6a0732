"""Several boards on one bridge, and what they speak with: a broker and a collector on this side of it."""

import contextlib
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

from collector.journal import Journal
from edge_agent.wire.mqtt import BrokerSettings
from tests.boards.board import Board
from tests.boards.disk import Disk
from tests.boards.network import Network
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.delivery import running_subscriber
from tests.fakes.ports import free_port

MIB: Final = 2**20
DISK_BYTES: Final = 1500 * MIB


class Rack:
    """``add`` makes a board and boots it; the rest starts when it is first asked for, and ends with the rack."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._network = Network()
        stack.callback(self._network.close)
        self.gateway = self._network.gateway
        self.key_file = folder / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key_file)], check=True)
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.touch()
        self.boards: list[Board] = []

    def add(self, *, disk_bytes: int = DISK_BYTES) -> Board:
        """Make a board, boot it and return it; its host key is in ``known_hosts`` from then on."""
        number = len(self.boards) + 1
        name = f"board-{number:02d}"
        disk = self._stack.enter_context(contextlib.closing(Disk(self._folder / name, disk_bytes)))
        board = Board(name, self._network, disk, self.key_file)
        self.boards.append(board)
        self._stack.callback(board.close)
        disk.furnish(name, number, self.key_file.with_suffix(".pub").read_text())
        with self.known_hosts.open("a") as lines:
            lines.write(board.host_key())
        board.boot()
        return board

    @cached_property
    def broker(self) -> BrokerProcess:
        """mosquitto, without passwords, on loopback and on the bridge."""
        folder = self._folder / "broker"
        folder.mkdir()
        self._bridge_port = free_port()
        lines = f"listener {self._bridge_port} {self.gateway}\nallow_anonymous true\n"
        return self._stack.enter_context(running_broker("mosquitto", folder, lines))

    @property
    def broker_url(self) -> str:
        """The broker as boards reach it."""
        _ = self.broker
        return f"mqtt://{self.gateway}:{self._bridge_port}"

    @cached_property
    def journal(self) -> Journal:
        """What a collector has stored; it listens to ``broker`` from the first time this is asked for."""
        journal = self._stack.enter_context(contextlib.closing(Journal(self._folder / "journal.sqlite3")))
        self._stack.enter_context(running_subscriber(journal, BrokerSettings(url=self.broker.url)))
        return journal


@contextlib.contextmanager
def rack(folder: Path) -> Iterator[Rack]:
    """Yield an empty rack; take everything down afterwards."""
    with contextlib.ExitStack() as stack:
        yield Rack(folder, stack)
