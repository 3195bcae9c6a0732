"""What a bench measures before anything is concluded from it."""

from dataclasses import dataclass

from edge_agent.wire.records import SyncMethod
from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import DataSheet
from firmware_bridge.samples import EnergyDelta


@dataclass(frozen=True, slots=True)
class WindowEnergy:
    """One window: what the meter saw between two inference ends, and how many inferences there were between them.

    ``early``, ``late``: the same window cut earlier and later by the sync residual, both edges alike. Where the
    meter has no samples there, they are ``delta`` itself. ``duration_s``: on the host's clock.
    """

    delta: EnergyDelta
    early: EnergyDelta
    late: EnergyDelta
    duration_s: float
    inference_count: int


@dataclass(frozen=True, slots=True)
class BaselineEnergy:
    """The declared idle state, in consecutive parts of equal length (five, say), so that its noise shows."""

    parts: tuple[EnergyDelta, ...]

    @property
    def duration_s(self) -> float:
        """Return the seconds of all parts, on the meter's clock."""
        return sum(part.duration_s for part in self.parts)

    @property
    def gap_s(self) -> float:
        """Return the seconds of all parts that no sample covers."""
        return max(0.0, sum(part.gap_s for part in self.parts))

    @property
    def powers_w(self) -> tuple[float, ...]:
        """Return the mean power of each part that has one."""
        return tuple(part.mean_power_w for part in self.parts if part.mean_power_w is not None)

    @property
    def power_w(self) -> float | None:
        """Return the mean power over what is covered, None without any sample."""
        covered_s = sum(part.covered_s for part in self.parts)
        return sum(part.energy_j for part in self.parts) / covered_s if covered_s > 0.0 else None


@dataclass(frozen=True, slots=True)
class MeterState:
    """The meter that measured: what is known of its errors, where it worked, and how it was aligned.

    ``voltage_v``: mean supply voltage during the windows. ``shift_s``: by how much early and late windows were cut,
    None for the sync residual: it may have grown since the cut was chosen.
    """

    sheet: DataSheet
    calibration: Calibration | None
    voltage_v: float
    sync_method: SyncMethod
    sync_residual_s: float
    shift_s: float | None = None
