"""What an emulated meter measures: profiles integrate exactly, processes are followed by their pid file."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.loads import ConstantLoad, ProcessLoad, ProfileLoad, process_cpu_s


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
