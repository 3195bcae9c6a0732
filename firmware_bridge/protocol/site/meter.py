"""What the meters at a building's supply have in common: their readings as samples, and their data sheet."""

import math

from firmware_bridge.driver import DataSheet, FieldValue, MeterRange
from firmware_bridge.protocol.counter_guard import CounterGuard
from firmware_bridge.protocol.events import later_s, one_sample
from firmware_bridge.protocol.site.obis import Electricity
from firmware_bridge.samples import Event, FrameError, MeterIdentity, SampleBlock, SampleFlag

JOULES_PER_WH = 3600.0
NOMINAL_V = 230.0
LEAST_V, MOST_V = 90.0, 300.0
VOLTAGE_OPTION = (
    f"volts for meters that send none; current is power / volts, power is the meter's own (default {NOMINAL_V:g})"
)
_MAX_CURRENT_A = 240.0
_STEPS_W = (1.0, 10.0, 100.0)
FULL_SCALE_W = _MAX_CURRENT_A * NOMINAL_V


class SiteListener:
    """What a decoder of a meter that sends by itself has to say: nothing, ever."""

    def bytes_to_send(self, t_host_s: float) -> bytes:  # noqa: ARG002 the meter is never asked
        """Nothing: the meter sends by itself."""
        return b""

    def next_due_s(self) -> float:
        """Return infinity: there is nothing to ask."""
        return math.inf

    def stop_bytes(self) -> bytes:
        """Nothing: the meter can't be stopped."""
        return b""


class SiteSamples:
    """Turns readings of a site's meter into samples. ``counter_step_j``: coarser counters are not shown.

    Current is power / mean voltage of the phases, so the active part of all phases together. The counter is the
    imported energy, and is shown only where nothing was ever exported: power here is net, a counter of one direction
    is not. The mean leaves out phases below 90 V and above 300 V.
    """

    def __init__(self, counter_step_j: float, voltage_v: float) -> None:
        self._guard = CounterGuard(counter_step_j, FULL_SCALE_W)
        self._counter_step_j = counter_step_j
        self._voltage_v = voltage_v
        self._identity: MeterIdentity | None = None
        self._last_s = -math.inf

    def stamp(self, t_host_s: float) -> float:
        """Return the time of a reading that arrived at ``t_host_s``: always later than that of the last one."""
        self._last_s = later_s(t_host_s, self._last_s)
        return self._last_s

    def shows(self, now: Electricity) -> bool:
        """Tell whether the meter's counter can be compared with its power: fine enough, and nothing ever fed back."""
        if now.import_wh is None or (now.export_wh is not None and now.export_wh.value > 0.0):
            return False
        return now.import_wh.step * JOULES_PER_WH <= self._counter_step_j * (1.0 + 1e-9)

    def counter(self, now: Electricity, t_s: float) -> tuple[float, list[FrameError]]:
        """Return the meter's own counter in joules, NaN where it is not shown, and what it broke."""
        if now.import_wh is None or not self.shows(now):
            return math.nan, []
        return self._guard.follow(now.import_wh.value * JOULES_PER_WH, t_s)

    def block(self, now: Electricity, power_w: float, counter_j: float, t_s: float, *, stale: bool) -> SampleBlock:
        """Return one sample."""
        alive = [volts for volts in now.voltages_v if LEAST_V <= volts <= MOST_V]
        voltage_v = sum(alive) / len(alive) if alive else self._voltage_v
        step_w = _STEPS_W[0] if now.power_w is None else now.power_w.step
        index = next((i for i, limit_w in enumerate(_STEPS_W) if step_w <= limit_w * (1.0 + 1e-9)), len(_STEPS_W) - 1)
        return one_sample(
            t_s,
            voltage_v=voltage_v,
            current_a=power_w / voltage_v,
            power_w=power_w,
            range_index=index,
            flags=SampleFlag.STALE if stale else 0,
            counter_j=counter_j,
        )

    def introduce(self, model: str, serial_number: str, firmware: str, now: Electricity) -> list[Event]:
        """Say who the meter is, the first time and when another one speaks; an assumed voltage is said there too."""
        assumed: dict[str, float | str] = {} if now.voltages_v else {"assumed_voltage_v": self._voltage_v}
        identity = MeterIdentity(model, serial_number, firmware, assumed)
        if identity == self._identity:
            return []
        self._identity = identity
        return [identity]


def objection(now: Electricity, power_w: float) -> str:
    """Return what cannot be true in a reading, empty where nothing stands out."""
    if abs(power_w) > FULL_SCALE_W:
        return f"{power_w:g} W is beyond {FULL_SCALE_W:g} W"
    if now.power_w is not None and now.power_w.step > _STEPS_W[-1] * (1.0 + 1e-9):
        return f"power in steps of {now.power_w.step:g} W"
    return ""


def fields_of(now: Electricity, voltage_v: float) -> dict[str, FieldValue]:
    """Return the sums by name with unit."""
    fields: dict[str, FieldValue] = {"voltage_assumed": not now.voltages_v}
    if not now.voltages_v:
        fields["assumed_voltage_v"] = voltage_v
    fields |= {f"phase_{i}_voltage_v": volts for i, volts in enumerate(now.voltages_v, 1)}
    fields |= {f"phase_{i}_current_a": amperes for i, amperes in enumerate(now.currents_a, 1)}
    for name, quantity in (("imported_wh", now.import_wh), ("exported_wh", now.export_wh)):
        if quantity is not None:
            fields[name] = quantity.value
    return fields


def make_sheet(
    *,
    model: str,
    interval_s: tuple[float, float],
    power_step_w: float,
    counter_step_j: float,
    sync_facility: str,
    integrity: str,
    source: str,
) -> DataSheet:
    """Return the data sheet of a kind of smart meter.

    ``interval_s``: between samples, and the longest that is no gap. ``power_step_w``: the usual step of power.
    """
    return DataSheet(
        manufacturer="several",
        model=model,
        min_voltage_v=LEAST_V,
        max_voltage_v=MOST_V,
        ranges=tuple(
            MeterRange(
                max_current_a=_MAX_CURRENT_A,
                gain_limit_ratio=0.02,
                offset_limit_a=0.0,
                resolution_a=step_w / NOMINAL_V,
                power_offset_limit_w=0.0 if step_w <= power_step_w else 0.5 * step_w,
            )
            for step_w in _STEPS_W
        ),
        voltage_gain_limit_ratio=0.02,
        voltage_offset_limit_v=0.5,
        voltage_resolution_v=0.1,
        sample_interval_s=interval_s[0],
        max_interval_s=interval_s[1],
        sampling="point",
        clock="host_arrival",
        boundaries=("site",),
        sync_facility=sync_facility,
        usb_ids=(),
        accuracy_basis=(
            "assumption: class A of the Measuring Instruments Directive (EN 50470-3), +-2 %; most meters are class B, "
            "+-1 %. Ranges are steps of power, 1, 10 and 100 W: one coarser than the usual step counts as offset. "
            "That a meter starts at 10 W at the latest, and is uncertain by as much below, is an assumption too"
        ),
        integrity=integrity,
        source=source,
        power_gain_limit_ratio=0.02,
        power_resolution_w=power_step_w,
        starting_power_w=10.0,
        counter_step_j=counter_step_j,
    )
