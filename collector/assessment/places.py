"""Where a fleet's devices stand: their zones as small numbers, the intensities there, and whose errors those have."""

from collections.abc import Mapping

import pyarrow as pa

from collector.assessment.figures import Place
from collector.assessment.hardware import Hardware
from collector.assessment.slots import slot_s_of, slot_table
from collector.carbon.factors import Factor
from collector.carbon.timeline import IntensityTimeline
from collector.carbon.units import J_PER_KWH
from collector.intensity.provider import IntensityProvider
from collector.inventory import Inventory
from edge_agent.wire.errors import ConfigurationError


class Places:
    """The devices of an inventory, and what a source of average intensities says of their zones in a period.

    Raises ConfigurationError for a zone that the source can never know, and for a marginal source.
    """

    def __init__(
        self,
        inventory: Inventory,
        hardware: Mapping[str, Hardware],
        intensity: IntensityProvider,
        start_unix_ns: int,
        end_unix_ns: int,
    ) -> None:
        if intensity.kind != "average":
            raise ConfigurationError(
                f"a fleet's account needs average intensities, and this source gives {intensity.kind} ones; "
                "use a source of averages"
            )
        self._intensity = intensity
        self._zones: dict[str, int] = {}
        self._index_of: dict[str, int] = {}
        for entry in inventory.devices.values():
            if entry.zone:
                if entry.zone not in self._zones:
                    intensity.check_zone(entry.zone, f"{inventory.where}: device {entry.id!r}: zone")
                self._index_of[entry.id] = self._zones.setdefault(entry.zone, len(self._zones))
        self.passports = {zone: intensity.passports(zone, start_unix_ns, end_unix_ns) for zone in self._zones}
        yearly = {zone: intensity.yearly(zone) for zone in self._zones}
        self._places = {
            entry.id: Place(
                hardware=hardware[entry.id],
                board=entry.hardware,
                site=entry.site,
                zone=entry.zone,
                cause=_cause(entry.zone, self.passports.get(entry.zone, ())),
                yearly=yearly.get(entry.zone),
            )
            for entry in inventory.devices.values()
        }

    def at(self, device_id: str) -> Place:
        """Return what is known of a device; of one that the inventory does not list, nothing."""
        return self._places.get(device_id) or Place(hardware=Hardware(device_id=device_id))

    def yearly_g_per_j(self) -> dict[str, float | None]:
        """Return the yearly average of each device's zone, None where there is none."""
        return {
            name: None if place.yearly is None else place.yearly.factor.estimate.value / J_PER_KWH
            for name, place in self._places.items()
        }

    def zone_table(self) -> pa.Table:
        """Return ``device_id`` and ``zone_index`` of the devices that have a zone."""
        return pa.table(
            {
                "device_id": pa.array(list(self._index_of), pa.string()),
                "zone_index": pa.array(list(self._index_of.values()), pa.int64()),
            }
        )

    def timelines(self, start_unix_ns: int, end_unix_ns: int) -> dict[int, IntensityTimeline]:
        """Return the intensities of every zone index over a stretch."""
        return {
            index: self._intensity.timeline(zone, start_unix_ns, end_unix_ns) for zone, index in self._zones.items()
        }

    def factors(self, device_ids: set[str]) -> list[Factor]:
        """Return every factor behind the figures of these devices, in order of first use."""
        used: dict[tuple[str, str], Factor] = {}
        for name in sorted(device_ids & self._places.keys()):
            place = self._places[name]
            yearly = () if place.yearly is None else (place.yearly.factor,)
            parts = () if place.hardware.plan is None else place.hardware.parts
            made_of = (factor for part in parts for factor in part.factors)
            for factor in (*self.passports.get(place.zone, ()), *yearly, *made_of):
                used.setdefault((factor.id, factor.vintage), factor)
        return list(used.values())


def intensity_slots(
    timelines: Mapping[int, IntensityTimeline], start_unix_ns: int, end_unix_ns: int, edges_unix_ns: tuple[int, ...]
) -> tuple[int, pa.Table]:
    """Return the length of the slots for a stretch in seconds, and the intensity of each; ``edges``: see slots."""
    slot_s = slot_s_of(list(timelines.values()), edges_unix_ns)
    return slot_s, slot_table(timelines, start_unix_ns, end_unix_ns, slot_s)


def _cause(zone: str, passports: tuple[Factor, ...]) -> str:
    """Return the name of the error that all intensities of a zone share: zones of the same sources have the same."""
    if not zone:
        return ""
    return "+".join(factor.id for factor in passports) or f"intensity of {zone}"
