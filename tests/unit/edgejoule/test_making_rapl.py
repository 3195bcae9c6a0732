"""A training's joules by RAPL: a made-up tree of sysfs, the real thread, counters that wrap."""

import math
import time
from pathlib import Path

import pytest

from edgejoule.making.cost import CostMeter
from edgejoule.making.instruments import RAPL_LIMIT_RATIO, RaplCounters, rapl_counters

PERIOD_UJ = 262_143_328_850


class Zone:
    """One top-level zone of powercap below ``root``, whose counter a test moves on."""

    def __init__(self, root: Path, number: int, name: str, *, first_j: float = 1.0) -> None:
        self._folder = root / f"sys/class/powercap/intel-rapl:{number}"
        self._folder.mkdir(parents=True)
        self._energy_uj = round(first_j * 1e6)
        (self._folder / "name").write_text(name + "\n")
        (self._folder / "max_energy_range_uj").write_text(f"{PERIOD_UJ}\n")
        self.draw(0.0)

    def draw(self, energy_j: float) -> None:
        """Move the counter on; it wraps. The file is replaced in one step, as the kernel never shows half a number."""
        self._energy_uj = (self._energy_uj + round(energy_j * 1e6)) % PERIOD_UJ
        part = self._folder / "part"
        part.write_text(f"{self._energy_uj}\n")
        part.replace(self._folder / "energy_uj")

    def close(self) -> None:
        (self._folder / "energy_uj").unlink()


def test_packages_are_added_up(tmp_path: Path) -> None:
    zones = [Zone(tmp_path, 0, "package-0"), Zone(tmp_path, 1, "package-1")]
    with CostMeter(root=tmp_path) as cost:
        for zone, energy_j in zip(zones, (30.0, 12.0), strict=True):
            zone.draw(energy_j)
    made = cost.development()
    assert made.method == "rapl"
    assert not made.modelled
    assert made.development_energy_j == pytest.approx(42.0)
    assert made.development_energy_u_j == pytest.approx(42.0 * RAPL_LIMIT_RATIO / math.sqrt(3.0))
    assert "package-0, package-1" in made.boundary
    assert cost.note == ""


def test_the_platform_holds_its_packages_which_are_not_added(tmp_path: Path) -> None:
    package, psys = Zone(tmp_path, 0, "package-0"), Zone(tmp_path, 1, "psys")
    with CostMeter(root=tmp_path) as cost:
        package.draw(30.0)
        psys.draw(50.0)
    made = cost.development()
    assert made.development_energy_j == pytest.approx(50.0)
    assert "psys" in made.boundary
    assert "package-0" not in made.boundary


def test_a_counter_that_wraps_goes_on(tmp_path: Path) -> None:
    zone = Zone(tmp_path, 0, "package-0", first_j=262_143.0)
    with CostMeter(root=tmp_path) as cost:
        time.sleep(0.1)
        zone.draw(20.0)
    assert cost.development().development_energy_j == pytest.approx(20.0)


def test_the_counters_are_read_again_and_again(tmp_path: Path) -> None:
    """A counter that begins anew takes what nobody has read of it along."""
    zone = Zone(tmp_path, 0, "package-0", first_j=0.0)
    counters, _ = rapl_counters(tmp_path)
    assert counters is not None
    counters.begin()
    zone.draw(100.0)
    until_read_again(counters)
    zone.draw(-99.0)
    measured = counters.end()
    assert measured is not None
    assert measured.energy_j >= 100.0


def until_read_again(counters: RaplCounters) -> None:
    before, deadline_s = counters.readings_count, time.monotonic() + 30.0
    while counters.readings_count < before + 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_counters_that_only_root_may_read_leave_the_model_and_a_note(tmp_path: Path) -> None:
    Zone(tmp_path, 0, "package-0").close()
    with CostMeter(root=tmp_path) as cost:
        pass
    assert cost.development().method == "cpu_time"
    assert "cannot be read" in cost.note


@pytest.mark.filterwarnings("ignore::firmware_bridge.internal.reading.NotReadableWarning")
def test_counters_that_go_away_are_no_figure(tmp_path: Path) -> None:
    zone = Zone(tmp_path, 0, "package-0")
    with CostMeter(root=tmp_path) as cost:
        zone.draw(30.0)
        zone.close()
    assert cost.development().method == "cpu_time"
    assert "less than half" in cost.note


def test_counters_that_stand_still_are_no_figure(tmp_path: Path) -> None:
    Zone(tmp_path, 0, "package-0")
    with CostMeter(root=tmp_path) as cost:
        pass
    assert cost.development().method == "cpu_time"


def test_the_thread_ends_after_an_exception_too(tmp_path: Path) -> None:
    zone = Zone(tmp_path, 0, "package-0")

    def fail() -> None:
        with CostMeter(root=tmp_path):
            zone.draw(1.0)
            raise ValueError("the training went wrong")

    with pytest.raises(ValueError, match="went wrong"):
        fail()
