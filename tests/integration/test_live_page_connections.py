"""What strangers can do to the live page's server by connections alone: nothing that lasts."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import msgspec
import pytest

from collector.config import CollectorConfig
from collector.journal import Journal
from collector.web.live.connections import MAX_CONNECTIONS
from tests.fakes.delivery import make_birth
from tests.fakes.live_server import PATIENCE_S, QUICK, Site, served, site_config
from tests.fakes.windows import BOOT_ID, FLEET, PI4, commit_rows, make_fleet_rows, make_stored

IMPATIENT = QUICK._replace(connection=0.3)


@pytest.fixture
def config(tmp_path: Path) -> CollectorConfig:
    return site_config(tmp_path)


@pytest.fixture
def journal(config: CollectorConfig) -> Iterator[Journal]:
    with closing(Journal(config.journal_path)) as journal:
        commit_rows(journal, make_fleet_rows(5))
        yield journal


def connected(site: Site, said: bytes = b"") -> socket.socket:
    opened = socket.create_connection((site.host, site.port), timeout=PATIENCE_S)
    opened.sendall(said)
    return opened


def heard_from(opened: socket.socket) -> bytes:
    """Return all that comes until the end, whichever kind of end it is."""
    heard = b""
    with suppress(ConnectionError):
        while part := opened.recv(1_000_000):
            heard += part
    return heard


def test_who_says_nothing_or_never_ends_is_cut_off_and_who_listens_is_not(
    config: CollectorConfig, journal: Journal
) -> None:
    asked = b"GET /api/series HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as opened, served(config, pace=IMPATIENT) as site:
        listens = opened.enter_context(site.events())
        first = listens.next()
        assert first is not None
        for said in (b"", b"GET / HTTP/1.1\r\nHost: loc", asked + b"GET / HTTP/1.1\r\n"):
            idle = opened.enter_context(connected(site, said))
            assert heard_from(idle).startswith(b"HTTP/1.1 200") is said.startswith(asked)
        commit_rows(journal, [make_stored(1, seq=50)])
        told = listens.next()
        assert told is not None
        assert told.number == first.number + 1, "it was never cut off"


def test_who_asks_and_takes_nothing_is_cut_off(config: CollectorConfig, journal: Journal) -> None:
    talker = msgspec.structs.replace(make_birth(PI4.device_id, BOOT_ID), platform="x" * 30_000_000)
    journal.put_birth(FLEET, talker, time.time_ns())
    asked = b"GET /api/fleet HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served(config, pace=IMPATIENT) as site, connected(site, asked) as stuck:
        head = b""
        while b"\r\n\r\n" not in head:
            head += stuck.recv(1)
        (whole,) = (int(line.split(b":")[1]) for line in head.splitlines() if line.startswith(b"content-length"))
        time.sleep(4 * IMPATIENT.connection)
        assert len(heard_from(stuck)) < whole, "what lay on the way comes, and no more"


def test_there_are_only_so_many_connections(config: CollectorConfig, journal: Journal) -> None:
    with served(config) as site:
        with ExitStack() as opened:
            idle = [opened.enter_context(connected(site)) for _ in range(MAX_CONNECTIONS + 1)]
            assert heard_from(idle[-1]) == b"", "the one too many ends at once"
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                assert site.ask("/api/fleet").status == 200
                break
            except ConnectionError:
                assert time.monotonic() < deadline_s
                time.sleep(0.02)


def test_nonsense_leaves_no_line_in_the_log(
    config: CollectorConfig, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    with served(config) as site:
        for said in (b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"):
            with connected(site, said + b"\r\n\r\n") as stranger:
                assert stranger.recv(100).startswith(b"HTTP/1.1 400")
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []
