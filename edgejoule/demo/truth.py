"""Measured energy against the energy that the emulator knows it delivered."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collector.fleet.sums import Uncertain
from collector.values import MeterCheck
from edge_agent.wire.records import InferenceWindow
from edgejoule.demo.fleet_plan import DemoDevice

MAX_GAP_RATIO = 0.001
COVERAGE_FACTOR = 3.0


class TruthCurve:
    """Cumulative true energy over unix time, as an emulator wrote it."""

    def __init__(self, t_unix_s: NDArray[np.float64], energy_j: NDArray[np.float64]) -> None:
        self._t_unix_s = t_unix_s
        self._energy_j = energy_j

    @classmethod
    def read(cls, path: Path) -> "TruthCurve":
        """Read ``t_unix_ns,energy_true_j`` lines. A last line cut short by a kill is left out."""
        lines = path.read_text(encoding="ascii").splitlines(keepends=True)[1:]
        rows = [line.split(",") for line in lines if line.endswith("\n")]
        t_unix_ns = np.array([int(row[0]) for row in rows], dtype=np.int64)
        energy_j = np.array([float(row[1]) for row in rows])
        return cls((t_unix_ns / 1e9).astype(np.float64), energy_j)

    def energy_between_j(self, t0_unix_s: float, t1_unix_s: float) -> float | None:
        """Return the true joules between two instants, None where the curve does not reach."""
        if len(self._t_unix_s) < 2 or t0_unix_s < self._t_unix_s[0] or t1_unix_s > self._t_unix_s[-1]:
            return None
        at = np.interp([t0_unix_s, t1_unix_s], self._t_unix_s, self._energy_j)
        return float(at[1] - at[0])


def check_meter(device: DemoDevice, windows: Sequence[InferenceWindow], curve: TruthCurve) -> MeterCheck:
    """Compare one device's stored windows with the truth over the same spans of time.

    Windows with a gap are counted apart: their joules and the truth's cover other times.
    """
    measured = Uncertain()
    true_j, used = 0.0, 0
    for window in windows:
        start_unix_s = window.t_start_unix_ns / 1e9
        truth_j = curve.energy_between_j(start_unix_s, start_unix_s + window.duration_s)
        if truth_j is None or window.gap_s > MAX_GAP_RATIO * window.duration_s:
            continue
        used += 1
        measured.add_window(window)
        true_j += truth_j
    difference_j = measured.energy_j - true_j
    return MeterCheck(
        device_id=device.device_id,
        meter_driver=device.meter_driver,
        windows=used,
        windows_excluded=len(windows) - used,
        measured_j=measured.energy_j,
        true_j=true_j,
        u_j=measured.u_j,
        deviation_u=difference_j / measured.u_j if measured.u_j > 0 else 0.0,
        within_three_u=used > 0 and abs(difference_j) <= COVERAGE_FACTOR * measured.u_j,
    )
