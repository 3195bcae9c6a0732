"""The whole agent as a process: emulated TC66C on a pty, real int8 model, real outbox, real broker and collector."""

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from collector.journal import Journal
from edge_agent.model_catalog import find_model
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import InferenceWindow
from tests.fakes.agent import (
    BUSY_W,
    DEVICE_ID,
    IDLE_W,
    AgentProcess,
    agent_toml,
    emulated_meter,
    running_agent,
    true_energy_j,
)
from tests.fakes.brokers import BrokerProcess, Kind, running_broker
from tests.fakes.delivery import running_subscriber, wait_until

FACTS = find_model("digits_mlp_int8").facts


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def without_stamp(window: InferenceWindow) -> InferenceWindow:
    """What a window is apart from its place in UTC, which is found when it leaves a machine whose clock is not set."""
    return msgspec.structs.replace(window, t_start_unix_ns=0, clock_state="synchronised")


@pytest.mark.parametrize("kind", [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"])
def test_joules_per_inference_arrive_at_the_collector_and_are_true(
    kind: Kind, journal: Journal, tmp_path: Path
) -> None:
    with (
        running_broker(kind, tmp_path) as broker,
        running_subscriber(journal, BrokerSettings(url=broker.url)),
        emulated_meter(tmp_path),
        running_agent(agent_toml(tmp_path, broker.url, window="window_s = 1.0\nbaseline_s = 1.0")) as agent,
    ):
        wait_until(lambda: journal.last_row_id() >= 4, "four windows in the journal")
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0
        assert agent.stored() == []
        assert agent.events("outbox_delivered")
        rows = journal.rows_after(0, 1000)
        windows = [row.window for row in rows]
        assert [window.seq for window in windows] == list(range(1, len(windows) + 1))
        whole = [window for window in windows if window.gap_s <= 0.05]  # a machine that is very busy starves a meter
        assert len(whole) >= 3
        for window in whole:
            true_j = true_energy_j(tmp_path, window)
            assert abs(window.energy_j - true_j) < 3.0 * window.energy_u_j
            assert window.inference_count > 1000
            assert window.busy_s == pytest.approx(0.3 * window.duration_s, abs=0.12)
            assert window.idle_power_w == pytest.approx(IDLE_W, abs=0.1)
            assert IDLE_W < window.energy_j / window.duration_s < BUSY_W
            assert window.simulated
            assert window.runtime.runtime == "litert"
            assert window.latency_p50_s is not None
            assert window.latency_p95_s is not None
            assert window.systematic_id == "tc66c"
            assert window.net_energy_j == pytest.approx(window.energy_j - IDLE_W * window.duration_s, abs=0.1)
            assert window.net_energy_u_j is not None
            assert 0.0 < window.net_energy_u_j < 2.0 * window.energy_u_j
            assert window.agent_cpu_ratio is not None
            assert window.overhead_cpu_ratio is not None
            assert 0.0 < window.overhead_cpu_ratio < window.agent_cpu_ratio
            assert window.other_cpu_ratio is not None
            assert 0.0 < window.latency_p50_s <= window.latency_p95_s
        for before, after in pairwise(windows):
            assert after.t_start_unix_ns - before.t_start_unix_ns == pytest.approx(before.duration_s * 1e9, abs=5e6)
        assert all(window.duration_s == pytest.approx(1.0) for window in windows[:-1])
        assert windows[-1].duration_s <= 1.0
        state = journal.devices()[0]
        assert state.device_id == DEVICE_ID
        assert state.birth is not None
        assert state.birth.model_id == "digits_mlp_int8"
        assert state.birth.load_s is not None
        assert state.birth.first_invoke_s is not None
        assert state.birth.stateful is False
        birth = state.birth
        assert (birth.model_macs, birth.model_parameters, birth.model_bytes) == (50_432, 50_826, FACTS.size_bytes)
        assert birth.model_accuracy_ratio == FACTS.accuracy_ratio
        assert state.health is not None
        assert state.health.meter_connected
        assert state.health.agent_cpu_ratio is not None
        assert state.status is not None
        assert not state.status.online
        assert journal.ledger()[0].adds_up
    assert not (tmp_path / "agent.pid").exists()


def test_without_a_broker_windows_wait_on_disk_and_go_out_when_it_comes(journal: Journal, tmp_path: Path) -> None:
    broker = BrokerProcess("embedded", tmp_path)
    config = agent_toml(tmp_path, broker.url)
    with emulated_meter(tmp_path):
        with running_agent(config) as agent:
            wait_until(lambda: len(agent.stored()) >= 2, "two windows in the outbox")
            assert len(agent.events("broker_unreachable")) == 1
            assert agent.stop_undelivered() == 0
            assert len(agent.stored()) >= 3, "the partial window"
            first_run = agent.stored()
            assert [event["windows"] for event in agent.events("outbox_not_delivered")] == [len(first_run)]
        with running_agent(config) as agent:
            wait_until(lambda: len(agent.stored()) > len(first_run), "a window of the second run")
            broker.start()
            try:
                with running_subscriber(journal, BrokerSettings(url=broker.url)):
                    wait_until(lambda: journal.last_row_id() > len(first_run) + 1, "the backlog in the journal")
                    agent.signal(signal.SIGINT)
                    assert agent.wait() == 0
            finally:
                broker.stop()
    stored = sorted((row.window for row in journal.rows_after(0, 1000)), key=lambda window: window.seq)
    assert list(map(without_stamp, stored[: len(first_run)])) == list(map(without_stamp, first_run))
    assert {window.clock_state for window in stored} <= {"synchronised", "rebased"}, "whoever's clock it was"
    assert [window.seq for window in stored] == list(range(1, len(stored) + 1))
    assert len({row.boot_id for row in journal.rows_after(0, 1000)}) == 1


def test_a_meter_that_goes_and_comes_back_leaves_gaps_and_no_missing_window(tmp_path: Path) -> None:
    agent = AgentProcess(agent_toml(tmp_path))
    try:
        with emulated_meter(tmp_path):
            agent.start()
            wait_until(lambda: len(agent.stored()) >= 2, "windows before the cable is pulled")
        wait_until(lambda: any(window.gap_s > 0.9 for window in agent.stored()), "a window that is all gap")
        wait_until(lambda: bool(agent.events("meter_lost")), "a word about it")
        with emulated_meter(tmp_path, seed=2):
            wait_until(lambda: bool(agent.events("meter_back")), "the meter to be found again")
            back = len(agent.stored())
            wait_until(lambda: len(agent.stored()) >= back + 3, "windows after it")
            assert agent.stop_undelivered() == 0
    finally:
        agent.end()
    windows = agent.stored()
    assert [window.seq for window in windows] == list(range(1, len(windows) + 1))
    for before, after in pairwise(windows):
        assert after.t_start_unix_ns - before.t_start_unix_ns == pytest.approx(before.duration_s * 1e9, abs=5e6)
    gaps = [window for window in windows if window.gap_s > 0.9]
    assert gaps
    assert all(window.energy_j < 0.5 * IDLE_W and window.inference_count > 0 for window in gaps)
    assert all("gap" in window.flags for window in gaps)
    assert "gap" not in windows[-2].flags
    assert windows[-2].gap_s == pytest.approx(0.0, abs=0.05)
    assert windows[-2].energy_j > IDLE_W
    assert [len(agent.events(event)) for event in ("meter_lost", "meter_back", "meter_exchanged")] == [1, 1, 1]
    assert (windows[0].meter_id, windows[-1].meter_id) == ("10000001", "10000002"), "it was another unit"
    assert agent.events("meter_exchanged")[0]["meter_id"] == "10000002"


def test_one_agent_for_each_directory_and_none_locked_out_by_a_killed_one(tmp_path: Path) -> None:
    config = agent_toml(tmp_path)
    with emulated_meter(tmp_path), running_agent(config) as agent:
        wait_until(lambda: bool(agent.events("agent_started")), "the agent to start")
        assert int((tmp_path / "agent.pid").read_text()) == agent.pid
        second = AgentProcess(config)
        second.log_path = tmp_path / "second.log"
        second.start()
        assert second.wait(20) == 2
        assert second.log_path.read_text().splitlines()[-1] == (
            f"edgejoule: {tmp_path / 'state'}: another agent (process {agent.pid}) runs in it; stop that one, or give "
            "this one its own [device] state_dir"
        )
        agent.signal(signal.SIGKILL)
        agent.wait()
        with running_agent(config) as third:
            wait_until(lambda: len(third.events("agent_started")) == 2, "the agent to start after a kill")


@pytest.mark.mosquitto
def test_a_broker_that_refuses_is_one_line_and_the_agent_measures_on(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("somebody:$7$101$AAAA$AAAA\n")
    refuse = f"password_file {tmp_path / 'passwords'}\n"
    with running_broker("mosquitto", tmp_path) as broker:
        broker.stop()
        config_file = tmp_path / "mosquitto.conf"
        text = config_file.read_text().replace("allow_anonymous true", "allow_anonymous false")
        config_file.write_text(text + refuse)
        broker.start()
        with emulated_meter(tmp_path), running_agent(agent_toml(tmp_path, broker.url)) as agent:
            wait_until(lambda: len(agent.stored()) >= 3, "windows in the outbox")
            said = [line for line in agent.log if "broker" in line["event"]]
            assert len(said) == 1
            assert "username" in json.dumps(said[0])
            assert agent.running


def test_saturating_is_busy_all_the_time(tmp_path: Path) -> None:
    config = agent_toml(tmp_path, workload='kind = "saturate"', device=f'id = "{DEVICE_ID}"\nstate_dir = "state"')
    with emulated_meter(tmp_path), running_agent(config) as agent:
        wait_until(lambda: len(agent.stored()) >= 2, "two windows")
        assert all(window.busy_s > 0.8 * window.duration_s for window in agent.stored())


def test_a_rate_is_kept(tmp_path: Path) -> None:
    with emulated_meter(tmp_path), running_agent(agent_toml(tmp_path, workload="inferences_per_s = 40")) as agent:
        wait_until(lambda: len(agent.stored()) >= 4, "four windows")
        assert sum(window.inference_count for window in agent.stored()[:4]) == pytest.approx(160, abs=4)
