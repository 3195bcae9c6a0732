"""The devices' own books, as they are written out: what a ledger and a store must agree with."""

import msgspec

from edgejoule.simulate.device import SimulatedDevice
from edgejoule.simulate.outbox import Boot
from edgejoule.simulate.tally import DelayFigures


class BootCounters(msgspec.Struct, frozen=True, kw_only=True):
    """One boot: ``sent = acknowledged + declared_dropped + pending``.

    ``acknowledged``: the device knows that they are stored. ``declared_dropped``: given up by the device, though the
    collector may have got some of them before. ``energy_j`` and ``inferences``: of all windows that were made;
    ``kept_energy_j`` and ``kept_inferences``: of those that were not given up. Energies are exact: whole 1/1024 J.
    """

    boot_id: str
    boot: int
    sent: int
    acknowledged: int
    declared_dropped: int
    pending: int
    energy_j: float
    kept_energy_j: float
    inferences: int
    kept_inferences: int


class DeviceCounters(msgspec.Struct, frozen=True, kw_only=True):
    """One device: the sums over its boots. ``vanished``: it is gone for good with what it still held."""

    device_id: str
    number: int
    vanished: bool
    sent: int
    acknowledged: int
    declared_dropped: int
    pending: int
    energy_j: float
    kept_energy_j: float
    boots: tuple[BootCounters, ...]


class FleetCounters(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run. Times are seconds since it began; None: that did not happen."""

    run_id: str
    fleet: str
    seed: int
    window_s: float
    simulated: bool
    everything_acknowledged: bool
    duration_s: float
    live_s: float
    backlog_windows: int
    backlog_gone_s: float | None
    all_acknowledged_s: float | None
    windows_per_s: float
    delay_beside_backlog: DelayFigures
    delay_alone: DelayFigures
    played: dict[str, int]
    bad_citizen: str
    last_error: str
    sent: int
    acknowledged: int
    declared_dropped: int
    pending: int
    energy_j: float
    kept_energy_j: float
    devices: tuple[DeviceCounters, ...]


def device_counters(device: SimulatedDevice) -> DeviceCounters:
    """Return the device's books."""
    boots = tuple(_boot_counters(boot) for boot in device.outbox.boots.values())
    return DeviceCounters(
        device_id=device.device_id,
        number=device.number,
        vanished=device.vanished,
        sent=sum(boot.sent for boot in boots),
        acknowledged=sum(boot.acknowledged for boot in boots),
        declared_dropped=sum(boot.declared_dropped for boot in boots),
        pending=sum(boot.pending for boot in boots),
        energy_j=sum(boot.energy_j for boot in boots),
        kept_energy_j=sum(boot.kept_energy_j for boot in boots),
        boots=boots,
    )


def _boot_counters(boot: Boot) -> BootCounters:
    made, dropped = boot.made, boot.dropped
    return BootCounters(
        boot_id=boot.boot_id,
        boot=boot.source.boot,
        sent=boot.last_seq,
        acknowledged=boot.acknowledged,
        declared_dropped=dropped.windows,
        pending=boot.held.count,
        energy_j=made.energy_j,
        kept_energy_j=made.energy_j - dropped.energy_j,
        inferences=made.inferences,
        kept_inferences=made.inferences - dropped.inferences,
    )
