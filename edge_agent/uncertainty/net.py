"""Net energy: what a window drew above the declared idle power, and its standard uncertainty. Pure.

Net = E - P_idle x t, both from one meter. With gain error g and offset error o (constant) the meter shows
(1 + g) E + o t and (1 + g) P_idle + o, so net comes out as (1 + g) net: the gain acts on the net alone, and the offset
cancels. In the terms of JCGM 100:2008, 5.2.2: two inputs with r = 1, so their contributions are subtracted before they
are squared. That holds within one range of the meter; errors of two ranges' own channels are independent.
What is random in the window, and what was random in the baseline, are independent of each other. The latter is common
to all windows of one baseline.
"""

import math
from dataclasses import dataclass
from typing import Final

from edge_agent.uncertainty.energy import EnergyBudget
from firmware_bridge.calibration import SAME_RANGE_RATIO, Calibration, SystematicPart, systematic_parts
from firmware_bridge.driver import DataSheet, MeterRange
from firmware_bridge.samples import EnergyDelta

_ALL_RANGES: Final = "voltage"
"""Parts of the voltage's channel are called so: all ranges (of current) share it."""


@dataclass(frozen=True, slots=True)
class IdlePower:
    """The declared idle power. ``random_u_w``: its uncertainty without the meter's gain and offset.

    ``voltage_v``: of the supply meanwhile, None where it was not seen: then the meter's nominal one is taken.
    """

    power_w: float
    random_u_w: float
    voltage_v: float | None = None


@dataclass(frozen=True, slots=True)
class NetEnergy:
    """Joules above idle, with the standard uncertainty and its part from the meter's gain and offset."""

    energy_j: float
    u_j: float
    systematic_u_j: float


@dataclass(frozen=True, slots=True)
class MeterLimits:
    """What is known of a meter's constant errors: its data sheet, and its certificate where it has one."""

    sheet: DataSheet
    calibration: Calibration | None = None

    @property
    def has_one_range(self) -> bool:
        """Return whether the errors are the same ones whatever the current."""
        return self.calibration is not None or self.sheet.ranges_share_errors or len(self.sheet.ranges) == 1


def net_energy(
    delta: EnergyDelta, budget: EnergyBudget, idle: IdlePower, limits: MeterLimits, voltage_v: float | None = None
) -> NetEnergy | None:
    """Return the net energy over the covered time of ``delta``, None where nothing was covered.

    ``voltage_v``: of the supply in the window. Seconds of gap have no energy, and no idle energy is taken off for
    them.
    """
    if delta.mean_power_w is None or delta.covered_s <= 0.0:
        return None
    covered_s = delta.covered_s
    shown_u_w = delta.energy_u_systematic_j / covered_s
    systematic_u_j = covered_s * net_systematic_u_w(delta.mean_power_w, voltage_v, idle, limits, shown_u_w)
    return NetEnergy(
        energy_j=delta.energy_j - idle.power_w * covered_s,
        u_j=math.hypot(systematic_u_j, budget.rounding_j, budget.independent_j, covered_s * idle.random_u_w),
        systematic_u_j=systematic_u_j,
    )


def net_systematic_u_w(
    power_w: float, voltage_v: float | None, idle: IdlePower, limits: MeterLimits, shown_u_w: float | None = None
) -> float:
    """Return the standard uncertainty of ``power_w`` - idle power that comes from constant errors of the meter.

    ``shown_u_w``: that of ``power_w`` alone as the register integrated it, sample by sample. Where it is not that of
    the range of the mean power, the load moved between ranges: it counts then, and nothing cancels but the voltage's.
    """
    nominal_v = limits.sheet.nominal_voltage_v
    volts, idle_volts = abs(voltage_v or nominal_v), abs(idle.voltage_v or nominal_v)
    here = _parts(power_w, volts, limits, "in the window")
    there = _parts(idle.power_w, idle_volts, limits, "idling")
    shares_range = limits.has_one_range or _range(limits.sheet, power_w / volts) is _range(
        limits.sheet, idle.power_w / idle_volts
    )
    together_w = math.hypot(*here.values())
    if shown_u_w is not None and not limits.has_one_range and together_w > 0.0:
        ratio = shown_u_w / together_w
        if abs(ratio - 1.0) > SAME_RANGE_RATIO:
            shares_range = False
            here = {name: ratio * one_w for name, one_w in here.items()}
    total_w2 = 0.0
    for name in here.keys() | there.keys():
        one_w, other_w = here.get(name, 0.0), there.get(name, 0.0)
        if shares_range or name.startswith(_ALL_RANGES):
            total_w2 += (one_w - other_w) ** 2
        else:
            total_w2 += one_w**2 + other_w**2
    return math.sqrt(total_w2)


def _parts(power_w: float, volts: float, limits: MeterLimits, state: str) -> dict[str, float]:
    """Return the meter's constant errors at one operating point by name, with the sign of what they grow with.

    ``state``: put to the name of an error that is each state's own.
    """
    found = systematic_parts(limits.sheet, voltage_v=volts, current_a=power_w / volts, calibration=limits.calibration)
    return {f"{part.name}, {state}" if part.kind == "unseen" else part.name: _signed(part, power_w) for part in found}


def _signed(part: SystematicPart, power_w: float) -> float:
    return math.copysign(part.u_w, power_w) if part.kind == "gain" else part.u_w


def _range(sheet: DataSheet, current_a: float) -> MeterRange:
    return next((one for one in sheet.ranges if abs(current_a) <= one.max_current_a), sheet.ranges[-1])
