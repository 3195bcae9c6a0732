"""Windows split into slots of time, against a slow and plain reckoning."""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.assessment.engine import Engine, Limits, make_engine
from collector.assessment.lake_files import PARTS_SCHEMA
from collector.assessment.query import COUNTS, SLOT, SPLIT, as_windows, once, repeated
from collector.assessment.reading import window_parts
from collector.sinks.lake import rows_to_table
from collector.values import StoredWindow
from tests.fakes.windows import T0_UNIX_NS, make_stored

NS: Final = 1_000_000_000
SLOTS_S: Final = (300, 900, 3600)
BASE_UNIX_NS: Final = T0_UNIX_NS - T0_UNIX_NS % (3600 * NS)
ENERGY_J = st.floats(-1.0, 1e6).filter(lambda value: value == 0.0 or abs(value) > 1e-9)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with make_engine(Limits()) as made:
        yield made


@st.composite
def windows(draw: st.DrawFn) -> list[StoredWindow]:
    """Draw windows whose ends lie around the edges of slots, shorter and longer than a slot."""
    rows = []
    for seq in range(1, draw(st.integers(1, 8)) + 1):
        edge_ns = draw(st.integers(0, 30)) * 300 * NS
        start_ns = max(edge_ns - draw(st.sampled_from((0, 1, 5 * NS, 299 * NS, 300 * NS, 3600 * NS))), 0)
        duration_s = draw(st.sampled_from((1e-3, 5.0, 10.0, 299.999, 300.0, 301.0, 3600.0, 9000.0, 86_400.0)))
        systematic_j = draw(st.floats(0.0, 100.0))
        rows.append(
            make_stored(
                seq,
                t_start_unix_ns=BASE_UNIX_NS + start_ns,
                duration_s=duration_s,
                gap_s=draw(st.sampled_from((0.0, duration_s / 4))),
                energy_j=draw(ENERGY_J),
                energy_u_systematic_j=systematic_j,
                energy_u_j=systematic_j + draw(st.sampled_from((0.0, 1.0))),
                inference_count=draw(st.integers(0, 1000)),
                model_id=draw(st.sampled_from(("one", "two"))),
                simulated=draw(st.booleans()),
            )
        )
    return rows


def parts_of(engine: Engine, rows: list[StoredWindow], slot_s: int) -> list[dict[str, Any]]:
    with engine.table(rows_to_table(rows)) as found:
        parts, _ = window_parts(engine, as_windows(found), slot_s)
        table = pa.concat_tables([engine.answer(one).select(PARTS_SCHEMA.names).cast(PARTS_SCHEMA) for one in parts])
    return list(table.to_pylist())


def reckoned(rows: list[StoredWindow], slot_s: int) -> dict[tuple[str, int], dict[str, float]]:
    """Return the sums by model and slot: every window's overlap with every slot, in exact integers."""
    sums: dict[tuple[str, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    slot_ns = slot_s * NS
    for row in rows:
        window = row.window
        start, length = window.t_start_unix_ns, round(window.duration_s * NS)
        values = {name: getattr(window, name) for name in SPLIT if name != "energy_u_independent_j2"}
        values["energy_u_independent_j2"] = max(window.energy_u_j**2 - window.energy_u_systematic_j**2, 0.0)
        slot = start - start % slot_ns
        into = sums[window.model_id, slot]
        into["windows"] += 1
        into["simulated_windows"] += window.simulated
        into["inference_count"] += window.inference_count
        while slot < start + length:
            inside = min(start + length, slot + slot_ns) - max(start, slot)
            for name, value in values.items():
                sums[window.model_id, slot][name] += value * (inside / length)
            slot += slot_ns
    return sums


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=windows(), slot_s=st.sampled_from(SLOTS_S))
def test_windows_are_split_at_the_edges_of_slots(engine: Engine, rows: list[StoredWindow], slot_s: int) -> None:
    found: dict[tuple[str, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for part in parts_of(engine, rows, slot_s):
        for name in (*COUNTS, *SPLIT):
            found[part["model_id"], part[SLOT]][name] += part[name]
    expected = reckoned(rows, slot_s)
    for key in found.keys() | expected.keys():
        for name in (*COUNTS, *SPLIT):
            whole = math.fsum(abs(slot[name]) for slot in expected.values())
            assert found[key][name] == pytest.approx(expected[key][name], rel=1e-9, abs=1e-9 * whole + 1e-12), name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=windows(), slot_s=st.sampled_from(SLOTS_S))
def test_no_joule_and_no_uncertainty_is_lost_or_made(engine: Engine, rows: list[StoredWindow], slot_s: int) -> None:
    parts = parts_of(engine, rows, slot_s)
    for name in ("energy_j", "energy_u_systematic_j", "duration_s", "gap_s"):
        values = [getattr(row.window, name) for row in rows]
        assert math.fsum(part[name] for part in parts) == pytest.approx(
            math.fsum(values), rel=1e-9, abs=1e-9 * math.fsum(map(abs, values)) + 1e-12
        )
    assert sum(part["windows"] for part in parts) == len(rows)


def test_numbers_beyond_reason_are_left_out_and_counted(engine: Engine) -> None:
    rows = [make_stored(1), make_stored(2, energy_j=1e300), make_stored(3, duration_s=1e9), make_stored(4)]
    with engine.table(rows_to_table(rows)) as found:
        parts, counted = window_parts(engine, as_windows(found), 3600)
        total_j = sum(part["energy_j"] for one in parts for part in engine.answer(one).to_pylist())
    assert (counted.windows, counted.unusable) == (4, 2)
    assert total_j == pytest.approx(rows[0].window.energy_j + rows[3].window.energy_j)


def test_files_older_than_a_column_are_read_with_the_type_of_meter_for_the_meter(engine: Engine) -> None:
    table = rows_to_table([make_stored(1)]).drop_columns(["systematic_id", "clock_state"])
    with engine.table(table) as found:
        parts, _ = window_parts(engine, as_windows(found), 3600)
        (part,) = engine.answer(parts[0]).to_pylist()
    assert part["systematic_id"] == table["meter_driver"][0].as_py()


@pytest.mark.parametrize(("low", "overlapping"), [(11, False), (10, True), (3, True)])
def test_only_boots_whose_numbers_overlap_are_looked_at_twice(engine: Engine, low: int, *, overlapping: bool) -> None:
    one = rows_to_table([make_stored(seq) for seq in range(1, 11)])
    two = rows_to_table([make_stored(seq) for seq in range(low, 15)])
    with engine.table(one) as first, engine.table(two) as second:
        boots = engine.answer(repeated([as_windows(first), as_windows(second)]))
        assert boots.num_rows == int(overlapping)
        if overlapping:
            with engine.table(boots) as known:
                single = once(ibis.union(as_windows(first), as_windows(second)), known)
                numbers = sorted(engine.answer(single)["seq"].to_pylist())
            assert numbers == list(range(1, 15))


def test_of_two_copies_the_one_of_a_set_clock_is_kept(engine: Engine) -> None:
    guessed = rows_to_table([make_stored(1, clock_state="unsynchronised", t_start_unix_ns=BASE_UNIX_NS)])
    known = rows_to_table([make_stored(1, clock_state="rebased", t_start_unix_ns=BASE_UNIX_NS + NS)])
    with engine.table(guessed) as first, engine.table(known) as second:
        both = [as_windows(first), as_windows(second)]
        with engine.table(engine.answer(repeated(both))) as boots:
            (kept,) = engine.answer(once(ibis.union(*both), boots)).to_pylist()
    assert kept["clock_state"] == "rebased"
