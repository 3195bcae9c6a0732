"""Stopping by SIGTERM, and the commands around the collector."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.wire.mqtt import BrokerSettings
from tests.fakes.brokers import running_broker
from tests.fakes.delivery import assert_all_stored_once, running_collector, running_device, wait_until

COLLECTOR = [sys.executable, "-m", "edgejoule", "collector"]
KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"]


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_in_the_middle_of_a_stream_stores_what_was_acknowledged(kind: str, tmp_path: Path) -> None:
    with (
        running_broker("mosquitto" if kind == "mosquitto" else "embedded", tmp_path) as broker,
        running_collector(tmp_path, broker.url) as collector,
        running_device(tmp_path, BrokerSettings(url=broker.url)) as device,
    ):
        for round_number in range(1, 4):
            wait_until(lambda: collector.log_text.count("collector_started") == round_number, "it runs")  # noqa: B023
            device.append(150)
            wait_until(lambda: collector.stored_count() > 150 * (round_number - 1), "something arrived")  # noqa: B023
            assert collector.stop() == 0, collector.log_text
            assert "Traceback" not in collector.log_text
            with closing(collector.open_journal()) as journal:
                assert device.outbox.stats().acked_seq <= journal.last_row_id()
                assert journal.cursor("lake") == journal.last_row_id(), "the lake was written once more at the end"
            collector.start()
        assert device.publisher.flush(30)
        wait_until(lambda: collector.log_text.count("collector_started") == 4, "it runs")
        assert collector.stop() == 0
        with closing(collector.open_journal()) as journal:
            assert_all_stored_once(journal, device)


def test_sigterm_while_the_broker_is_away(tmp_path: Path) -> None:
    with running_collector(tmp_path, "mqtt://127.0.0.1:9") as collector:
        wait_until(lambda: "broker_unreachable" in collector.log_text, "it said so")
        assert collector.stop() == 0
        assert collector.log_text.count("broker_unreachable") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_anything_was_started_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """The configuration is a pipe, so that the test knows when the collector reads it."""
    pipe = tmp_path / "collector.toml"
    os.mkfifo(pipe)
    with subprocess.Popen([*COLLECTOR, "run", "--config", str(pipe)], stderr=subprocess.PIPE, text=True) as process:
        with pipe.open("w") as config:  # waits until the collector opens the other end
            process.send_signal(number)
            time.sleep(0.2)
            config.write('state_dir = "state"\n[broker]\nurl = "mqtt://127.0.0.1:9"\n')
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(30) == 0, said
    assert "collector_stopped" in said


def test_check_config_says_good_or_what_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "collector.toml"

    def check(text: str) -> "subprocess.CompletedProcess[str]":
        config.write_text(text)
        command = [*COLLECTOR, "check-config", "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    good = check('[influxdb]\napi = "v2"\norg = "o"\n')
    assert (good.returncode, good.stderr) == (0, "")
    assert "good" in good.stdout
    for text, words in (
        ('[inventory]\nfile = "nothing.toml"\n', "nothing.toml: cannot read it"),
        ('[broker]\nurl = "mqtt://h"\nusername = "u"\npassword_file = "none"\n', "password_file"),
        ("[influxdb]\nurl = 'nowhere'\n", "nowhere"),
        ("[lakes]\n", "unknown key `lakes`"),
    ):
        bad = check(text)
        assert bad.returncode == 2
        assert words in bad.stderr
        assert len(bad.stderr.splitlines()) == 1
    assert not (tmp_path / "collector-state").exists(), "checking leaves nothing behind"


def test_a_state_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "c.toml").write_text('state_dir = "file/state"\n')
    command = [*COLLECTOR, "run", "--config", str(tmp_path / "c.toml")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "cannot write the state directory" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_sigint_ends_the_collector_too(tmp_path: Path) -> None:
    with running_collector(tmp_path, "mqtt://127.0.0.1:9") as collector:
        wait_until(lambda: "collector_started" in collector.log_text, "started")
        assert collector.stop(signal.SIGINT) == 0
