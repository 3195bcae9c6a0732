"""Accounts that are fed in parts say, to the last digit, what those that were fed at once say."""

import math
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.assess import Assessor
from collector.carbon.amortisation import LifePlan, charge
from collector.carbon.window_charges import window_charges
from collector.config import journal_path
from collector.fleet.accounts import FleetAccounts, account_of_nothing
from collector.fleet.report import fleet_report
from collector.fleet.rows import COLUMNS, window_pages
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.sinks.lake import LakeSink, rows_to_table
from collector.values import StoredWindow
from tests.fakes.intensities import HALF_HOUR_NS, GivenIntensity, half_hours
from tests.fakes.windows import PROFILES, T0_UNIX_NS, commit_rows, make_stored

DAY_S: Final = 86_400.0
INVENTORY: Final = """
[defaults]
lifetime_years = 5.0
zone = "GB"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
in_service_since = 2025-10-09
[[device]]
id = "zero-01"
hardware = "raspberry-pi-zero-2-w"
policy = "by_use"
lifetime_uses = 1e9
"""
a_row = st.fixed_dictionaries(
    {
        "device": st.integers(0, 2),
        "offset_s": st.one_of(st.floats(0.0, 20.0), st.floats(0.0, 3 * DAY_S)),
        "duration_s": st.one_of(st.floats(0.5, 30.0), st.floats(0.5, 2 * DAY_S)),
        "energy_j": st.floats(1e-3, 1e6),
        "gap_ratio": st.sampled_from([0.0, 0.3, 1.0]),
        "inference_count": st.integers(0, 10**6),
        "systematic_id": st.sampled_from(["", "tc66c", "certificate"]),
        "flags": st.sampled_from([(), ("gap",), ("throttled", "gap")]),
    }
)


def an_assessor() -> Assessor:
    steps = half_hours(T0_UNIX_NS - HALF_HOUR_NS, [100.0, 250.0, 91.7])
    return Assessor(parse_inventory(INVENTORY), GivenIntensity("GB", steps, 150.0, fills=True))


def stored(row_id: int, drawn: dict[str, Any]) -> StoredWindow:
    energy_j = drawn["energy_j"]
    return make_stored(
        row_id,
        profile=PROFILES[drawn["device"]],
        t_start_unix_ns=T0_UNIX_NS + round(drawn["offset_s"] * 1e9),
        duration_s=drawn["duration_s"],
        gap_s=drawn["duration_s"] * drawn["gap_ratio"],
        energy_j=energy_j,
        energy_u_j=energy_j * 0.02,
        energy_u_systematic_j=energy_j * 0.012,
        inference_count=drawn["inference_count"],
        systematic_id=drawn["systematic_id"],
        flags=drawn["flags"],
    )


def said_by(parts: list[pa.Table], assessor: Assessor | None) -> list[Any]:
    accounts = FleetAccounts(assessor)
    for part in parts:
        accounts.add(part)
        accounts.total({})  # what was asked in between must not be kept
    return [*(accounts.device(key) for key in accounts.with_windows()), accounts.total({})]


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(a_row, min_size=1, max_size=25), cuts=st.lists(st.integers(0, 25), max_size=5))
def test_parts_say_what_the_whole_says(drawn: list[dict[str, Any]], cuts: list[int]) -> None:
    table = rows_to_table([stored(i + 1, one) for i, one in enumerate(drawn)], COLUMNS)
    edges = sorted({0, len(drawn), *(cut for cut in cuts if cut < len(drawn))})
    parts = [table.slice(start, end - start) for start, end in pairwise(edges)]
    whole = said_by([table], an_assessor())
    assert said_by(parts, an_assessor()) == whole
    assert whole[-1].windows == len(drawn)
    assert whole[-1].operational_gco2e is None or whole[-1].operational_gco2e.value > 0.0


def test_known_grams_are_equal_to_the_last_digit_too() -> None:
    """Fixed windows of one device of the inventory, so that no figure is unknown: over steps, days and the edge."""
    rows = [
        make_stored(
            i, t_start_unix_ns=T0_UNIX_NS + i * 1_111 * 10**9, duration_s=1_000.0 + i / 7, energy_j=0.1 + i / 3
        )
        for i in range(1, 200)
    ]
    table = rows_to_table(rows, COLUMNS)
    whole = said_by([table], an_assessor())
    assert whole[-1].total_gco2e is not None
    for size in (1, 7, 50):
        parts = [table.slice(start, size) for start in range(0, len(rows), size)]
        assert said_by(parts, an_assessor()) == whole, f"in parts of {size}"
    assert whole[-1].energy_j == pytest.approx(math.fsum(row.window.energy_j for row in rows), rel=1e-12)


def test_a_fleet_without_windows_has_an_account_of_nothing() -> None:
    accounts = FleetAccounts(None)
    accounts.add(rows_to_table([], COLUMNS))
    assert accounts.with_windows() == []
    nothing = account_of_nothing()
    assert (nothing.windows, nothing.energy_j, nothing.power_w, nothing.j_per_inference) == (0, 0.0, None, None)
    assert msgspec.structs.replace(accounts.total({}), power_w=None) == nothing


@settings(max_examples=25, deadline=None)
@given(
    days=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    batches=st.lists(st.integers(1, 12), min_size=1, max_size=6),
)
def test_lake_and_journal_are_read_in_the_order_of_receipt_whatever_days_they_touch(
    tmp_path_factory: pytest.TempPathFactory, days: list[int], batches: list[int]
) -> None:
    folder: Path = tmp_path_factory.mktemp("order")
    rows = [
        make_stored(i + 1, t_start_unix_ns=T0_UNIX_NS + day * round(DAY_S * 1e9) + i, energy_j=1.0 + i / 3)
        for i, day in enumerate(days)
    ]
    with closing(Journal(journal_path(folder))) as journal:
        commit_rows(journal, rows)
        sink, at = LakeSink(folder / "lake"), 0
        for size in batches:
            batch = journal.rows_after(at, size)
            if batch:
                assert sink.write(batch).accepted == len(batch)
                at = batch[-1].row_id
                journal.set_cursor("lake", at)
        table = pa.concat_tables(window_pages(journal, folder / "lake"))
        assert table["row_id"].to_pylist() == list(range(1, len(rows) + 1))
        assert table["energy_j"].to_pylist() == [row.window.energy_j for row in rows]
        alone, together = (fleet_report(journal, lake, an_assessor()) for lake in (None, folder / "lake"))
        assert alone == together


def test_what_retention_took_from_the_journal_is_still_reported(tmp_path: Path) -> None:
    rows = [make_stored(i) for i in range(1, 31)]
    with closing(Journal(journal_path(tmp_path))) as journal:
        commit_rows(journal, rows)
        assert LakeSink(tmp_path / "lake").write(journal.rows_after(0, 30)).accepted == 30
        journal.set_cursor("lake", 30)
        before = fleet_report(journal, tmp_path / "lake", an_assessor())
        assert journal.remove_old(["lake"], 2 * T0_UNIX_NS, 100) == 29  # the newest stays
        assert fleet_report(journal, tmp_path / "lake", an_assessor()) == before
    assert before.total.windows == 30


@settings(max_examples=100, deadline=None)
@given(
    policy=st.sampled_from(["linear_in_time", "front_loaded", "by_use", "sunk"]),
    stretches=st.lists(st.tuples(st.floats(-2.0, 6.0), st.floats(1e-6, 0.5)), min_size=1, max_size=20),
)
def test_many_windows_are_charged_as_each_alone_is(policy: Any, stretches: list[tuple[float, float]]) -> None:
    year_s = 365.0 * DAY_S
    plan = LifePlan(
        lifetime_s=3 * year_s,
        policy=policy,
        in_service_since_unix_s=0.0,
        decline_ratio=0.4 if policy == "front_loaded" else None,
        lifetime_uses=1e6 if policy == "by_use" else None,
    )
    starts_s = np.array([start * year_s for start, _ in stretches])
    durations_s = np.array([length * year_s for _, length in stretches])
    uses = np.arange(len(stretches), dtype=np.float64)
    found = window_charges(plan, starts_s, durations_s, uses)
    for i, (start_s, duration_s) in enumerate(zip(starts_s.tolist(), durations_s.tolist(), strict=True)):
        alone = charge(plan, start_s, start_s + duration_s, float(i))
        assert found.share_ratio[i] == pytest.approx(alone.share_ratio, rel=1e-6, abs=1e-13)
        assert found.before_service_s[i] == alone.before_service_s
        again = window_charges(plan, starts_s[i : i + 1], durations_s[i : i + 1], uses[i : i + 1])
        assert again.share_ratio[0] == found.share_ratio[i], "it hangs on what else was asked for"
        assert again.beyond_lifetime_s is not None
        assert found.beyond_lifetime_s is not None
        assert again.beyond_lifetime_s[0] == found.beyond_lifetime_s[i]
        assert again.before_service_s[0] == found.before_service_s[i]
