"""The live page's server over real HTTP: what it says is what the fleet report says, as long as anybody listens."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.build import build_assessor
from collector.config import CollectorConfig
from collector.fleet.report import fleet_report
from collector.journal import Journal
from collector.sinks.lake import LakeSink
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Health
from tests.fakes.delivery import make_birth
from tests.fakes.live_server import PATIENCE_S, Events, Site, served, site_config
from tests.fakes.windows import BOOT_ID, FLEET, PI4, commit_rows, make_fleet_rows, make_stored

THINNED = ("operational_gco2e", "operational_yearly_gco2e", "embodied_gco2e", "total_gco2e")
EVERY_PATH = ("/", "/static/uPlot.min.css", "/api/fleet", "/api/series", "/events", "/report", "/nothing")


@pytest.fixture
def config(tmp_path: Path) -> CollectorConfig:
    return site_config(tmp_path)


@pytest.fixture
def journal(config: CollectorConfig) -> Iterator[Journal]:
    with closing(Journal(config.journal_path)) as journal:
        commit_rows(journal, make_fleet_rows(30)[:60])
        yield journal


@pytest.fixture
def site(config: CollectorConfig, journal: Journal) -> Iterator[Site]:
    with served(config) as site:
        yield site


def reported(config: CollectorConfig, journal: Journal) -> Any:
    report = fleet_report(journal, config.lake_dir, build_assessor(config))
    return msgspec.json.decode(msgspec.json.encode(report))


def assert_same_account(shown: dict[str, Any], account: dict[str, Any]) -> None:
    """Compare every figure that is shown, to the last digit."""
    expected = {name: account[name] for name in shown}
    for name in THINNED:
        assert expected[name] is not None, "the test needs known grams"
        expected[name] = {part: expected[name][part] for part in ("value", "low", "high")}
    assert shown == expected


def assert_is_the_report(shown: Any, report: Any) -> None:
    assert_same_account(shown["total"], report["total"])
    assert [device["device_id"] for device in shown["devices"]] == [one["device_id"] for one in report["devices"]]
    for device, expected in zip(shown["devices"], report["devices"], strict=True):
        assert_same_account(device["account"], expected)
        for name in ("fleet", "site", "zone", "hardware", "models", "meters", "boundaries", "device_class"):
            assert device[name] == expected[name]
    assert shown["notes"] == report["notes"]
    assert shown["factors"] == report["factors"]
    assert shown["since_unix_ns"] == min(device["first_unix_ns"] for device in report["devices"])
    assert shown["simulated"] is report["simulated"] is True


def until(events: Events, windows: int) -> Any:
    """Return the data of the first event that tells of so many windows."""
    while (event := events.next()) is not None:
        if event.data["total"]["windows"] == windows:
            return event.data
    raise AssertionError("the stream ended")


def test_the_page_says_what_the_report_says_before_and_after_every_window(
    site: Site, config: CollectorConfig, journal: Journal
) -> None:
    assert_is_the_report(site.ask("/api/fleet").json, reported(config, journal))
    rest = make_fleet_rows(30)[60:]
    with site.events() as events:
        assert_is_the_report(until(events, 60), reported(config, journal))
        for count in range(1, 10):
            commit_rows(journal, rest[count - 1 : count])
            told = until(events, 60 + count)
            report = reported(config, journal)
            assert_same_account(told["total"], report["total"])
            by_id = {one["device_id"]: one for one in report["devices"]}
            for device in told["devices"]:
                assert_same_account(device["account"], by_id[device["device_id"]])
            assert rest[count - 1].device_id in [device["device_id"] for device in told["devices"]]
    assert_is_the_report(site.ask("/api/fleet").json, reported(config, journal))


def test_what_is_in_the_lake_and_no_more_in_the_journal_still_counts(
    config: CollectorConfig, journal: Journal
) -> None:
    assert config.lake_dir is not None
    LakeSink(config.lake_dir, journal="").write(journal.rows_after(0, 100))
    journal.set_cursor("lake", 60)
    assert journal.remove_old(["lake"], 2**62, 25) == 25
    report = reported(config, journal)
    assert report["total"]["windows"] == 60
    with served(config) as site:
        assert_is_the_report(site.ask("/api/fleet").json, report)


def test_an_event_tells_of_the_devices_that_changed_and_only_of_those(site: Site, journal: Journal) -> None:
    with site.events() as events:
        first = events.next()
        assert first is not None
        assert (first.name, len(first.data["devices"])) == ("snapshot", 3)
        commit_rows(journal, [make_stored(1, seq=77)])
        second = events.next()
        assert second is not None
        assert second.name == "fleet"
        assert second.number > first.number
        assert [device["device_id"] for device in second.data["devices"]] == [PI4.device_id]
        assert second.data["ledger"]["stored"] == 61
        assert second.data["ledger"]["adds_up"] is (second.data["ledger"]["missing"] == 0)
        assert second.data["devices"][0]["latest"]["t_unix_ns"] > second.data["devices"][0]["latest"]["duration_s"]


def test_what_a_device_says_of_itself_is_shown(site: Site, journal: Journal) -> None:
    health = Health(
        device_id=PI4.device_id,
        boot_id=BOOT_ID,
        t_unix_ns=time.time_ns(),
        clock_state="unsynchronised",
        last_seq=30,
        acked_seq=20,
        outbox_windows=10,
        outbox_bytes=4096,
        dropped_windows=0,
        meter_connected=False,
    )
    with site.events() as events:
        first = events.next()
        assert first is not None
        (before,) = (one for one in first.data["devices"] if one["device_id"] == PI4.device_id)
        assert (before["online"], before["outbox_windows"], before["meter_connected"]) == (False, None, None)
        journal.put_health(FLEET, health, time.time_ns())
        told = events.next()
        assert told is not None
        (after,) = told.data["devices"]
        assert (after["online"], after["outbox_windows"], after["meter_connected"]) == (True, 10, False)
        assert after["clock_state"] == "unsynchronised"
        assert told.data["ledger"]["pending"] == 10


def test_series_of_the_fleet_and_of_a_device(site: Site) -> None:
    device = site.ask(f"/api/devices/{FLEET}/{PI4.device_id}/series?points=5").json
    shown = site.ask("/api/fleet").json["devices"]
    (latest,) = (one["latest"] for one in shown if one["device_id"] == PI4.device_id)
    assert {name: column[-1] for name, column in device.items()} == latest
    assert {len(column) for column in device.values()} == {5}
    assert device["t_unix_ns"] == sorted(device["t_unix_ns"])
    fleet = site.ask("/api/series?points=7").json
    columns = {name: column for name, column in fleet.items() if name != "bin_s"}
    assert {len(column) for column in columns.values()} == {len(fleet["t_unix_ns"])}
    assert 0 < len(fleet["t_unix_ns"]) <= 7
    power_w = sum(one["account"]["power_w"] for one in shown)
    assert [watts for watts in fleet["power_w"] if watts is not None] == pytest.approx(
        [power_w] * sum(watts is not None for watts in fleet["power_w"]), rel=0.2
    )


def test_what_is_not_there_is_said(site: Site) -> None:
    for path, status, text in (
        ("/api/series?points=0", 400, "write a number from 1 to"),
        ("/api/series?points=-3", 400, "write a number"),
        ("/api/devices/lab/nobody/series", 404, "/api/fleet lists them"),
        ("/report", 404, "no report yet"),
        ("/static/../app.py", 404, ""),
        ("/static/%2e%2e/app.py", 404, ""),
        ("/nothing", 404, ""),
    ):
        answer = site.ask(path)
        assert answer.status == status, path
        assert text in answer.body.decode()


def test_every_answer_forbids_other_sites_and_keeps_to_this_one(site: Site) -> None:
    for path in EVERY_PATH:
        answer = site.ask(path, "HEAD")
        assert "default-src" in answer.headers["content-security-policy"]
        assert "http" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.body == b""
    for path in ("/api/fleet", "/api/series", "/events"):
        assert site.ask(path, "HEAD").headers["cache-control"] == "no-store"


def test_nothing_can_be_changed(site: Site) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in EVERY_PATH:
            answer = site.ask(path, method)
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_name_that_is_not_this_servers_is_refused(site: Site) -> None:
    """A page on another site may have its own name lead to this address; the browser then still says its name."""
    for host, status in (
        ("127.0.0.1:1234", 200),
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("[::1]:8787", 200),
        ("10.1.2.3", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost:80:80", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ):
        assert site.ask("/api/fleet", Host=host).status == status, host


def test_a_name_may_be_added(journal: Journal, tmp_path: Path) -> None:
    with served(site_config(tmp_path, hosts=("Energy.example.org",))) as site:
        assert site.ask("/api/fleet", Host="energy.example.org:443").status == 200
        assert site.ask("/api/fleet", Host="example.org").status == 421


def test_with_a_token_nothing_is_said_without_it(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("correct-horse\n", encoding="utf-8")
    with served(site_config(tmp_path, token_file=str(tmp_path / "token"))) as site:
        for path in EVERY_PATH:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "edgejoule_live=correct-horse"}):
                answer = site.ask(path, **headers)
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), path
                assert b"windows" not in answer.body
        assert site.ask("/api/fleet", Authorization="Bearer correct-horse").status == 200
        assert site.ask("/api/fleet", Authorization="bearer  correct-horse").status == 200
        assert site.ask("/?token=wrong").status == 401
        assert "set-cookie" not in site.ask("/?token=wrong").headers
        login = site.ask("/api/series?points=3&token=correct-horse")
        assert (login.status, login.headers["location"]) == (303, "/api/series?points=3")
        cookie = login.headers["set-cookie"]
        assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
        assert "correct-horse" not in cookie
        assert site.ask("/api/fleet", Cookie=cookie.partition(";")[0]).status == 200
        assert site.ask("//evil.example/?token=correct-horse").headers["location"].startswith("/evil.example")
        with site.events() as refused:
            assert refused.status == 401
        with site.events(Authorization="Bearer correct-horse") as events:
            assert events.next() is not None


def test_a_client_that_reads_nothing_holds_up_neither_the_others_nor_the_end(
    config: CollectorConfig, journal: Journal
) -> None:
    with ExitStack() as clients, served(config) as site:
        slow = clients.enter_context(site.events())
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        quick = clients.enter_context(site.events())
        for number in range(1, 40):
            commit_rows(journal, [make_stored(1, seq=1000 + number)])
            assert until(quick, 60 + number)["ledger"]["stored"] == 60 + number
        first, second = slow.next(), slow.next()
        assert first is not None
        assert second is not None
        assert second.number > first.number, "what it missed comes as one event, or as few"


def test_a_client_that_takes_nothing_at_all_is_cut_off_at_the_end(
    config: CollectorConfig, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """One device says so much of itself that two events fill what lies between the server and a reader."""
    talker = msgspec.structs.replace(make_birth(PI4.device_id, BOOT_ID), platform="x" * 8_000_000)
    with ExitStack() as clients:
        with served(config) as site:
            stuck = [clients.enter_context(site.events()) for _ in range(3)]
            quick = clients.enter_context(site.events())
            for stream in (*stuck, quick):
                assert stream.next() is not None
            journal.put_birth(FLEET, talker, time.time_ns())
            for number in range(1, 5):
                commit_rows(journal, [make_stored(1, seq=1000 + number)])
                assert until(quick, 60 + number)["ledger"]["stored"] == 60 + number
        assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_many_clients_are_told_the_same(site: Site, journal: Journal) -> None:
    with ExitStack() as opened:
        streams = [opened.enter_context(site.events()) for _ in range(40)]
        told_first = [events.next() for events in streams]
        assert all(event is not None and event.name == "snapshot" for event in told_first)
        commit_rows(journal, make_fleet_rows(30)[60:])
        told = [until(events, 90) for events in streams]
        assert all(one["total"] == told[0]["total"] for one in told)


def test_the_end_of_the_server_ends_the_streams(config: CollectorConfig, journal: Journal) -> None:
    with ExitStack() as opened:
        with served(config) as site:
            streams = [opened.enter_context(site.events()) for _ in range(3)]
            for events in streams:
                assert events.next() is not None
            began_s = time.monotonic()
        assert time.monotonic() - began_s < PATIENCE_S
        assert [events.next() for events in streams] == [None] * 3
    with pytest.raises(OSError, match="refused"):
        site.ask("/")


def test_who_comes_late_is_told_what_is_new(config: CollectorConfig, journal: Journal) -> None:
    """Nobody asked for a while, so no figures were made; the first who asks again still gets those of now."""
    with served(config) as site:
        assert site.ask("/api/fleet").json["total"]["windows"] == 60
        commit_rows(journal, make_fleet_rows(30)[60:])
        deadline_s = time.monotonic() + PATIENCE_S
        while site.ask("/api/fleet").json["total"]["windows"] < 90:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)


def test_a_port_that_is_taken_is_said_in_one_line(journal: Journal, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = site_config(tmp_path, listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConfigurationError, match=r"cannot listen.*choose another"), served(config):
            pass


def test_a_report_is_shown_beside_the_page(config: CollectorConfig, journal: Journal, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    with served(config, report=report) as site:
        assert site.ask("/api/fleet").json["report"] == "/report"
        assert site.ask("/report").status == 404
        report.write_text("<!doctype html><title>the report</title>", encoding="utf-8")
        answer = site.ask("/report")
        assert (answer.status, answer.body) == (200, report.read_bytes())
        assert "default-src 'none'" in answer.headers["content-security-policy"]
