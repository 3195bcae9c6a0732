"""The mean power of devices as a lake has it: all joules of all covered time, idle and all."""

import datetime as dt
import math

from collector.analysis.refresh.scenario import Measured
from collector.assessment.assess import Period, Stored, assess
from collector.assessment.values import GroupFigures, Options
from collector.carbon.estimate import from_standard_uncertainty
from collector.carbon.factors import Factor
from collector.intensity.yearly_table import YearlyTable
from collector.inventory import Inventory
from edge_agent.wire.errors import ConfigurationError

_FEWEST_DRAWS = 100
"""The grams of this assessment are not asked for."""


def mean_power(stored: Stored, wanted: Measured, where: str) -> tuple[Factor, bool]:
    """Return the mean power of one device in W, over those named, and whether a meter of theirs was simulated.

    Raises ConfigurationError for a period or a device that is not there.
    """
    period = Period(start_unix_ns=_day(wanted.start, f"{where}.start"), end_unix_ns=_day(wanted.end, f"{where}.end"))
    options = Options(by=("device",), draws=_FEWEST_DRAWS)
    found = assess(stored, Inventory(devices={}), YearlyTable(()), period, options)
    groups = {one.name: one for one in found.groups.get("device", ()) if one.windows}
    used = [_of(groups, name, wanted, where) for name in dict.fromkeys(wanted.devices)]
    covered_s = math.fsum(one.duration_s - one.gap_s for one in used)
    if covered_s <= 0.0:
        raise ConfigurationError(f"{where}: no second of these windows is covered by samples; choose another period")
    mean_w = math.fsum(one.energy_j for one in used) / covered_s
    together_j = math.fsum(one.energy_u_systematic_j for one in used)
    apart_j = math.hypot(*(_own_u_j(one) for one in used))
    text = f"{', '.join(wanted.devices)}, {wanted.start} to {wanted.end}, {covered_s / 86_400.0:.3g} days with samples"
    estimate = from_standard_uncertainty(mean_w, math.hypot(together_j, apart_j) / covered_s, "W", text)
    factor = Factor(
        id=where, name="measured mean power of one device", estimate=estimate, scope="at the meter's boundary",
        source=text, licence="user's own", vintage=f"{wanted.start} to {wanted.end}", method="energy by covered time",
    )  # fmt: skip
    return factor, any(one.simulated_windows for one in used)


def _own_u_j(one: GroupFigures) -> float:
    return math.sqrt(max(one.energy_u_j**2 - one.energy_u_systematic_j**2, 0.0))


def _of(groups: dict[str, GroupFigures], name: str, wanted: Measured, where: str) -> GroupFigures:
    if name not in groups:
        known = ", ".join(groups) or "none"
        raise ConfigurationError(
            f"{where}: no window of device {name!r} from {wanted.start} to {wanted.end}; devices with some: {known}"
        )
    return groups[name]


def _day(text: str, where: str) -> int:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {text!r} is no day; write it as 2026-01-31") from error
    return round(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) * 10**9
