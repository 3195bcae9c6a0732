"""What is asked of the rows, as ibis expressions: DuckDB answers them here, and Spark could where a machine is short.

The energy of a window is taken as uniform over its duration. A window that touches two slots gives each its part; what
a slot of time holds of one device is its parts (``PART_COLUMNS``), and parts add up: over windows, files and days.
Within a part the systematic uncertainty is linear and the independent one a variance, in proportion to the time, so
that neither is lost or made by splitting. Times are integers of nanoseconds until their distance is small.
"""

from collections.abc import Sequence
from typing import Any, Final

import ibis

Table = Any
"""An ibis table: the library's own annotations say no more about its columns."""

KEYS: Final = ("fleet", "device_id", "model_id", "systematic_id", "boundary")
SLOT: Final = "slot_start_unix_ns"
COUNTS: Final = ("windows", "simulated_windows", "inference_count")
SPLIT: Final = ("duration_s", "gap_s", "energy_j", "energy_u_systematic_j", "energy_u_independent_j2")
PART_COLUMNS: Final = (*KEYS, SLOT, *COUNTS, *SPLIT)
"""Counts belong to the slot in which their window starts; the rest is split at its edges."""

WINDOW_COLUMNS: Final = {
    "fleet": "string",
    "device_id": "string",
    "boot_id": "string",
    "seq": "int64",
    "received_unix_ns": "int64",
    "clock_state": "string",
    "model_id": "string",
    "meter_driver": "string",
    "systematic_id": "string",
    "boundary": "string",
    "simulated": "boolean",
    "inference_count": "int64",
    "t_start_unix_ns": "int64",
    "duration_s": "float64",
    "gap_s": "float64",
    "energy_j": "float64",
    "energy_u_j": "float64",
    "energy_u_systematic_j": "float64",
}
RELEASE: Final = ("model_id", "model_sha256", "runtime", "runtime_version")
"""What tells two releases apart; in the place of a model id they stand so, with ``RELEASE_GLUE`` between."""
RELEASE_GLUE: Final = "|"
LONGEST_S: Final = 86_400.0
"""A longer window is no measurement: it is left out, counted and told."""
_MOST: Final = 1e18
"""No device's joules; a sum with them could not be said."""
_NS_PER_S: Final = 1_000_000_000
DAY_NS: Final = 86_400 * _NS_PER_S
CELL: Final = "day_unix_ns"
QUALITY_COLUMNS: Final = ("actual", "estimated", "forecast", "yearly")
GRAM_COLUMNS: Final = ("gco2e", "gco2e_low", "gco2e_high", "gco2e_u_systematic", "gco2e_u_independent2")
INTENSITY_COLUMNS: Final = {
    "zone_index": "int64",
    SLOT: "int64",
    "g_per_j": "float64",
    "g_per_j_low": "float64",
    "g_per_j_high": "float64",
    **{f"{quality}_ratio": "float64" for quality in QUALITY_COLUMNS},
}
"""Mean over the slot, times the part of the slot in which it is known; the ratios say on what that part rests."""


def as_windows(found: Table, *, by_release: bool = False) -> Table:
    """Return a scan of the lake with ``WINDOW_COLUMNS``, null where its files are older than a column.

    ``by_release``: each model id becomes the ``RELEASE`` that ran.
    """
    present = set(found.columns)
    columns = {
        name: (found[name] if name in present else ibis.null()).cast(kind) for name, kind in WINDOW_COLUMNS.items()
    }
    if by_release:
        words = [(found[name] if name in present else ibis.null()).cast("string").fill_null("") for name in RELEASE]
        columns["model_id"] = ibis.literal(RELEASE_GLUE).join(words)
    return found.select(**columns)


def within(windows: Table, start_unix_ns: int, end_unix_ns: int) -> Table:
    """Return the windows that may touch ``[start, end)``."""
    begins = windows.t_start_unix_ns
    return windows.filter(begins >= start_unix_ns - round(LONGEST_S) * _NS_PER_S, begins < end_unix_ns)


def survey(windows: Table, slot_s: int) -> Table:
    """Return one row: how many windows there are, how many are longer than a slot, how many are of no use."""
    long = (windows.duration_s > slot_s) & _usable(windows)
    return windows.aggregate(
        windows=windows.count(),
        long_windows=long.cast("int64").sum().fill_null(0),
        unusable_windows=(~_usable(windows)).cast("int64").sum().fill_null(0),
    )


def repeated(copies: Sequence[Table]) -> Table:
    """Return the boots (device_id, boot_id) of which two journals' windows overlap in their numbers.

    ``copies``: the windows of each journal that shares the lake. Of all other boots no window can be there twice.
    """
    ranges = [
        one.group_by("device_id", "boot_id").aggregate(low=one.seq.min(), high=one.seq.max(), journal=ibis.literal(i))
        for i, one in enumerate(copies)
    ]
    a, b = ibis.union(*ranges), ibis.union(*ranges).view()
    same = [a.device_id == b.device_id, a.boot_id == b.boot_id, a.journal < b.journal]
    pairs = a.join(b, [*same, a.low <= b.high, b.low <= a.high])
    return pairs.select(a.device_id, a.boot_id).distinct()


def once(windows: Table, boots: Table) -> Table:
    """Return each window of ``boots`` once: of a set clock before an estimate, then what was received first."""
    same = ["device_id", "boot_id"]
    twice = windows.semi_join(boots, same)
    by_worth = [twice.clock_state == "unsynchronised", twice.received_unix_ns]
    place = ibis.row_number().over(group_by=["device_id", "boot_id", "seq"], order_by=by_worth)
    first = twice.mutate(place_of_copy=place).filter(lambda t: t.place_of_copy == 0).drop("place_of_copy")
    return ibis.union(windows.anti_join(boots, same), first)


def short_parts(windows: Table, slot_s: int) -> Table:
    """Return the parts of the windows that are no longer than a slot: they touch at most two."""
    slot_ns = slot_s * _NS_PER_S
    usable = _ready(windows.filter(_usable(windows), windows.duration_s <= slot_s))
    inside_ns = usable.t_start_unix_ns % slot_ns
    beyond_s = inside_ns / float(_NS_PER_S) + usable.duration_s - float(slot_s)
    split = usable.mutate(
        **{SLOT: usable.t_start_unix_ns - inside_ns},
        next_ratio=ibis.greatest(beyond_s, 0.0) / usable.duration_s,
    )
    sums = {name: split[name].sum() for name in SPLIT}
    following = {f"next_{name}": (split[name] * split.next_ratio).sum() for name in SPLIT}
    wide = split.group_by(*KEYS, SLOT).aggregate(**_counts(split), **sums, **following)
    first = wide.select(*KEYS, SLOT, *COUNTS, **{name: wide[name] - wide[f"next_{name}"] for name in SPLIT})
    touched = wide.filter(wide.next_duration_s > 0.0)
    second = touched.select(
        *KEYS,
        **{SLOT: touched[SLOT] + slot_ns},
        **{name: ibis.literal(0, "int64") for name in COUNTS},
        **{name: touched[f"next_{name}"] for name in SPLIT},
    )
    return ibis.union(first, second)


def long_parts(windows: Table, slot_s: int) -> Table:
    """Return the parts of the windows that are longer than a slot: one for each slot that they touch."""
    slot_ns = slot_s * _NS_PER_S
    usable = _ready(windows.filter(_usable(windows), windows.duration_s > slot_s))
    inside_ns = usable.t_start_unix_ns % slot_ns
    inside_s = inside_ns / float(_NS_PER_S)
    touched = ((inside_s + usable.duration_s) / float(slot_s)).ceil().cast("int64")
    placed = usable.mutate(first=usable.t_start_unix_ns - inside_ns, inside_s=inside_s)
    one = placed.mutate(step=ibis.range(0, touched).unnest())
    begins_s = ibis.greatest(one.step * float(slot_s), one.inside_s)
    ends_s = ibis.least((one.step + 1) * float(slot_s), one.inside_s + one.duration_s)
    ratio = ibis.greatest(ends_s - begins_s, 0.0) / one.duration_s
    parts = one.mutate(
        **{SLOT: one["first"] + one.step * slot_ns}, ratio=ratio, is_first=(one.step == 0).cast("int64")
    )
    sums = {name: (parts[name] * parts.ratio).sum() for name in SPLIT}
    return parts.group_by(*KEYS, SLOT).aggregate(**_counts(parts, parts.is_first), **sums)


def cells(parts: Table, zones: Table, intensities: Table, start_unix_ns: int, end_unix_ns: int) -> Table:
    """Return one row for each of ``KEYS`` and UTC day: the sums of its parts in ``[start, end)``, and their grams.

    ``zones``: ``device_id`` and ``zone_index``. ``intensities``: ``INTENSITY_COLUMNS``. Grams are of what is known;
    ``<quality>_j`` is the energy that rests on each quality, and what is missing to ``energy_j`` is not known.
    """
    inside = parts.filter(parts[SLOT] >= start_unix_ns, parts[SLOT] < end_unix_ns)
    placed = inside.left_join(zones, "device_id").drop("device_id_right")
    known = placed.left_join(intensities, ["zone_index", SLOT])
    rate, low, high = (known[name].fill_null(0.0) for name in ("g_per_j", "g_per_j_low", "g_per_j_high"))
    dated = known.mutate(**{CELL: known[SLOT] - known[SLOT] % DAY_NS}, rate=rate, rate_low=low, rate_high=high)
    grams = {
        "gco2e": dated.energy_j * dated.rate,
        "gco2e_low": dated.energy_j * dated.rate_low,
        "gco2e_high": dated.energy_j * dated.rate_high,
        "gco2e_u_systematic": dated.energy_u_systematic_j * dated.rate,
        "gco2e_u_independent2": dated.energy_u_independent_j2 * dated.rate * dated.rate,
    }
    rests = {f"{name}_j": dated.energy_j * dated[f"{name}_ratio"].fill_null(0.0) for name in QUALITY_COLUMNS}
    plain = {name: dated[name] for name in (*COUNTS, *SPLIT)}
    sums = {name: value.sum() for name, value in (plain | grams | rests).items()}
    return dated.group_by(*KEYS, CELL).aggregate(**sums)


def _usable(windows: Table) -> Table:
    sane = (windows.energy_j.abs() < _MOST) & (windows.energy_u_j < _MOST) & (windows.energy_u_systematic_j < _MOST)
    return sane & (windows.duration_s > 0.0) & (windows.duration_s <= LONGEST_S) & (windows.gap_s < _MOST)


def _ready(windows: Table) -> Table:
    """Return the windows with what is derived of one alone; an older agent's type of meter stands for its meter."""
    u2 = windows.energy_u_j * windows.energy_u_j
    systematic2 = windows.energy_u_systematic_j * windows.energy_u_systematic_j
    return windows.mutate(
        systematic_id=ibis.coalesce(windows.systematic_id.nullif(""), windows.meter_driver),
        energy_u_independent_j2=ibis.greatest(u2 - systematic2, 0.0),
    )


def _counts(windows: Table, weight: Any = 1) -> dict[str, Any]:
    """Return the sums of ``COUNTS``; ``weight``: 1 where a row counts."""
    values = {
        "simulated_windows": windows.simulated.fill_null(False).cast("int64") * weight,
        "inference_count": windows.inference_count * weight,
    }
    counted = windows.count() if isinstance(weight, int) else weight.sum()
    return {"windows": counted, **{name: value.sum() for name, value in values.items()}}
