"""What an emulated meter measures: profiles integrate exactly, processes are followed by their pid file."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.driver import MeterDriver
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.loads import (
    ConstantLoad,
    Load,
    LoadCurve,
    ProcessLoad,
    ProfileLoad,
    process_cpu_s,
    readable_power_w,
)
from firmware_bridge.registry import all_drivers
from tests.fakes.meter_talk import Conversation, steady


@given(
    st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(0.0, 20.0)), min_size=1, max_size=20),
    st.lists(st.floats(0.0, 1.0), max_size=20),
)
def test_steps_add_up_to_the_profile(rows: list[tuple[float, float]], cuts: list[float]) -> None:
    begins_s = [0.0]
    for length_s, _ in rows:
        begins_s.append(begins_s[-1] + length_s)
    profile = ProfileLoad([(begin_s, row[1], None) for begin_s, row in zip(begins_s, rows, strict=False)])
    exact_j = sum(length_s * power_w for length_s, power_w in rows)
    edges_s = [0.0, *sorted(cut * begins_s[-1] for cut in cuts), begins_s[-1]]
    energy_j = sum(profile.step(a, b).power_w * (b - a) for a, b in pairwise(edges_s))
    assert energy_j == pytest.approx(exact_j, abs=1e-9)


@given(
    st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(0.0, 20.0)), min_size=1, max_size=20),
    st.lists(st.floats(0.001, 3.0), min_size=1, max_size=20),
    st.integers(1, 7),
)
def test_samples_hold_all_that_was_drawn(rows: list[tuple[float, float]], steps_s: list[float], per_step: int) -> None:
    """The curve is cut at the steps of the profile, the samples are not: their energy is that of the load."""
    begin_s, table = 0.0, []
    for length_s, power_w in rows:
        table.append((begin_s, power_w, None))
        begin_s += length_s
    profile, curve = ProfileLoad(table), LoadCurve(5.0)
    now_s = drawn_j = sampled_j = edge_s = 0.0
    for step_s in steps_s:
        changes_s = [now_s, *profile.changes_s(now_s, now_s + step_s), now_s + step_s]
        for one_s, next_s in pairwise(changes_s):
            load = profile.step(one_s, next_s)
            drawn_j += load.power_w * (next_s - one_s)
            curve.draw(next_s, load)
        now_s += step_s
        edges_s = np.linspace(edge_s, now_s, per_step + 1)
        means_w, voltage_v = curve.means(edges_s)
        assert voltage_v.tolist() == [5.0] * per_step
        assert means_w.max() <= max(row[1] for row in rows) * (1.0 + 1e-9) + 1e-9
        sampled_j += float((means_w * np.diff(edges_s)).sum())
        edge_s = now_s
    assert sampled_j == pytest.approx(drawn_j, rel=1e-9, abs=1e-9)


def test_a_slow_sample_is_the_mean_of_the_load_and_not_its_end() -> None:
    curve = LoadCurve(5.0)
    for tick in range(50):
        curve.draw(0.02 * (tick + 1), Load(2.0 if tick < 25 else 4.0, 12.0))
    power_w, voltage_v = curve.means(np.array([0.0, 1.0]))
    assert power_w[0] == pytest.approx(3.0)
    assert voltage_v[0] == 12.0


def test_markers_stand_from_their_row_on(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("t_s,power_w,marker\n0,1,0\n0.5,2,0x81\n1.5,1,\n")
    profile = ProfileLoad.from_csv(path)
    levels = profile.marker_at(np.array([0.0, 0.4999, 0.5, 1.4, 1.5]))
    assert levels is not None
    assert levels.tolist() == [0, 0, 0x81, 0x81, 0]
    assert profile.changes_s(0.0, 1.5) == [0.5]
    assert profile.changes_s(0.5, 1.6) == [1.5]
    assert ProfileLoad([(0.0, 1.0, None)]).marker_at(np.array([0.0])) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t_s,power_w\n0,1\n1,-2\n", "line 3: power_w is -2, give watts from 0 up"),
        ("t_s,power_w\n0,nan\n", "line 2: power_w is nan"),
        ("t_s,power_w,voltage_v\n0,1,0\n", "line 2: voltage_v is 0, give volts above 0"),
        ("t_s,power_w,marker\n0,1,256\n", "line 2: marker is 256, give the inputs' levels as bits, 0 to 255"),
        ("t_s,power_w\n0,1\nnan,1\n", "t_s must begin at 0 and increase"),
        ("t_s,watts\n0,1\n", "no column 'power_w'"),
        ("t_s,power_w\n0,1\n1\n", "line 3: it has too few columns"),
    ],
)
def test_the_fault_of_a_profile_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "load.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        ProfileLoad.from_csv(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_profile_that_a_spreadsheet_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_bytes(b"\xef\xbb\xbft_s, power_w\r\n0, 1.5\r\n2, 3\r\n")
    assert ProfileLoad.from_csv(path).step(1.0, 3.0).power_w == pytest.approx(2.25)


def test_a_profile_from_a_file_holds_its_last_value(tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("t_s,power_w,voltage_v\n0,1.5,5.1\n2,3.0,4.9\n")
    profile = ProfileLoad.from_csv(path)
    assert profile.step(0.0, 1.0).power_w == 1.5
    assert profile.step(1.0, 3.0).power_w == pytest.approx(2.25)
    assert profile.step(50.0, 60.0).power_w == 3.0
    assert profile.step(50.0, 60.0).voltage_v == 4.9


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "t_s,power_w\n1,2\n", "t_s,power_w\n0,2\n0,3\n", "t_s,power_w\n0,x\n"]
)
def test_a_bad_profile_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "load.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"load\.csv: not a load profile"):
        ProfileLoad.from_csv(path)


def test_constant() -> None:
    assert ConstantLoad(2.5).step(0.0, 1.0).power_w == 2.5


@pytest.mark.parametrize("driver", all_drivers(), ids=lambda driver: driver.name)
def test_every_meter_shows_the_load_that_it_is_given_by_default(driver: MeterDriver) -> None:
    """Neither under its starting power nor over its range: 2 W are too much for 50 mA, too little for a house's."""
    sheet = driver.data_sheet
    power_w = readable_power_w(sheet)
    talk = Conversation(driver)
    talk.run(
        max(0.3, 4.0 * sheet.sample_interval_s), steady(sheet.nominal_voltage_v, power_w / sheet.nominal_voltage_v)
    )
    shown_w = np.concatenate([block.power_w for block in talk.decoded.blocks()])
    assert shown_w.mean() == pytest.approx(power_w, rel=0.12)
    assert power_w == 2.0 or sheet.starting_power_w > 0.2 or sheet.ranges[-1].max_current_a < 0.4


def test_the_cpu_clock_of_a_process_runs_with_its_work() -> None:
    begin_s = process_cpu_s(os.getpid())
    assert begin_s is not None
    target_s = begin_s + 0.05
    while (now_s := process_cpu_s(os.getpid())) is not None and now_s < target_s:
        pass
    assert now_s is not None
    assert process_cpu_s(2**22 + 1) is None


def test_a_process_load_follows_its_pid_file(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    load = ProcessLoad(pid_file, idle_w=2.0, busy_w=5.0)
    assert load.step(0.0, 1.0).power_w == 2.0
    busy = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        pid_file.write_text(f"{busy.pid}\n")
        assert load.step(1.0, 2.0).power_w == pytest.approx(2.0, abs=0.5)
        begin_s = process_cpu_s(busy.pid)
        assert begin_s is not None
        while (now_s := process_cpu_s(busy.pid)) is not None and now_s < begin_s + 0.2:
            pass
        power_w = load.step(2.0, 2.4).power_w
        assert 2.0 + 3.0 * 0.15 / 0.4 < power_w <= 2.0 + 3.0 * (os.cpu_count() or 1)
    finally:
        busy.kill()
        busy.communicate()
    assert load.step(3.0, 4.0).power_w == 2.0
    pid_file.write_text("no number")
    assert load.step(5.0, 6.0).power_w == 2.0
