"""The grams of windows alone, as lines that are written over those of ``line_protocol``: same tags, same time.

InfluxDB keeps a point's other fields when only some are written again. A field cannot be removed: where a figure is
not known any more, ``intensity_quality`` says ``unknown``, and the old figure stays in the store; so does a marginal
one, for which no field says it.
"""

from typing import Final

from msgspec.json import encode as encode_json

from collector.assess import Assessor, DevicePlace
from collector.live_grams import GRAM_FIELDS, Grams
from collector.sinks.line_protocol import boot_crc, own_stamp, tags_of
from collector.sinks.metered_rows import MeteredRow

_MOST_HEADS: Final = 20_000


class GramEncoder:
    """Turns rows into lines of their grams."""

    def __init__(self, assessor: Assessor) -> None:
        self._assessor = assessor
        self._heads: dict[tuple[str, ...], str] = {}

    def encode(self, row: MeteredRow, grams: Grams, place: DevicePlace) -> str:
        """Return the line, "" for a window of which nothing is known and never was.

        ``place``: what the inventory said of the device when the window's own line was written.
        """
        figures = grams.figures
        numbers = encode_json(figures)[1:-1].decode().split(",")
        fields = [f"{name}={number}" for name, number in zip(GRAM_FIELDS, numbers, strict=True) if number != "null"]
        if place.zone or grams.quality:
            fields.append(f'intensity_quality="{grams.quality or "unknown"}"')
        if not fields:
            return ""
        stamp = own_stamp(row.t_start_unix_ns, boot_crc(row.boot_id) + row.seq)
        return f"{self._head(row, place)} {','.join(fields)} {stamp}"

    def _head(self, row: MeteredRow, place: DevicePlace) -> str:
        key = (
            *(row.fleet, row.device_id, row.model_id, row.meter_driver, row.boundary, str(row.simulated)),
            *(place.site, place.zone, place.device_class),
        )
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            head = self._heads[key] = tags_of(row.fleet, row.device_id, row, place)
        return head
