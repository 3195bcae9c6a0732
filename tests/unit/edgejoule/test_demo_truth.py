"""The demo's verdict on a meter: it passes an honest one and fails a wrong one."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_agent.wire.records import InferenceWindow
from edgejoule.demo.fleet_plan import DEVICES
from edgejoule.demo.truth import TruthCurve, check_meter
from tests.fakes.windows import make_window

START_NS = 1_790_000_000_000_000_000
POWER_W = 3.0
WINDOW_S = 5.0


def curve() -> TruthCurve:
    t_unix_s = START_NS / 1e9 + np.linspace(-1.0, 60.0, 3051)
    return TruthCurve(t_unix_s, POWER_W * (t_unix_s - t_unix_s[0]))


def windows(gain: float, *, u_ratio: float = 0.01, gap_s: float = 0.0, count: int = 10) -> list[InferenceWindow]:
    energy_j = POWER_W * WINDOW_S * gain
    return [
        msgspec.structs.replace(
            make_window(),
            seq=index + 1,
            t_start_unix_ns=START_NS + int(index * WINDOW_S * 1e9),
            duration_s=WINDOW_S,
            energy_j=energy_j,
            energy_u_j=energy_j * u_ratio,
            energy_u_systematic_j=energy_j * u_ratio,
            gap_s=gap_s,
        )
        for index in range(count)
    ]


def test_a_meter_inside_its_uncertainty_passes() -> None:
    check = check_meter(DEVICES[0], windows(1.02), curve())
    assert check.within_three_u
    assert check.windows == 10
    assert check.true_j == pytest.approx(10 * WINDOW_S * POWER_W, rel=1e-6)
    assert check.deviation_u == pytest.approx(0.02 / 0.0102, rel=1e-3)


@pytest.mark.parametrize("gain", [0.96, 1.04])
def test_a_meter_outside_three_u_fails(gain: float) -> None:
    assert not check_meter(DEVICES[0], windows(gain), curve()).within_three_u


def test_systematic_uncertainty_does_not_average_away() -> None:
    one = check_meter(DEVICES[0], windows(1.0, count=1), curve())
    ten = check_meter(DEVICES[0], windows(1.0, count=10), curve())
    assert ten.u_j == pytest.approx(10 * one.u_j)


def test_windows_with_gaps_are_counted_apart_and_nothing_left_is_a_failure() -> None:
    check = check_meter(DEVICES[0], windows(1.0, gap_s=1.0), curve())
    assert (check.windows, check.windows_excluded) == (0, 10)
    assert not check.within_three_u


def test_windows_beyond_the_truth_are_not_compared() -> None:
    assert check_meter(DEVICES[0], windows(1.0, count=20), curve()).windows_excluded == 8


def test_a_truth_file_cut_short_by_a_kill_is_read(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(
        f"t_unix_ns,energy_true_j\n{START_NS},0.0\n{START_NS + 10**9},3.0\n{START_NS + 2 * 10**9},6", "ascii"
    )
    read = TruthCurve.read(path)
    assert read.energy_between_j(START_NS / 1e9, START_NS / 1e9 + 1) == pytest.approx(3.0, rel=1e-6)
    assert read.energy_between_j(START_NS / 1e9, START_NS / 1e9 + 2) is None
