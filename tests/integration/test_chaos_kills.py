"""SIGKILL of each process while idle, under full load and while a backlog drains: nothing lost, nothing twice.

Real processes throughout: mosquitto that forgets everything, mosquitto that comes back with an old state, our own
broker; the real InfluxDB; the collector with InfluxDB and lake; devices with outboxes on disk. After each kill the
verdict is asked from outside. EDGEJOULE_CHAOS_SEEDS=N runs N seeds instead of one.
"""

import time
from pathlib import Path

import pytest

from tests.fakes.chaos_processes import DeviceProcess
from tests.fakes.chaos_site import VICTIMS, Site, SiteKind, running_site, seeds, site_kinds

pytestmark = [pytest.mark.influxdb, pytest.mark.slow, pytest.mark.parametrize("seed", seeds())]
ENOUGH = 1_000_000
LOAD_HZ = 400.0


def hit(site: Site, name: str) -> None:
    """Kill one and start it again a moment later; a device comes back in the same or in another boot."""
    victim = site.victim(name)
    if isinstance(victim, DeviceProcess) and site.draw.random() < 0.5:
        victim.reboot()
    else:
        victim.kill()
    time.sleep(site.draw.uniform(0.0, 0.4))
    victim.start()


def shuffled_victims(site: Site) -> list[str]:
    return site.draw.sample(VICTIMS, len(VICTIMS))


@pytest.mark.parametrize("kind", site_kinds())
def test_kills_while_idle(kind: SiteKind, seed: int, tmp_path: Path) -> None:
    with running_site(kind, tmp_path, seed) as site:
        site.make(30)
        site.assert_nothing_lost()
        for name in shuffled_victims(site):
            hit(site, name)
            site.make(site.draw.randrange(1, 90))
            site.assert_nothing_lost()


@pytest.mark.parametrize("kind", site_kinds())
def test_kills_under_full_load(kind: SiteKind, seed: int, tmp_path: Path) -> None:
    with running_site(kind, tmp_path, seed) as site:
        for name in shuffled_victims(site):
            before = site.collector.stored_count()
            site.make(ENOUGH, LOAD_HZ)
            site.wait_stored(site.draw.randrange(1, 250), before)
            hit(site, name)
            site.wait_stored(50, site.collector.stored_count())
            for device in site.devices:
                device.halt()
            site.assert_nothing_lost()


@pytest.mark.parametrize("kind", site_kinds())
def test_kills_while_a_backlog_drains(kind: SiteKind, seed: int, tmp_path: Path) -> None:
    with running_site(kind, tmp_path, seed) as site:
        for name in shuffled_victims(site):
            site.collector.kill()
            before = site.collector.stored_count()
            site.make(600)
            site.wait_made()
            site.collector.start()
            site.wait_stored(site.draw.randrange(1, 900), before)
            hit(site, name)
            site.assert_nothing_lost()
