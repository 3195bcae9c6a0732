"""What a device did over time, for plots: bins that do not hang on how its windows are paged."""

from itertools import accumulate, pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.fleet.rows import joined
from collector.fleet.series import COLUMNS, Extent, SeriesBins
from collector.fleet.values import DeviceSeries
from collector.sinks.lake import rows_to_table
from tests.fakes.windows import PI4, T0_UNIX_NS, make_fleet_rows, make_stored


def device_series(table: pa.Table, rows_at_once: int = 7) -> list[DeviceSeries]:
    pages = [table.slice(first, rows_at_once) for first in range(0, table.num_rows, rows_at_once)]
    extent = Extent()
    for page in pages:
        extent.add(page)
    bins = SeriesBins(extent)
    for page in pages:
        bins.add(page.select(COLUMNS))
    return bins.series()


def test_a_series_is_the_same_in_whatever_pages_its_windows_come() -> None:
    table = rows_to_table(make_fleet_rows(400))
    assert device_series(table, 7) == device_series(table, 1000) == device_series(table, 5000)
    assert len(device_series(table)) == 3


def test_a_long_history_is_thinned_for_plots() -> None:
    rows = [make_stored(i) for i in range(1, 2001)]
    (series,) = device_series(rows_to_table(rows))
    assert len(series.t_unix_ns) <= 240
    assert series.power_w[0] == pytest.approx(PI4.power_w)
    assert series.energy_per_window_j[-1] == pytest.approx(PI4.power_w * 10.0)


def test_windows_that_begin_a_little_early_or_late_keep_their_own_bins() -> None:
    shifts_ns = (0, 40_000_000, -30_000_000, 10_000_000, -40_000_000)
    rows = [
        make_stored(i, t_start_unix_ns=T0_UNIX_NS + (i - 1) * 10_000_000_000 + shift_ns)
        for i, shift_ns in enumerate(shifts_ns, start=1)
    ]
    (series,) = device_series(rows_to_table(rows))
    assert len(series.power_w) == 5
    steps_s = [(b - a) / 1e9 for a, b in pairwise(series.t_unix_ns)]
    assert all(step_s == pytest.approx(10.0, abs=0.1) for step_s in steps_s)


@given(sizes=st.lists(st.integers(0, 9), max_size=12), least_rows=st.integers(1, 20))
def test_joined_pages_hold_the_same_rows_in_order_and_are_as_long_as_asked(sizes: list[int], least_rows: int) -> None:
    ends = list(accumulate(sizes, initial=0))
    pages = [pa.table({"row_id": pa.array(range(first, last), pa.int64())}) for first, last in pairwise(ends)]
    found = [page["row_id"].to_pylist() for page in joined(pages, least_rows)]
    assert [row for rows in found for row in rows] == list(range(ends[-1]))
    assert all(least_rows <= len(rows) < least_rows + max(sizes) for rows in found[:-1])
