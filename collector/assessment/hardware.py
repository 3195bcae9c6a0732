"""What a fleet's devices are made of, and which share of their mass falls into a stretch of time."""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from collector.assessment.values import TimeBasis
from collector.carbon.amortisation import Charges, LifePlan, Policy, charge_many
from collector.carbon.embodied import Part
from collector.carbon.estimate import F64
from collector.carbon.timeline import I64
from collector.inventory import DeviceEntry, Inventory, embodied_parts
from edge_agent.wire.errors import ConfigurationError

_NS_PER_S: Final = 1e9
_DAY_S: Final = 86_400.0


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """One device: its ``parts``, how they are charged, and whether for all its time in service.

    ``kind``: the same number for devices of the same parts. ``plan`` is None, and ``parts`` empty, for a device of
    which the inventory does not say enough.
    """

    device_id: str
    parts: tuple[Part, ...] = ()
    plan: LifePlan | None = None
    by_service: bool = False
    kind: int = -1

    @property
    def charge_id(self) -> tuple[LifePlan | None, bool]:
        """Return what two devices have to share to be charged alike."""
        return self.plan, self.by_service


class Charged(msgspec.Struct, frozen=True, kw_only=True):
    """Of many stretches, arrays of shape ``(n,)``: shares of the whole mass, and seconds.

    Shares are NaN where they are unknown; seconds beyond the planned life are those that are known of.
    """

    share_ratio: F64
    residue_ratio: F64
    beyond_lifetime_s: F64
    before_service_s: F64
    after_retirement_s: F64


def hardware_of(inventory: Inventory, basis: TimeBasis, policy: Policy | None) -> dict[str, Hardware]:
    """Return every device of the inventory. ``policy``: for all, instead of each device's own.

    Raises ConfigurationError where a device does not have what the policy needs.
    """
    found = {entry.id: _one(entry, inventory.where, basis, policy) for entry in inventory.devices.values()}
    kinds: dict[tuple[Part, ...], int] = {}
    return {
        name: msgspec.structs.replace(one, kind=kinds.setdefault(one.parts, len(kinds))) for name, one in found.items()
    }


def _one(entry: DeviceEntry, where: str, basis: TimeBasis, policy: Policy | None) -> Hardware:
    parts, plan = embodied_parts(entry, where), entry.life_plan()
    if not parts or plan is None:
        return Hardware(device_id=entry.id)
    if policy is not None and plan.policy != policy:
        try:
            plan = msgspec.structs.replace(plan, policy=policy)
        except ValueError as error:
            raise ConfigurationError(
                f"{where}: device {entry.id!r} cannot be charged {policy}: {error}; say it in the inventory, or leave "
                "--policy out"
            ) from error
    by_service = basis == "in_service" and plan.policy != "by_use" and plan.in_service_since_unix_s is not None
    return Hardware(device_id=entry.id, parts=parts, plan=plan, by_service=by_service)


def charged(one: Hardware, starts_unix_ns: I64, durations_s: F64, uses: F64) -> Charged:
    """Return what each stretch of a device is charged. Raises ConfigurationError for what the plan cannot tell."""
    if one.plan is None:
        unknown, none = np.full(len(durations_s), np.nan), np.zeros(len(durations_s))
        return Charged(
            share_ratio=unknown,
            residue_ratio=unknown,
            beyond_lifetime_s=none,
            before_service_s=none,
            after_retirement_s=none,
        )
    starts_s = starts_unix_ns / _NS_PER_S
    try:
        found: Charges = charge_many(one.plan, starts_s, starts_s + durations_s, uses)
    except ValueError as error:
        raise ConfigurationError(
            f"device {one.device_id!r} cannot be charged {one.plan.policy}: {error}; choose another policy"
        ) from error
    beyond_s = found.beyond_lifetime_s
    return Charged(
        share_ratio=found.share_ratio,
        residue_ratio=found.residue_ratio,
        beyond_lifetime_s=np.zeros(len(durations_s)) if beyond_s is None else beyond_s,
        before_service_s=found.before_service_s,
        after_retirement_s=found.after_retirement_s,
    )


def policies_in_words(devices: Iterable[Hardware]) -> tuple[str, ...]:
    """Return one line for each policy in use: for which time it charges, and how many devices."""
    counts: dict[str, int] = {}
    for one in devices:
        if one.plan is not None:
            seen = "for their inferences" if one.plan.policy == "by_use" else "for the time that windows cover"
            words = f"{one.plan.policy}, {'for all time in service' if one.by_service else seen}"
            counts[words] = counts.get(words, 0) + 1
    return tuple(f"{words}: {count} device{'s' if count > 1 else ''}" for words, count in sorted(counts.items()))
