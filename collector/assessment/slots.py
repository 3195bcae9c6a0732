"""Intensities on a grid of slots of time: as fine as the sources are, between five minutes and an hour."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from collector.assessment.query import INTENSITY_COLUMNS, QUALITY_COLUMNS, SLOT
from collector.carbon.timeline import I64, IntensityTimeline
from collector.carbon.units import J_PER_KWH

FINEST_S: Final = 300
SLOTS_S: Final = (3600, 1800, 900, 600, FINEST_S)
_NS_PER_S: Final = 1_000_000_000


def slot_s_of(timelines: Sequence[IntensityTimeline], edges_unix_ns: Sequence[int]) -> int:
    """Return the longest slot on whose grid every step and edge begins, or the finest one where none is.

    On the finest grid a step that begins inside a slot counts with its part of the slot.
    """
    starts = [line.starts_unix_ns for line in timelines] + [line.ends_unix_ns for line in timelines]
    moments = np.concatenate([*starts, np.asarray(edges_unix_ns, dtype=np.int64)])
    fitting = (slot_s for slot_s in SLOTS_S if not np.any(moments % (slot_s * _NS_PER_S)))
    return next(fitting, FINEST_S)


def slot_table(
    timelines: Mapping[int, IntensityTimeline], start_unix_ns: int, end_unix_ns: int, slot_s: int
) -> pa.Table:
    """Return ``INTENSITY_COLUMNS`` for every slot that touches ``[start, end)``, of each zone index.

    A slot in which nothing is known is left out.
    """
    slot_ns = slot_s * _NS_PER_S
    starts: I64 = np.arange(start_unix_ns - start_unix_ns % slot_ns, end_unix_ns, slot_ns, dtype=np.int64)
    parts = [_of_zone(index, line, starts, starts + slot_ns) for index, line in timelines.items()]
    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in INTENSITY_COLUMNS.items()])
    return pa.concat_tables([schema.empty_table(), *parts])


def _of_zone(index: int, timeline: IntensityTimeline, starts_unix_ns: I64, ends_unix_ns: I64) -> pa.Table:
    mean = timeline.mean_over(starts_unix_ns, ends_unix_ns)
    known = mean.known_ratio > 0.0
    per_j = mean.known_ratio[known] / J_PER_KWH
    return pa.table(
        {
            "zone_index": np.full(int(known.sum()), index, dtype=np.int64),
            SLOT: starts_unix_ns[known],
            "g_per_j": mean.gco2e_per_kwh[known] * per_j,
            "g_per_j_low": mean.low[known] * per_j,
            "g_per_j_high": mean.high[known] * per_j,
            **{f"{name}_ratio": mean.quality_ratio[name][known] for name in QUALITY_COLUMNS},
        }
    )
