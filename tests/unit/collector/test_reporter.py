"""The reporter: every subject at a steady pace, one that fails hinders no other, and the last word at the end."""

import sqlite3
import threading
from contextlib import closing

from structlog.testing import capture_logs

from collector.reporter import LINES_PER_BODY, STORE, Part, Reporter
from collector.sinks.influxdb_v1 import InfluxV1Writer
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.delivery import wait_until
from tests.fakes.influx_http import Reply, WriteServer, running_write_server

NOW = 1_760_000_000_000_000_000


def reporter(server: WriteServer, parts: dict[str, Part], interval_s: float = 0.01) -> Reporter:
    return Reporter(parts, InfluxV1Writer(server.url, "edgejoule"), interval_s, lambda: NOW)


def stored(server: WriteServer, measurement: bytes) -> list[bytes]:
    return [line for line in list(server.stored.values()) if line.startswith(measurement)]


def test_every_subject_is_written_with_the_same_moment() -> None:
    moments: list[int] = []

    def part(now_unix_ns: int) -> list[str]:
        moments.append(now_unix_ns)
        return [f"one a=1i {now_unix_ns}"]

    with running_write_server() as server, closing(reporter(server, {"one": part, "two": part})) as running:
        running.start()
        wait_until(lambda: len(moments) >= 4, "two rounds")
    assert set(moments) == {NOW}
    assert stored(server, b"one ") == [b"one a=1i %d" % NOW]


def test_one_that_fails_hinders_no_other_and_is_told_once() -> None:
    failing = threading.Event()
    failing.set()
    rounds: list[int] = []

    def locked(_: int) -> list[str]:
        if failing.is_set():
            raise sqlite3.OperationalError("database is locked")
        return ["locked a=1i 1"]

    def unreadable(_: int) -> list[str]:
        if failing.is_set():
            raise ConfigurationError("i.sqlite3: cannot read the stored intensities")
        return ["unreadable a=1i 1"]

    def good(_: int) -> list[str]:
        rounds.append(1)
        return [f"good a=1i {len(rounds)}"]

    parts: dict[str, Part] = {"locked": locked, "unreadable": unreadable, "good": good}
    with capture_logs() as logs, running_write_server() as server, closing(reporter(server, parts)) as running:
        running.start()
        wait_until(lambda: len(rounds) > 5, "some rounds")
        assert stored(server, b"good ")
        failing.clear()
        wait_until(lambda: bool(stored(server, b"locked ") and stored(server, b"unreadable ")), "all of them")
    told = [(one["event"], one["what"], one.get("reason", "")) for one in logs]
    assert told == [
        ("not_reported", "locked", "the journal cannot be read: database is locked"),
        ("not_reported", "unreadable", "i.sqlite3: cannot read the stored intensities"),
        ("reported_again", "locked", ""),
        ("reported_again", "unreadable", ""),
    ]


def test_the_last_word_is_written_at_the_end() -> None:
    with running_write_server() as server:
        running = reporter(server, {"one": lambda _: ["one a=1i 1"]}, interval_s=3_600.0)
        running.start()
        running.close()
    assert stored(server, b"one ")


def test_a_store_that_is_away_is_told_once() -> None:
    with capture_logs() as logs, running_write_server() as server:
        server.replies.extend([Reply(503)] * 5)
        with closing(reporter(server, {"one": lambda _: ["one a=1i 1"]})) as running:
            running.start()
            wait_until(lambda: bool(stored(server, b"one ")), "it is back")
    assert [one["event"] for one in logs] == ["not_reported", "reported_again"]


def test_all_subjects_go_together_so_that_a_slow_store_is_waited_for_once() -> None:
    parts: dict[str, Part] = {name: lambda _, name=name: [f"{name} a=1i 1"] for name in "abc"}  # type: ignore[misc]
    with capture_logs() as logs, running_write_server() as server:
        server.replies.append(Reply(503))
        running = reporter(server, parts, interval_s=3_600.0)
        running.start()
        running.close()
    assert len(server.requests) == 1
    assert [(one["event"], one["what"]) for one in logs] == [("not_reported", STORE)]


def test_what_a_store_refuses_keeps_no_other_subject_out() -> None:
    parts: dict[str, Part] = {name: lambda _, name=name: [f"{name} a=1i 1"] for name in ("a", "bad", "c")}  # type: ignore[misc]
    with capture_logs() as logs, running_write_server() as server:
        server.bad_word = b"bad"
        running = reporter(server, parts, interval_s=3_600.0)
        running.start()
        running.close()
    assert sorted(server.stored.values()) == [b"a a=1i 1", b"c a=1i 1"]
    assert [(one["event"], one["what"]) for one in logs] == [("not_reported", "bad")]


def test_a_large_fleet_is_written_in_bodies_of_a_bounded_size() -> None:
    count = LINES_PER_BODY + 1
    with running_write_server() as server:
        running = reporter(server, {"one": lambda _: [f"one,device=d{i} a=1i 1" for i in range(count)]}, 3_600.0)
        running.start()
        running.close()
    assert len(server.requests) == 2
    assert len(server.stored) == count
