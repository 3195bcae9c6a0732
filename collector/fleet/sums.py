"""Sums over windows, and the uncertainty that they carry. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_agent.wire.records import InferenceWindow


@dataclass(slots=True)
class Uncertain:
    """An energy with its parts of uncertainty kept apart until the end.

    Systematic parts (gain, offset) are common to all windows of one systematic id, on one device or on many: they are
    taken as fully correlated (r = 1) and add linearly there (JCGM 100:2008, 5.2.2). Between ids, and for independent
    parts everywhere, variances add (5.1.2).
    """

    energy_j: float = 0.0
    systematic_j: dict[str, float] = field(default_factory=dict)
    independent_j2: float = 0.0

    def add(self, systematic_id: str, energy_j: float, systematic_j: float, independent_j2: float) -> None:
        """Add the windows of one systematic id."""
        self.energy_j += energy_j
        self.systematic_j[systematic_id] = self.systematic_j.get(systematic_id, 0.0) + systematic_j
        self.independent_j2 += independent_j2

    def add_window(self, window: InferenceWindow) -> None:
        """Add one window."""
        systematic_j = window.energy_u_systematic_j
        independent_j2 = max(0.0, window.energy_u_j**2 - systematic_j**2)
        self.add(systematic_id_of(window), window.energy_j, systematic_j, independent_j2)

    @property
    def u_systematic_j(self) -> float:
        """Return the standard uncertainty that neither more windows nor more meters of a type average out."""
        return math.hypot(*self.systematic_j.values())

    @property
    def u_j(self) -> float:
        """Return the combined standard uncertainty."""
        return math.hypot(self.u_systematic_j, math.sqrt(self.independent_j2))


@dataclass(slots=True)
class Sums:
    """The sums of ``rows.group_hourly`` over any set of its groups."""

    windows: int = 0
    simulated_windows: int = 0
    duration_s: float = 0.0
    covered_s: float = 0.0
    gap_s: float = 0.0
    inference_count: int = 0
    energy: Uncertain = field(default_factory=Uncertain)
    net_windows: int = 0
    net_duration_s: float = 0.0
    net_covered_s: float = 0.0
    net_inference_count: int = 0
    net_u_windows: int = 0
    net_idle_u_j: dict[str, float] = field(default_factory=dict)
    net_energy: Uncertain = field(default_factory=Uncertain)

    def add(self, group: Mapping[str, Any]) -> None:
        """Add one group."""
        for name in _PLAIN:
            setattr(self, name, getattr(self, name) + group[name])
        name = group["systematic_id"]
        self.energy.add(name, group["energy_j"], group["systematic_j"], group["independent_j2"])
        self.net_energy.add(name, group["net_energy_j"], group["net_systematic_j"], group["net_independent_j2"])
        device = f"{group['fleet']}/{group['device_id']}"
        self.net_idle_u_j[device] = self.net_idle_u_j.get(device, 0.0) + group["net_idle_u_j"]

    @property
    def coverage_ratio(self) -> float:
        """Return the part of the time that samples cover."""
        return self.covered_s / self.duration_s if self.duration_s > 0.0 else 0.0

    @property
    def power_w(self) -> float | None:
        """Return the mean power over covered time."""
        return self.energy.energy_j / self.covered_s if self.covered_s > 0.0 else None

    def per_inference(self) -> tuple[float | None, float | None]:
        """Return joules per inference and the standard uncertainty: mean power over mean rate."""
        scale = _scale(self.duration_s, self.covered_s, self.inference_count)
        if scale is None:
            return None, None
        return self.energy.energy_j * scale, self.energy.u_j * scale

    def net_per_inference(self) -> tuple[float | None, float | None]:
        """Return the same above idle power; u is None unless every window states that of its net or idle power.

        A window that states the uncertainty of its own net energy has taken the meter's gain as common to both. What
        is not independent in it adds linearly within a systematic id, though the chance in each device's baseline is
        its own: the safe side. For older windows the idle power's error adds linearly within the device, and that
        the gain would partly cancel is not counted on.
        """
        scale = _scale(self.net_duration_s, self.net_covered_s, self.net_inference_count)
        if scale is None:
            return None, None
        if self.net_u_windows < self.net_windows:
            return self.net_energy.energy_j * scale, None
        return self.net_energy.energy_j * scale, math.hypot(self.net_energy.u_j, *self.net_idle_u_j.values()) * scale


def systematic_id_of(window: InferenceWindow) -> str:
    """Return whose systematic error the window's is: of an older agent, that of its type of meter."""
    return window.systematic_id or window.meter_driver


def add_up(groups: Iterable[Mapping[str, Any]]) -> Sums:
    """Return the sums over ``groups``."""
    sums = Sums()
    for group in groups:
        sums.add(group)
    return sums


_PLAIN = (
    "windows",
    "simulated_windows",
    "duration_s",
    "covered_s",
    "gap_s",
    "inference_count",
    "net_windows",
    "net_duration_s",
    "net_covered_s",
    "net_inference_count",
    "net_u_windows",
)


def _scale(duration_s: float, covered_s: float, count: int) -> float | None:
    """Return the factor from covered joules to joules per inference, None without samples or inferences."""
    return duration_s / covered_s / count if covered_s > 0.0 and count > 0 else None
