"""The real server of the live page over a real journal, and a client that reads its events."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from collector.config import CollectorConfig, InventoryConfig
from collector.serving import live_page
from collector.web.live.follower import Pace
from collector.web_config import WebConfig

QUICK: Final = Pace(look=0.02, put=0.02, check=0.2, rest=0.1, event=0.02)
PATIENCE_S: Final = 60.0
INVENTORY: Final = """
[defaults]
lifetime_years = 5.0
zone = "DE"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
site = "roof"
[[device]]
id = "zero-01"
hardware = "raspberry-pi-zero-2-w"
[[device]]
id = "jetson-01"
hardware = "raspberry-pi-4b-4gb"
"""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """Where the page is; every request is a connection of its own."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self.host, self.port = parts.hostname, parts.port

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Return the answer; ``_`` in a header's name stands for ``-``."""
        with closing(http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): text for name, text in found.getheaders()}, found.read())

    def events(self, **headers: str) -> "Events":
        """Return an open stream."""
        return Events(self.host, self.port, headers)


class Event(NamedTuple):
    name: str
    number: int
    data: Any


class Events:
    """One stream of events, as a browser reads it."""

    def __init__(self, host: str, port: int, headers: dict[str, str]) -> None:
        self.socket = socket.create_connection((host, port), timeout=PATIENCE_S)
        lines = [f"GET /events HTTP/1.1\r\nHost: {host}\r\n", *(f"{n}: {v}\r\n" for n, v in headers.items()), "\r\n"]
        self.socket.sendall("".join(lines).encode())
        self._connection = http.client.HTTPResponse(self.socket)
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._connection.close()
        self.socket.close()

    @property
    def status(self) -> int:
        """Return the status of the answer."""
        if not self._begun:
            self._connection.begin()
            self._begun = True
        return self._connection.status

    def next(self) -> Event | None:
        """Return the next event, None at the end of the stream; comments are passed over."""
        assert self.status == 200
        said: dict[str, str] = {}
        while line := self._connection.readline().decode():
            name, colon, text = line.rstrip("\n").partition(": ")
            if not line.strip() and said:
                return Event(said["event"], int(said["id"]), json.loads(said["data"]))
            if name and colon:
                said[name] = text
        return None


def site_config(folder: Path, **web: Any) -> CollectorConfig:
    """Return the configuration of a collector in ``folder`` with an inventory and a page on a free port."""
    (folder / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
    return CollectorConfig(
        state_dir=str(folder),
        web=WebConfig(**({"listen": "127.0.0.1:0"} | web)),
        inventory=InventoryConfig(file=str(folder / "inventory.toml")),
    )


@contextmanager
def served(config: CollectorConfig, report: Path | None = None, pace: Pace = QUICK) -> Iterator[Site]:
    """Serve the page of ``config``, whose journal has to be there, for the length of the block."""
    with live_page(config, report=report, pace=pace) as page:
        assert page.alive
        yield Site(page.url)
    assert not page.alive
