"""Long outages, broken answers, frozen processes, clocks that jump, brokers and collectors that lost their memory."""

import math
import shutil
import time
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.chaos_flood import flood, flood_truth
from tests.fakes.chaos_http import FAULTS, running_door
from tests.fakes.chaos_processes import DATABASE, PATIENCE_S
from tests.fakes.chaos_site import VICTIMS, Site, running_site, seeds
from tests.fakes.chaos_truth import assert_same
from tests.fakes.delivery import wait_until

pytestmark = [pytest.mark.influxdb, pytest.mark.slow, pytest.mark.parametrize("seed", seeds())]
ENOUGH = 1_000_000
LOAD_HZ = 300.0
MESSAGES_PER_ROUND = 100
WARM_UP_ROUNDS = 10
ROUNDS = 30
MEMORY_GROWTH_RATIO = 1.3
"""Peak memory after 180,000 windows against that after 60,000, when the largest commits have been seen. Each
window that stayed in memory would cost more than 1 kB, and all of them more than this. A round waits until the one
before is stored: what is on its way from the broker to the disk, bounded too, is thereby as much in each of them."""


def _stored(site: Site, count: int) -> bool:
    return site.collector.stored_count() == count


def test_memory_stays_flat_while_influxdb_is_away_and_all_of_it_comes_afterwards(seed: int, tmp_path: Path) -> None:
    with running_site("embedded", tmp_path, seed, []) as site:
        site.influxdb.kill()
        wait_until(lambda: "broker_connected" in site.collector.log_text, "the collector listens", PATIENCE_S)
        peak_bytes = []
        last_seq = 0
        for _ in range(ROUNDS):
            last_seq = flood(site.broker.port, "pi-f", last_seq + 1, MESSAGES_PER_ROUND)
            wait_until(partial(_stored, site, last_seq), "the windows are stored", PATIENCE_S)
            peak_bytes.append(site.collector.peak_memory_bytes())
        warm_bytes, away_bytes = peak_bytes[WARM_UP_ROUNDS - 1], peak_bytes[-1]
        site.influxdb.start()
        wait_until(lambda: site.influxdb.total("pi-f")[0] == last_seq, "all windows are in InfluxDB", PATIENCE_S)
        truth = flood_truth("pi-f", last_seq)
        assert_same(dict(site.influxdb.windows_of("pi-f")), truth, "InfluxDB")
        assert site.influxdb.total("pi-f")[1] == pytest.approx(math.fsum(truth.values()), rel=1e-11)
        assert away_bytes < MEMORY_GROWTH_RATIO * warm_bytes, f"{peak_bytes} bytes"
        assert site.ledger()[0] == 0


def test_an_influxdb_that_answers_errors_or_hangs_up_gets_every_window_once(seed: int, tmp_path: Path) -> None:
    with running_door(seed) as door, running_site("embedded", tmp_path, seed, influxdb_url=door.url) as site:
        door.target_port = site.influxdb.port
        site.make(ENOUGH, LOAD_HZ)
        wait_until(lambda: sum(door.seen[fault] for fault in FAULTS) >= 4, f"some faults, not {door.seen}", PATIENCE_S)
        for device in site.devices:
            device.halt()
        door.faulty = False
        lines = site.assert_nothing_lost()
        assert not any(line["dead_letters"] for line in lines.values()), "a server's fault condemns no window"


def test_processes_that_freeze_for_a_while_cost_nothing(seed: int, tmp_path: Path) -> None:
    with running_site("embedded", tmp_path, seed) as site:
        site.make(ENOUGH, LOAD_HZ)
        for name in site.draw.sample(VICTIMS, len(VICTIMS)):
            site.wait_stored(20, site.collector.stored_count())
            victim = site.victim(name)
            victim.freeze()
            time.sleep(1.0)
            victim.thaw()
        site.wait_stored(20, site.collector.stored_count())
        for device in site.devices:
            device.halt()
        site.assert_nothing_lost()


def test_clocks_that_jump_by_hours_overwrite_nothing(seed: int, tmp_path: Path) -> None:
    with running_site("embedded", tmp_path, seed, jumping=True) as site:
        site.make(300)
        site.wait_stored(site.draw.randrange(1, 300), 0)
        site.collector.kill()
        site.influxdb.kill()
        site.collector.start()
        site.make(300)
        site.influxdb.start()
        site.assert_nothing_lost()
        site.devices[0].reboot()
        site.devices[0].start()
        site.make(100)
        site.assert_nothing_lost()


@pytest.mark.mosquitto
def test_a_broker_that_lost_its_state_costs_nothing(seed: int, tmp_path: Path) -> None:
    with running_site("persistent", tmp_path, seed) as site:
        site.make(ENOUGH, LOAD_HZ)
        state_file = tmp_path / "broker-state" / "mosquitto.db"
        wait_until(state_file.exists, "the broker has saved its state", PATIENCE_S)
        site.wait_stored(site.draw.randrange(1, 100), site.collector.stored_count())
        site.collector.kill()
        site.wait_made_more(100)
        site.broker.kill()
        state_file.unlink()
        site.broker.start()
        site.collector.start()
        site.wait_stored(100, site.collector.stored_count())
        for device in site.devices:
            device.halt()
        site.assert_nothing_lost()


def test_a_collector_set_back_to_an_older_copy_owns_up_to_what_it_lost(seed: int, tmp_path: Path) -> None:
    with running_site("embedded", tmp_path, seed, jumping=True) as site:
        state_dir, lake_dir = site.collector.state_dir, site.collector.lake_dir
        site.make(100)
        site.assert_nothing_lost()
        assert site.collector.stop() == 0
        for folder in (state_dir, lake_dir):
            shutil.copytree(folder, tmp_path / f"copy-of-{folder.name}")
        site.collector.start()
        site.make(60)
        site.assert_nothing_lost()
        assert site.collector.stop() == 0
        for folder in (state_dir, lake_dir):
            shutil.rmtree(folder)
            (tmp_path / f"copy-of-{folder.name}").rename(folder)
        site.make(40)
        site.wait_made()
        site.collector.start()
        for device in site.devices:
            device.wait_empty()
            truth = device.true_windows()
            wait_until(lambda: site.influxdb.total(device.device_id)[0] >= 200, "the rest is stored", PATIENCE_S)  # noqa: B023
            found = site.influxdb.windows_of(device.device_id)
            assert len(found) == len(truth), "InfluxDB has each window once, though the journal forgot some"
            assert_same(dict(found), truth, "InfluxDB")
        code, lines = site.ledger()
        assert code == 1, "the ledger must not add up"
        for line in lines.values():
            assert (line["sent"], line["stored"], line["missing"], line["pending"]) == (200, 140, 60, 0), line


def test_a_database_that_vanishes_and_comes_back_gets_what_was_kept(seed: int, tmp_path: Path) -> None:
    with running_site("embedded", tmp_path, seed, ["pi-a"]) as site:
        assert site.influxdb.server is not None
        site.influxdb.server.query(f"DROP DATABASE {DATABASE}")
        site.make(100)
        site.devices[0].wait_made()
        site.devices[0].wait_empty()
        site.influxdb.server.query(f"CREATE DATABASE {DATABASE}")
        site.assert_nothing_lost()
