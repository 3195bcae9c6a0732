"""A bridge with an address of its own, and network namespaces on it: where boards and their server meet."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SUBNETS: Final = range(64, 128)
MAX_BOARDS: Final = 60
_ALIAS: Final = "edgejoule boards of process "


class Network:
    """``10.83.N.0/24``, where N is the first that nobody on this machine uses."""

    def __init__(self) -> None:
        _remove_leftovers()
        self.name, self.prefix = _take_bridge()
        self.gateway = f"{self.prefix}.1"
        _ip("addr", "add", f"{self.gateway}/24", "dev", self.name)
        _ip("link", "set", self.name, "up")
        self._namespaces: list[str] = []

    def add(self) -> tuple[str, str]:
        """Make one more namespace; return its name and its address."""
        number = len(self._namespaces) + 11
        assert number < 11 + MAX_BOARDS
        name, outer = f"{self.name}n{number}", f"{self.name}v{number}"
        _ip("netns", "add", name)
        self._namespaces.append(name)
        _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", outer, "master", self.name, "up")
        address = f"{self.prefix}.{number}"
        for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            _ip("-n", name, *words.split())
        return name, address

    def unplug(self, namespace: str) -> None:
        """Cut the cable of one board."""
        _ip("-n", namespace, "link", "set", "eth0", "down")

    def plug(self, namespace: str) -> None:
        """Join it again."""
        _ip("-n", namespace, "link", "set", "eth0", "up")

    def close(self) -> None:
        """Remove all of it."""
        _remove(self.name)


def _take_bridge() -> tuple[str, str]:
    for number in SUBNETS:
        name = f"ejb{number}"
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "add", name, "type", "bridge")
            _ip("link", "set", name, "alias", f"{_ALIAS}{os.getpid()}")
            return name, f"10.83.{number}"
    raise RuntimeError("no bridge is free for boards: `ip link` shows who has them")


def _remove_leftovers() -> None:
    """Remove the bridges of test runs that were killed."""
    for name, owner in _bridges():
        if not Path(f"/proc/{owner}").is_dir():
            _remove(name)


def _bridges() -> Iterator[tuple[str, str]]:
    for folder in Path("/sys/class/net").glob("ejb*"):
        with contextlib.suppress(OSError):
            alias = (folder / "ifalias").read_text().strip()
            if alias.startswith(_ALIAS):
                yield folder.name, alias.removeprefix(_ALIAS)


def _remove(bridge: str) -> None:
    for namespace in Path("/run/netns").glob(f"{bridge}n*"):
        _ip("netns", "delete", namespace.name)
    with contextlib.suppress(subprocess.CalledProcessError):
        _ip("link", "delete", bridge)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
