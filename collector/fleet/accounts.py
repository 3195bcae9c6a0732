"""The accounts of every device and of the fleet, kept up while windows come: what a report says, at any moment.

The same code makes the report of a journal and lake that were read as a whole, and that of a page that follows them:
fed with the same windows in the same order, in whatever parts, both say the same to the last digit.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa

from collector.assess import Assessor
from collector.carbon.amortisation import Policy
from collector.carbon.estimate import Estimate
from collector.fleet.grams import DeviceGrams, device_grams, fleet_grams, sum_of
from collector.fleet.rows import distinct, flag_counts
from collector.fleet.sums import Sums, add_up
from collector.fleet.values import Account, DeviceAccount
from collector.fleet.window_grams import RowGrams, WindowGrams
from collector.fleet.window_sums import Group, Key, WindowSums

_PER_1000: Final = "gCO2e/1000 inferences"


class _Device(NamedTuple):
    account: DeviceAccount
    grams: DeviceGrams
    groups: list[dict[str, Any]]
    born_as: str


class FleetAccounts:
    """Without an assessor, or where it does not know a factor, grams are None."""

    def __init__(self, assessor: Assessor | None) -> None:
        self._assessor = assessor
        self._sums = WindowSums()
        self._grams = None if assessor is None else WindowGrams(assessor)
        self._models: defaultdict[Key, set[str]] = defaultdict(set)
        self._boundaries: defaultdict[Key, set[str]] = defaultdict(set)
        self._flags: defaultdict[Key, dict[str, int]] = defaultdict(dict)
        self._known: dict[Key, _Device] = {}

    def add(self, table: pa.Table) -> RowGrams | None:
        """Take the rows of ``table`` (``rows.COLUMNS``), which follow those that were added before.

        Returns the grams of each, None without an assessor.
        """
        self._sums.add(table)
        grams = None if self._grams is None else self._grams.add(table)
        for kept, name in ((self._models, "model_id"), (self._boundaries, "boundary")):
            for key, values in distinct(table, name).items():
                kept[key].update(values)
                self._known.pop(key, None)
        for key, counts in flag_counts(table).items():
            flags = self._flags[key]
            for flag, count in counts.items():
                flags[flag] = flags.get(flag, 0) + count
        return grams

    def with_windows(self) -> list[Key]:
        """Return every device that has windows, in order."""
        return self._sums.devices()

    def device(self, key: Key, born_as: str = "") -> DeviceAccount:
        """Return one device's account. ``born_as``: its class by its own word, where the inventory has none."""
        return self._device(key, born_as).account

    def total(self, born_as: Mapping[Key, str]) -> Account:
        """Return the fleet's account: its power and its rate are those of the devices, added."""
        devices = [self._device(key, born_as.get(key, "")) for key in self.with_windows()]
        sums = self.total_sums()
        powers = [one.account.power_w for one in devices if one.account.power_w is not None]
        rates = [one.account.inferences_per_s for one in devices if one.account.inferences_per_s is not None]
        account = _account(sums, fleet_grams(one.grams for one in devices))
        account["power_w"] = sum(powers) if powers and len(powers) == len(devices) else None
        account["inferences_per_s"] = sum(rates) if rates else None
        return Account(**account)

    def total_sums(self) -> Sums:
        """Return the sums over every window."""
        return add_up(group for key in self.with_windows() for group in self._groups(key))

    def _policy(self, device_id: str) -> Policy | None:
        return None if self._assessor is None else self._assessor.policy(device_id)

    def _groups(self, key: Key) -> list[dict[str, Any]]:
        known = self._known.get(key)
        return list(self._sums.groups(key)) if known is None else known.groups

    def _device(self, key: Key, born_as: str) -> _Device:
        known = self._known.get(key)
        if known is None or known.born_as != born_as:
            groups = self._groups(key)
            sums = add_up(groups)
            grams = DeviceGrams()
            if self._assessor is not None and self._grams is not None:
                grams = device_grams(self._assessor, key[1], sums, self._grams.of(key))
            known = _Device(self._account(key, sums, groups, grams, born_as), grams, groups, born_as)
            self._known[key] = known
        return known

    def _account(
        self, key: Key, sums: Sums, groups: list[dict[str, Any]], grams: DeviceGrams, born_as: str
    ) -> DeviceAccount:
        return DeviceAccount(
            **_account(sums, grams),
            fleet=key[0],
            device_id=key[1],
            site=grams.place.site,
            zone=grams.place.zone,
            hardware=grams.place.hardware,
            device_class=grams.place.device_class or born_as,
            models=tuple(sorted(self._models[key])),
            meters=tuple(sorted({_meter(group) for group in groups})),
            systematic_ids=tuple(sorted({group["systematic_id"] for group in groups})),
            flagged_windows=dict(sorted(self._flags[key].items())) if key in self._flags else {},
            boundaries=tuple(sorted(self._boundaries[key])),
            first_unix_ns=min(group["first_unix_ns"] for group in groups),
            last_unix_ns=max(group["last_unix_ns"] for group in groups),
            embodied_policy=None if grams.embodied is None else self._policy(key[1]),
            beyond_lifetime_s=grams.beyond_lifetime_s,
            outside_service_s=grams.outside_service_s,
        )


def account_of_nothing() -> Account:
    """Return the account of a device or a fleet without windows."""
    return Account(**_account(Sums(), DeviceGrams()))


def _meter(group: Group) -> str:
    driver, meter_id = group["meter_driver"], group["meter_id"]
    return str(meter_id) if driver in meter_id else f"{driver} {meter_id}".strip()


def _account(sums: Sums, grams: DeviceGrams) -> dict[str, Any]:
    """Return the fields of an Account."""
    operational, embodied = grams.operational, grams.embodied
    energy_j = sums.energy.energy_j
    j_per_inference, j_per_inference_u = sums.per_inference()
    net, net_u = sums.net_per_inference()
    both = sum_of([operational, embodied], correlation=0.0)
    per_1000 = 1000.0 / sums.inference_count if sums.inference_count > 0 else None
    covered = sums.coverage_ratio
    operational_per_1000 = _scaled(operational, per_1000 / covered if per_1000 and covered > 0.0 else None)
    embodied_per_1000 = _scaled(embodied, per_1000)
    return {
        "windows": sums.windows,
        "simulated_windows": sums.simulated_windows,
        "duration_s": sums.duration_s,
        "energy_j": sums.energy.energy_j,
        "energy_u_j": sums.energy.u_j,
        "energy_u_systematic_j": sums.energy.u_systematic_j,
        "gap_s": sums.gap_s,
        "coverage_ratio": covered,
        "power_w": sums.power_w,
        "inference_count": sums.inference_count,
        "inferences_per_s": sums.inference_count / sums.duration_s if sums.duration_s > 0.0 else None,
        "j_per_inference": j_per_inference,
        "j_per_inference_u": j_per_inference_u,
        "net_windows": sums.net_windows,
        "net_j_per_inference": net,
        "net_j_per_inference_u": net_u,
        "operational_gco2e": operational,
        "operational_yearly_gco2e": grams.operational_yearly,
        "intensity_ratio": {name: j / energy_j for name, j in grams.energy_by_quality_j.items() if energy_j > 0.0},
        "embodied_gco2e": embodied,
        "total_gco2e": both,
        "operational_gco2e_per_1000": operational_per_1000,
        "embodied_gco2e_per_1000": embodied_per_1000,
        "total_gco2e_per_1000": sum_of([operational_per_1000, embodied_per_1000], correlation=0.0),
        "embodied_share_ratio": embodied.value / both.value if both and embodied and both.value > 0.0 else None,
    }


def _scaled(estimate: Estimate | None, factor: float | None) -> Estimate | None:
    if estimate is None or factor is None:
        return None
    return estimate.scaled(factor, unit=_PER_1000)
