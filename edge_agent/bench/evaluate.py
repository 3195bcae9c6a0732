"""From windows and baselines to joules per inference, gross and net, with a budget line by line. Pure.

Window i draws the mean power P_i over the time that samples cover; it lasts T_i on the host's clock and holds N_i
inferences. Its figure is e_i = P_i T_i / N_i: seconds without samples count with the window's mean power (and with
an uncertainty), and the meter's clock rate cancels. The result is the median of the e_i, as MLPerf Tiny has it
(MLPerfTiny_Rules, energy mode). The model of the measurement, x being the errors::

    gross = (median e_i + x_spread + x_gap + x_resolution) (1 + x_gain) (1 + x_time)
            + x_offset t + x_sync slope
    net   = the same with (median n_i + idle t) in place of median e_i, with the spread and the slope of the n_i
            - (idle + x_noise + x_drift + x_rounding) (1 + x_gain) (1 + x_time) t - x_offset t

with t the median of T_i / N_i, idle the mean of both baselines, n_i = e_i - idle T_i / N_i. Net is the median of the
n_i, and its chance is in their spread, not in that of the e_i: a device that does with less power more slowly what it
does has a steady e and an unsteady n; one that waits for other processes at equal power, the other way round. Gain is
one error for gross and baseline, so in net it acts on the difference only; offset cancels.
Where the meter idles in another measuring range than it works in, that range's shunt has a gain and an offset of its
own: nothing of the two cancels then.
Everything that differs from window to window by chance (sampling, edges inside a sample, noise of the load, jitter of
the clocks) is in the spread, type A, and is not counted a second time. What all windows of a run share is type B.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Final

from edge_agent.bench.values import BaselineEnergy, MeterState, WindowEnergy
from edge_agent.uncertainty.budget import Budget, Input, Number, SharedBy, nominal
from edge_agent.uncertainty.energy import is_dithered
from edge_agent.uncertainty.type_a import median_chance, pooled_mean_chance
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.records import Measurand
from firmware_bridge.calibration import SAME_RANGE_RATIO, SystematicPart, systematic_parts
from firmware_bridge.samples import EnergyDelta

TIME_BASE_LIMIT_RATIO: Final = 50e-6
"""The host's clock between two corrections: an ordinary crystal, as a rectangular limit."""
_SQRT_3: Final = math.sqrt(3.0)
_SQRT_12: Final = math.sqrt(12.0)


_ROUNDING: Final = "display step / sqrt(12), power hardly moves (JCGM 100:2008, F.2.2.1)"


@dataclass(frozen=True, slots=True)
class Results:
    """Joules per inference: ``gross`` is all that the device drew, ``net`` what it drew above the baseline."""

    gross: Measurand
    net: Measurand | None


def joules_per_inference(window: WindowEnergy, delta: EnergyDelta | None = None) -> float:
    """Return e = P T / N of a window. Raises RejectedRecordError where no sample covers it."""
    power_w = (window.delta if delta is None else delta).mean_power_w
    if power_w is None:
        raise RejectedRecordError("a window has no sample of the meter; check the meter's connection and bench again")
    return power_w * window.duration_s / window.inference_count


def evaluate(
    windows: Sequence[WindowEnergy], before: BaselineEnergy | None, after: BaselineEnergy | None, meter: MeterState
) -> Results:
    """Return gross and, with both baselines, net joules per inference of four or more windows.

    Raises RejectedRecordError for a window that no sample covers, ValueError for fewer windows.
    """
    return _Evaluation(windows, meter).results(before, after)


class _Evaluation:
    def __init__(self, windows: Sequence[WindowEnergy], meter: MeterState) -> None:
        self._windows, self._meter = windows, meter
        self._budget = Budget()
        gross_j = median(joules_per_inference(window) for window in windows)
        self._s_per_inference = median(window.duration_s / window.inference_count for window in windows)
        self._power_w = gross_j / self._s_per_inference
        self._shared_by: SharedBy = "meter_type" if meter.calibration is None else "meter"
        self._errors: dict[tuple[str, int | None], Number] = {}
        deltas = [window.delta for window in windows]
        self._gain, self._offset_w = self._meter_errors(self._power_w, deltas)
        time_u_ratio = TIME_BASE_LIMIT_RATIO / _SQRT_3
        self._time = self._error("time base of the host", time_u_ratio, "1", "crystal, +-50 ppm", "run")

    def results(self, before: BaselineEnergy | None, after: BaselineEnergy | None) -> Results:
        gross = self._budget.measurand(self._shown(0.0))
        idle_w = self._idle_w(before, after)
        if idle_w is None:
            return Results(gross, None)
        deltas = [part for one in (before, after) if one is not None for part in one.parts if part.covered_s > 0.0]
        gain, offset_w = self._meter_errors(nominal(idle_w), deltas, ", range of the baseline")
        idle_j = (idle_w * (1.0 + gain) * (1.0 + self._time) + offset_w) * self._s_per_inference
        net = self._shown(nominal(idle_w)) - idle_j
        return Results(gross, self._budget.measurand(net))

    def _shown(self, idle_w: float) -> Number:
        """Return gross energy with its errors; those by chance are what they are in each window less ``idle_w``."""
        each_j = [self._above(window, window.delta, idle_w) for window in self._windows]
        middle_j = median(each_j) + idle_w * self._s_per_inference
        known = middle_j + self._spread(each_j) + self._gap() + self._resolution()
        constant = self._offset_w * self._s_per_inference + self._sync(idle_w)
        return known * (1.0 + self._gain) * (1.0 + self._time) + constant

    def _above(self, window: WindowEnergy, delta: EnergyDelta, idle_w: float) -> float:
        """Return what an inference of a window drew above ``idle_w``, with the power of ``delta``."""
        return joules_per_inference(window, delta) - idle_w * window.duration_s / window.inference_count

    def _spread(self, each_j: Sequence[float]) -> Number:
        chance = median_chance(each_j)
        return self._budget.variable(
            Input(
                name="spread of the windows",
                evaluation="A",
                distribution="t",
                value=0.0,
                u=chance.plain_u,
                unit="J",
                dof=chance.dof,
                basis=f"median of {len(each_j)} windows (JCGM 100:2008, 4.2)",
            )
        )

    def _gap(self) -> Number:
        """Take it that a gap drew the window's mean, off by the spread of power, all of one gap alike.

        The mean over the windows: what one window's gap does to that window alone is in the spread.
        """
        u_j = fmean(
            max(0.0, window.delta.gap_s) * window.delta.power_sd_w / window.inference_count for window in self._windows
        )
        return self._error("gaps", u_j, "J", "seconds without samples x spread of power", "window", normal=True)

    def _resolution(self) -> Number:
        """Where the power hardly moves, all samples are rounded alike; else steps average out, within the spread."""
        u_w = rounding_u_w([window.delta for window in self._windows])
        return self._error("resolution", u_w, "W", _ROUNDING, "run") * self._s_per_inference

    def _sync(self, idle_w: float) -> Number:
        """Both edges of all windows are off by one time: what that does is tried out, to either side."""
        residual_s = self._meter.sync_residual_s
        if residual_s <= 0.0:
            return 0.0
        early_j = median(self._above(window, window.early, idle_w) for window in self._windows)
        late_j = median(self._above(window, window.late, idle_w) for window in self._windows)
        slope_w = (late_j - early_j) / (2.0 * (self._meter.shift_s or residual_s))
        basis = f"{self._meter.sync_method}, limit +-{residual_s:.3g} s"
        return self._error("alignment of the clocks", residual_s / _SQRT_3, "s", basis, "run") * slope_w

    def _meter_errors(self, power_w: float, deltas: Sequence[EnergyDelta], where: str = "") -> tuple[Number, Number]:
        """Return the meter's gain (ratio) and offset (watts) at a mean power; what is known already is the same error.

        ``where``: added to the names of errors that are new.
        """
        gain: Number = 0.0
        offset_w: Number = 0.0
        for part in self._parts(power_w, deltas):
            suffix = where
            if where and part.kind == "unseen":
                part, suffix = replace(part, name=f"{part.name}, baseline"), ""  # noqa: PLW2901 an error of its own
            key = part.name, part.range_index
            if key not in self._errors:
                self._errors[key] = self._meter_error(part, power_w, suffix)
            if part.kind == "gain":
                gain = gain + self._errors[key]
            else:
                offset_w = offset_w + self._errors[key]
        return gain, offset_w

    def _parts(self, power_w: float, deltas: Sequence[EnergyDelta]) -> tuple[SystematicPart, ...]:
        """Return the meter's errors at a mean power, scaled to what its register integrated sample by sample.

        The two differ where the load moves between measuring ranges: what those have each of their own is then no
        error of one range, and does not cancel against it.
        """
        volts = self._meter.voltage_v
        parts = systematic_parts(
            self._meter.sheet,
            voltage_v=volts,
            current_a=power_w / volts if volts > 0.0 else 0.0,
            calibration=self._meter.calibration,
        )
        together_w = math.hypot(*(part.u_w for part in parts))
        if together_w <= 0.0:
            return ()
        scale = median(delta.energy_u_systematic_j / delta.covered_s for delta in deltas) / together_w
        is_mixed = abs(scale - 1.0) > SAME_RANGE_RATIO
        parts = tuple(replace(part, u_w=part.u_w * scale) for part in parts)
        return tuple(_of_several_ranges(part) if is_mixed else part for part in parts)

    def _meter_error(self, part: SystematicPart, power_w: float, where: str) -> Number:
        is_ratio = part.kind == "gain"
        return self._budget.variable(
            Input(
                name=f"meter, {part.name}{where}",
                evaluation="B",
                distribution=part.distribution,
                value=0.0,
                u=part.u_w / abs(power_w) if is_ratio and power_w else part.u_w,
                unit="1" if is_ratio else "W",
                shared_by=self._shared_by,
                basis=self._meter_basis(),
                is_gain=is_ratio,
            )
        )

    def _meter_basis(self) -> str:
        certificate = self._meter.calibration
        if certificate is None:
            return self._meter.sheet.accuracy_basis
        return f"certificate {certificate.certificate}, {certificate.date}"

    def _idle_w(self, before: BaselineEnergy | None, after: BaselineEnergy | None) -> Number | None:
        if before is None or after is None:
            return None
        powers_w = before.power_w, after.power_w
        if powers_w[0] is None or powers_w[1] is None:
            return None
        chance = pooled_mean_chance([before.powers_w, after.powers_w])
        by_chance_w = 2.0 * chance.plain_u
        moved_w = math.sqrt(max((powers_w[1] - powers_w[0]) ** 2 - by_chance_w**2, 0.0))
        basis = "before against after, beyond their noise"
        drift = self._error("baseline, drift", moved_w / 2.0 / _SQRT_3, "W", basis, "run")
        noise = self._budget.variable(
            Input(
                name="baseline, noise",
                evaluation="A",
                distribution="t",
                value=0.0,
                u=chance.plain_u,
                unit="W",
                dof=chance.dof,
                shared_by="run",
                basis="spread of the parts of both baselines (JCGM 100:2008, 4.2.4)",
            )
        )
        still_u_w = rounding_u_w([part for part in (*before.parts, *after.parts) if part.covered_s > 0.0])
        rounding = self._error("baseline, resolution", still_u_w, "W", _ROUNDING, "run")
        return 0.5 * (powers_w[0] + powers_w[1]) + noise + drift + rounding

    def _error(
        self, name: str, u: float, unit: str, basis: str, shared_by: SharedBy, *, normal: bool = False
    ) -> Number:
        return self._budget.variable(
            Input(
                name=name,
                evaluation="B",
                distribution="normal" if normal else "rectangular",
                value=0.0,
                u=u,
                unit=unit,
                shared_by=shared_by,
                basis=basis,
            )
        )


def _of_several_ranges(part: SystematicPart) -> SystematicPart:
    if part.range_index is None:
        return part
    return replace(part, name=f"{part.name}, several ranges", range_index=None)


def rounding_u_w(deltas: Sequence[EnergyDelta]) -> float:
    """Return the standard uncertainty in watts of a display whose steps do not average out in one of these spans."""
    u_w = 0.0
    for delta in deltas:
        if not is_dithered(delta):
            u_w = max(u_w, delta.resolution_j / delta.covered_s / _SQRT_12)
    return u_w
