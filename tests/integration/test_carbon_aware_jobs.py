"""From a source of intensities to grams saved: a device puts its own job off to the greenest slot and reports it."""

import contextlib
import json
import signal
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pytest

from collector import replies
from edge_agent.jobs.planner import NS_PER_S
from edge_agent.wire.orders import CommandReply
from edgejoule.cli import main
from tests.fakes.agent import BUSY_W, IDLE_W, AgentProcess, agent_toml, emulated_meter, running_agent
from tests.fakes.brokers import running_broker
from tests.fakes.delivery import CollectorProcess, wait_until
from tests.fakes.grid_series import SETTINGS, write_grid

pytestmark = [pytest.mark.mosquitto, pytest.mark.slow]
PATIENCE_S: Final = 90.0
INPUTS: Final = 20
WORK_S: Final = 5.0
SLOT_S: Final = 120
DIRTY, CLEAN, CLEANEST = 500.0, 100.0, 50.0


def device(directory: Path, broker_url: str, device_id: str, zone: str) -> Path:
    """Write a device with one job in a period that has begun long ago and ends long after the test."""
    (directory / "photos").mkdir(parents=True)
    np.save(directory / "photos/a.npy", np.zeros((INPUTS, 64), np.int8))
    config = agent_toml(
        directory,
        broker_url,
        device=f'id = "{device_id}"\nfleet = "demo"\nstate_dir = "state"\npid_file = "agent.pid"',
        grid=f'zone = "{zone}"',
        **{"remote.batch_folders": 'photos = "photos"'},
    )
    every_s = time.time() / 100.5
    with config.open("a") as file:
        file.write(
            f'[[job]]\nname = "photos"\naction = "batch"\nfolder = "photos"\nevery_s = {every_s}\n'
            f"duration_s = {WORK_S}\n"
        )
    return config


def waiting_job(directory: Path) -> dict[str, Any] | None:
    """Return the device's one job as its file has it, None while there is none."""
    path = directory / "state/jobs.json"
    jobs = msgspec.json.decode(path.read_bytes())["jobs"] if path.exists() else []
    return jobs[0] if jobs else None


def told(collector: CollectorProcess, device_id: str) -> list[CommandReply]:
    with contextlib.closing(collector.open_journal()) as journal, journal.snapshot() as db:
        return [row.reply for row in replies.stored(db) if row.device_id == device_id]


def done(collector: CollectorProcess, device_id: str) -> bool:
    return any(reply.stage == "done" for reply in told(collector, device_id))


def test_a_job_waits_over_a_kill_moves_to_a_greener_slot_and_says_what_that_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now_s = int(time.time())
    far_s = 3000
    write_grid(tmp_path, now_s - 60, far_s + 60, [DIRTY, CLEAN])
    with contextlib.ExitStack() as running:
        broker = running.enter_context(running_broker("mosquitto", tmp_path))
        collector = CollectorProcess(tmp_path, broker.url, first_lines='fleet = "demo"\n')
        with (tmp_path / "collector.toml").open("a") as config:
            config.write(SETTINGS.replace("ahead_s = 3600", "ahead_s = 86400"))
        collector.start()
        running.callback(collector.stop)
        there, nowhere = tmp_path / "there", tmp_path / "nowhere"
        configs = device(there, broker.url, "pi4-01", "DE"), device(nowhere, broker.url, "pi4-02", "")
        for directory in (there, nowhere):
            running.enter_context(emulated_meter(directory))
        agents: list[AgentProcess] = [running.enter_context(running_agent(config)) for config in configs]

        def planned_for(first_s: int) -> bool:
            job = waiting_job(there)
            return job is not None and job["plan"]["start_unix_ns"] == first_s * NS_PER_S

        wait_until(lambda: planned_for(now_s + far_s), "the job waits for the clean slot", PATIENCE_S)
        wait_until(lambda: done(collector, "pi4-02"), "who knows no zone works at once", PATIENCE_S)
        agents[0].signal(signal.SIGKILL)
        agents[0].wait()
        agents[0].start()
        soon_s = int(time.time()) + 10
        write_grid(tmp_path, soon_s - SLOT_S, SLOT_S, [DIRTY, CLEANEST, *[DIRTY] * 30])
        wait_until(lambda: done(collector, "pi4-01"), "it works in the greener slot", PATIENCE_S + SLOT_S)
        for agent in agents:
            agent.signal(signal.SIGTERM)
        assert [agent.wait() for agent in agents] == [0, 0]
        stages = [reply.stage for reply in told(collector, "pi4-01")]
        assert stages.count("done") == 1
        assert "failed" not in stages
    (reply,) = (reply for reply in told(collector, "pi4-01") if reply.stage == "done")
    timing = reply.carbon
    assert timing is not None
    assert soon_s * NS_PER_S <= timing.start_unix_ns < (soon_s + SLOT_S) * NS_PER_S
    assert (timing.at_once_gco2e_per_kwh, timing.chosen_gco2e_per_kwh) == (DIRTY, CLEANEST)
    assert (timing.why_now, timing.energy_kind, timing.simulated) == ("", "measured", True)
    assert timing.energy_j is not None
    assert 0.5 * IDLE_W * timing.duration_s < timing.energy_j < 2.0 * BUSY_W * timing.duration_s
    assert timing.saved_gco2e == pytest.approx(timing.energy_j / 3.6e6 * (DIRTY - CLEANEST))
    assert reply.result["inputs"] == INPUTS

    assert main(["fleet", "jobs", "--config", str(tmp_path / "collector.toml"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    by_device = {job["device_id"]: job for job in found["jobs"]}
    assert by_device["pi4-02"]["carbon"]["why_now"] == "no_zone"
    assert by_device["pi4-01"]["known_now"]["chosen_gco2e_per_kwh"] == pytest.approx(CLEANEST)
    assert by_device["pi4-01"]["waited_s"] > 5.0
