"""Full disks under the journal, the lake and a device's outbox: nothing is lost, and drops are declared."""

import math
import time
from pathlib import Path

import pytest

from tests.fakes.chaos_disk import small_disk
from tests.fakes.chaos_processes import PATIENCE_S
from tests.fakes.chaos_site import Site, running_site
from tests.fakes.delivery import wait_until

pytestmark = [pytest.mark.influxdb, pytest.mark.slow]
MIB = 1024 * 1024


def start_again_if_it_ended(site: Site) -> None:
    """Do what a service manager does."""
    if not site.collector.running:
        site.collector.start()


def test_a_full_disk_under_the_journal_delays_and_loses_nothing_even_over_a_kill(tmp_path: Path) -> None:
    with small_disk(tmp_path / "state", 16 * MIB) as disk, running_site("embedded", tmp_path, 1) as site:
        site.make(50)
        site.assert_nothing_lost()
        disk.fill(site.collector.pid)
        site.make(800)
        site.wait_made()
        time.sleep(1.0)
        assert any(device.state().held for device in site.devices), "nothing is acknowledged that is not on the disk"
        assert site.collector.running, site.collector.log_text
        site.collector.kill()
        site.collector.start()
        time.sleep(0.5)
        assert any(device.state().held for device in site.devices)
        disk.free()
        start_again_if_it_ended(site)
        site.assert_nothing_lost()


def test_a_full_disk_under_the_lake_holds_up_only_the_lake(tmp_path: Path) -> None:
    with small_disk(tmp_path / "lake", 2 * MIB) as disk, running_site("embedded", tmp_path, 1) as site:
        site.make(50)
        site.assert_nothing_lost()
        disk.fill(site.collector.pid)
        site.make(500)
        site.wait_made()
        if disk.mounted:  # else the limit is on the collector's every file
            for device in site.devices:
                device.wait_empty()
                wait_until(lambda: site.influxdb.total(device.device_id)[0] == 550, "all in InfluxDB", PATIENCE_S)  # noqa: B023
            assert sum(len(rows) for rows in site.lake_windows().values()) < 1100
        disk.free()
        site.assert_nothing_lost()


def test_a_full_disk_under_the_outbox_loses_nothing_that_is_not_declared(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "sd-card", 5 * MIB) as disk,
        running_site("embedded", tmp_path, 1, ["pi-a"], device_dir=disk.path) as site,
    ):
        (device,) = site.devices
        device.make(50)
        site.assert_nothing_lost()
        site.collector.kill()
        disk.fill(device.pid)
        device.make(1500)
        wait_until(lambda: device.state().refused > 0 or device.state().dropped > 0, "its disk is full", PATIENCE_S)
        site.collector.start()
        if disk.mounted:
            device.wait_made()
            device.wait_empty()  # although the disk is full
        disk.free()
        device.wait_made()
        device.wait_empty()
        dropped = device.state().dropped
        code, lines = site.ledger()
        line = lines["pi-a"]
        assert line["sent"] == line["stored"] + line["dropped"] == 1550, line
        assert line["stored"] >= 1550 - dropped, "some were dropped here after the broker had them"
        assert line["pending"] == line["missing"] == code == 0
        wait_until(lambda: site.influxdb.total("pi-a")[0] == line["stored"], "what was kept is stored", PATIENCE_S)


def test_an_outbox_at_its_limit_drops_the_oldest_and_every_drop_is_declared(tmp_path: Path) -> None:
    with running_site("embedded", tmp_path, 1, ["pi-a"], max_bytes=100_000) as site:
        (device,) = site.devices
        site.collector.kill()
        device.make(1000)
        device.wait_made()
        dropped = device.state().dropped
        assert 0 < dropped < 1000
        site.collector.start()
        device.wait_empty()
        device.kill()
        device.start()
        device.make(10)
        device.wait_made()
        device.wait_empty()
        wait_until(lambda: site.influxdb.total("pi-a")[0] == 1010 - dropped, "what was kept is stored", PATIENCE_S)
        code, lines = site.ledger()
        line = lines["pi-a"]
        assert (line["sent"], line["stored"], line["dropped"]) == (1010, 1010 - dropped, dropped)
        assert line["pending"] == line["missing"] == code == 0
        stored = dict(site.influxdb.windows_of("pi-a"))
        truth = device.true_windows()
        assert stored == {key: joules for key, joules in truth.items() if key[1] > dropped}
        assert site.influxdb.total("pi-a")[1] == pytest.approx(math.fsum(stored.values()), rel=1e-12)
