"""``edgejoule fleet simulate`` against a real broker and collector: everything arrives, and the check can say no.

The faults are many for so short a run, so that each of them happens.
"""

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.config import journal_path
from tests.fakes.brokers import Kind, running_broker
from tests.fakes.delivery import CollectorProcess, running_collector, wait_until

BROKERS = ("embedded", pytest.param("mosquitto", marks=pytest.mark.mosquitto))
FAULTS = (
    *(
        "--chaos",
        "--losses-per-min",
        "6",
        "--outages-per-min",
        "2",
        "--outage-length-s",
        "2",
        "--reboots-per-min",
        "3",
    ),
    *("--clock-jumps-per-min", "3", "--duplicate-ratio", "0.1", "--reorder-ratio", "0.1", "--skewed-ratio", "0.3"),
    *("--small-outbox-ratio", "0.3", "--vanish-ratio", "0.2", "--garbage-messages", "40"),
)
SHORT = ("--devices", "20", "--rate", "4", "--drain-s", "120", "--seed", "5", "--quiet", "--json")


def simulate(*words: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit code and what it printed as JSON."""
    command = [sys.executable, "-m", "edgejoule", "fleet", "simulate", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@contextlib.contextmanager
def site(kind: Kind, directory: Path) -> Iterator[tuple[str, CollectorProcess]]:
    """Run a broker, and a collector that has subscribed there."""
    with running_broker(kind, directory) as broker, running_collector(directory, broker.url) as collector:
        wait_until(lambda: "broker_connected" in collector.log_text, "the collector is connected")
        yield broker.url, collector


@pytest.mark.parametrize("kind", BROKERS)
def test_a_fleet_with_every_fault_is_accounted_for_to_the_last_window_and_joule(kind: Kind, tmp_path: Path) -> None:
    with site(kind, tmp_path) as (url, collector):
        code, said = simulate(
            *("--broker", url, *SHORT, "--seconds", "6", *FAULTS, "--check", "--state-dir", str(collector.state_dir))
        )
        with contextlib.closing(collector.open_journal()) as journal:
            ledger = {line.device_id: line for line in journal.ledger()}

    run, check = said["run"], said["check"]
    assert [one for one in check if not one["agrees"]] == []
    assert (code, run["everything_acknowledged"]) == (0, True)
    assert run["sent"] == run["acknowledged"] + run["declared_dropped"] + run["pending"]
    gone = [one for one in run["devices"] if one["vanished"]]
    assert gone
    assert run["pending"] == sum(one["pending"] for one in gone) > 0
    assert ledger[run["bad_citizen"]].dead_letters == run["played"]["garbage"] == 40
    for fault in ("losses", "outages", "duplicates", "reordered", "clock_jumps", "reboots"):
        assert run["played"][fault] > 0, fault


@pytest.mark.mosquitto
def test_a_backlog_arrives_beside_live_windows_and_over_mqtt_3(tmp_path: Path) -> None:
    with site("mosquitto", tmp_path) as (url, collector):
        code, said = simulate(
            *("--broker", url, "--devices", "3", "--rate", "5", "--window-s", "10", "--windows", "10", "--quiet"),
            *("--outage-s", "6000", "--protocol", "3.1.1", "--drain-s", "120", "--json", "--check"),
            *("--state-dir", str(collector.state_dir)),
        )

    run = said["run"]
    assert (code, run["sent"], run["backlog_windows"]) == (0, 3 * (600 + 10), 3 * 600)
    assert run["backlog_gone_s"] is not None
    assert run["delay_beside_backlog"]["windows"] + run["delay_alone"]["windows"] <= 30


def test_a_collector_that_lost_windows_is_found_out(tmp_path: Path) -> None:
    with site("embedded", tmp_path) as (url, collector):
        counters = tmp_path / "counters.json"
        code, run = simulate(
            *("--broker", url, "--devices", "2", "--rate", "20", "--windows", "10", "--drain-s", "120", "--quiet"),
            *("--json", "--counters", str(counters), "--run-id", "lost"),
        )
        assert (code, run["sent"], run["acknowledged"]) == (0, 20, 20)
        assert json.loads(counters.read_bytes()) == run
    with contextlib.closing(sqlite3.connect(journal_path(collector.state_dir))) as db, db:
        db.execute("DELETE FROM windows WHERE device_id = 'sim-lost-1' AND seq = 3")

    problems = problems_of(run, collector)

    assert problems["sim-lost-1"] != []
    assert problems["sim-lost-2"] == []


def problems_of(run: dict[str, Any], collector: CollectorProcess) -> dict[str, list[str]]:
    """Compare a finished run with the journal, as ``--check`` does."""
    import msgspec  # noqa: PLC0415

    from collector.config import CollectorConfig  # noqa: PLC0415
    from edgejoule.simulate.counters import FleetCounters  # noqa: PLC0415
    from edgejoule.simulate.stores import compare  # noqa: PLC0415

    config = CollectorConfig(state_dir=str(collector.state_dir))
    answers = compare(msgspec.convert(run, FleetCounters), config, patience_s=0.0)
    return {one.device_id: list(one.problems) for one in answers}


def test_without_a_collector_the_answer_is_no_and_nothing_is_lost_in_silence(tmp_path: Path) -> None:
    with running_broker("embedded", tmp_path) as broker:
        code, run = simulate(
            *("--broker", broker.url, "--devices", "2", "--rate", "20", "--windows", "4", "--drain-s", "0.5"),
            *("--json", "--quiet"),
        )

    assert (code, run["everything_acknowledged"], run["pending"]) == (1, False, 8)


@pytest.mark.parametrize("load", [("--windows", "2", "--rate", "10"), ("--seconds", "0.5", "--rate", "0.001")])
def test_a_broker_that_is_not_there_is_one_line_also_when_no_window_was_due(
    load: tuple[str, ...], tmp_path: Path
) -> None:
    with running_broker("embedded", tmp_path) as broker:
        url = broker.url
    command = [sys.executable, "-m", "edgejoule", "fleet", "simulate", "--broker", url, "--devices", "2"]
    done = subprocess.run(
        [*command, *load, "--drain-s", "0.5"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert "nothing listens at" in done.stdout
    assert "NOT one device reached the broker" in done.stdout
    assert "Traceback" not in done.stderr
