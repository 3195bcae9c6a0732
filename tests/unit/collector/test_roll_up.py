"""Roll-ups: they say what their windows say, come to be once, and stay right when windows come later or go."""

from pathlib import Path
from typing import Final

import fsspec
import pyarrow.parquet as pq
import pytest

from collector.assessment.assess import Period, Stored, assess
from collector.assessment.lake_files import DIRECTORY_NAME, roll_up_name, roll_ups
from collector.assessment.roll_up import roll_up
from collector.assessment.values import FleetAssessment, Options
from collector.inventory import parse_inventory
from collector.sinks.lake import LakeSink, read_lake
from collector.store_config import LakeUrl, LakeWhere
from collector.values import StoredWindow
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.stepped_intensity import SteppedIntensity
from tests.fakes.windows import T0_UNIX_NS, make_stored

NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * NS
DAY_UNIX_NS: Final = T0_UNIX_NS - T0_UNIX_NS % DAY_NS
DAY: Final = "2025-10-09"
JOURNAL: Final = "0123456789abcdef"
INVENTORY: Final = '[[device]]\nid = "pi4-01"\nzone = "DE"\nhardware = "raspberry-pi-4b-4gb"\nlifetime_years = 5.0\n'
EVER: Final = ("0000-01-01", "9999-12-31")


def windows(first: int, count: int, *, duration_s: float = 1000.0) -> list[StoredWindow]:
    return [
        make_stored(
            seq,
            t_start_unix_ns=DAY_UNIX_NS + round((seq - 1) * duration_s * NS),
            duration_s=duration_s,
            energy_j=duration_s * (1.0 + seq % 3),
        )
        for seq in range(first, first + count)
    ]


def write(where: LakeWhere, rows: list[StoredWindow], journal: str = JOURNAL) -> None:
    sink = LakeSink(where, journal=journal)
    assert sink.write(rows).accepted == len(rows)
    sink.close()


def assessed(where: LakeWhere, days: int = 3) -> FleetAssessment:
    return assess(
        Stored(lake=where),
        parse_inventory(INVENTORY),
        SteppedIntensity(lambda s: 50.0 + s // 3600 % 24),
        Period(start_unix_ns=DAY_UNIX_NS, end_unix_ns=DAY_UNIX_NS + days * DAY_NS),
        Options(draws=1000),
    )


def same(one: FleetAssessment, two: FleetAssessment) -> None:
    assert one.total.windows == two.total.windows
    assert one.total.inference_count == two.total.inference_count
    for name in ("energy_j", "energy_u_j", "duration_s"):
        assert getattr(one.total, name) == pytest.approx(getattr(two.total, name), rel=1e-9)
    for side in ("operational", "embodied"):
        first, second = getattr(one.total.grams, side), getattr(two.total.grams, side)
        assert first.range == pytest.approx(second.range, rel=1e-6)


@pytest.mark.parametrize("kind", ["directory", "memory"])
def test_a_roll_up_says_what_its_windows_say(tmp_path: Path, kind: str) -> None:
    where: LakeWhere = tmp_path / "lake" if kind == "directory" else LakeUrl(f"memory://{tmp_path.name}/lake")
    write(where, windows(1, 200))  # into a third day, and across midnight
    before = assessed(where)
    outcomes = roll_up(where, *EVER)
    assert [one.action for one in outcomes] == ["made"] * 3
    assert sum(one.windows for one in outcomes) == 200
    after = assessed(where)
    same(before, after)
    assert (before.reading.rolled_up_days, after.reading.rolled_up_days, after.reading.window_files) == (0, 3, 0)
    assert read_lake(where).num_rows == 200, "roll-ups are no windows"
    fsspec.filesystem("memory").store.clear()


def test_made_again_only_when_windows_came(tmp_path: Path) -> None:
    write(tmp_path, windows(1, 80))
    assert [one.action for one in roll_up(tmp_path, *EVER)] == ["made"]
    path = tmp_path / DIRECTORY_NAME / roll_up_name(DAY)
    content = path.read_bytes()
    assert [one.action for one in roll_up(tmp_path, *EVER)] == ["up_to_date"]
    assert path.read_bytes() == content
    write(tmp_path, windows(81, 3))
    late = assessed(tmp_path)
    assert late.total.windows == 83, "a roll-up that windows came after is not believed"
    assert late.reading.rolled_up_days == 0
    assert [one.action for one in roll_up(tmp_path, *EVER)] == ["made"]
    same(late, assessed(tmp_path))
    assert [one.action for one in roll_up(tmp_path, *EVER, redo=True)] == ["made"]
    assert pq.read_table(path).num_rows == len(roll_ups(tmp_path)) * 24


def test_windows_may_be_removed_when_they_are_rolled_up(tmp_path: Path) -> None:
    write(tmp_path, windows(1, 80))
    before = assessed(tmp_path)
    roll_up(tmp_path, *EVER)
    for file in tmp_path.glob("date=*/*.parquet"):
        file.unlink()
    same(before, assessed(tmp_path))
    write(tmp_path, windows(81, 3))  # too late for the roll-up, whose windows are gone
    assert [one.action for one in roll_up(tmp_path, *EVER)] == ["windows_gone"]
    found = assessed(tmp_path)
    assert found.total.windows == 83
    assert (found.reading.rolled_up_days, found.reading.window_files) == (1, 1)


def test_an_hour_that_only_a_roll_up_holds_is_not_cut_in_silence(tmp_path: Path) -> None:
    write(tmp_path, windows(1, 80))
    roll_up(tmp_path, *EVER)
    assert not any("only a roll-up is left" in note for note in assessed(tmp_path).notes)
    for file in tmp_path.glob("date=*/*.parquet"):
        file.unlink()
    for step, told in ((3600, False), (900, True)):
        found = assess(
            Stored(lake=tmp_path),
            parse_inventory(INVENTORY),
            SteppedIntensity(lambda _: 100.0),
            Period(start_unix_ns=DAY_UNIX_NS, end_unix_ns=DAY_UNIX_NS + step * NS),
            Options(draws=1000),
        )
        assert found.total.energy_j > 3600.0, "the hour counts whole"
        assert any("only a roll-up is left" in note and DAY in note for note in found.notes) is told


def test_a_period_inside_an_hour_takes_the_windows_while_they_are_there(tmp_path: Path) -> None:
    write(tmp_path, windows(1, 80, duration_s=300.0))
    roll_up(tmp_path, *EVER)
    found = assess(
        Stored(lake=tmp_path),
        parse_inventory(INVENTORY),
        SteppedIntensity(lambda _: 100.0),
        Period(start_unix_ns=DAY_UNIX_NS + 900 * NS, end_unix_ns=DAY_UNIX_NS + 2 * 3600 * NS),
        Options(draws=1000),
    )
    assert found.total.windows == 21
    assert found.reading.rolled_up_days == 0


def test_slots_may_be_shorter_than_an_hour(tmp_path: Path) -> None:
    write(tmp_path, windows(1, 20))
    roll_up(tmp_path, *EVER, slot_s=300)
    assert pq.read_table(tmp_path / DIRECTORY_NAME / roll_up_name(DAY)).num_rows == 67  # 20 x 1000 s in 300 s
    roll_up(tmp_path, *EVER)
    assert roll_ups(tmp_path)[DAY].slot_s == 3600
    with pytest.raises(ConfigurationError, match="--slot-s 7"):
        roll_up(tmp_path, *EVER, slot_s=7)


def test_a_file_that_is_no_roll_up_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, windows(1, 20))
    roll_up(tmp_path, *EVER)
    (tmp_path / DIRECTORY_NAME / roll_up_name(DAY)).write_bytes(b"nonsense")
    with pytest.raises(ConfigurationError, match="no roll-up that this version can read") as caught:
        assessed(tmp_path)
    assert "\n" not in str(caught.value)
