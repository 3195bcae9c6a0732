"""A grid at a time: the mean of stored intensities over the hours asked for, with the passports of their source."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.analysis.comparison.intensities import moment_unix_ns, stretches
from collector.analysis.comparison.problem import Pair
from collector.analysis.comparison.scenario import GridTable
from collector.analysis.comparison.sources import Sources
from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.intensity.store import IntensityStore
from collector.intensity.stored import StoredIntensity
from collector.intensity.yearly_table import load_yearly_table
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.scenarios import problem

HOUR_NS = 3_600_000_000_000
MIDNIGHT_NS = moment_unix_ns("2026-03-01", "x")
GB = {"zone": "GB", "from": "2026-03-01", "to": "2026-03-03"}


def said(hour: int, value: float, kind: IntensityKind = "average") -> IntensityRevision:
    return IntensityRevision(
        source="uk",
        zone="national",
        kind=kind,
        valid_from_unix_ns=MIDNIGHT_NS + hour * HOUR_NS,
        valid_to_unix_ns=MIDNIGHT_NS + (hour + 1) * HOUR_NS,
        gco2e_per_kwh=value,
        fetched_at_unix_ns=1,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[IntensityStore]:
    """Return two days of hours, of which hour h is 100 + h on average, and 500 at the margin, on the first day."""
    with closing(IntensityStore(tmp_path / "intensity.sqlite3")) as opened:
        opened.add_passport(
            SourcePassport(
                id="uk", name="UK", url="https://uk.example", scope="imports too", licence="CC-BY-4.0", method="model"
            )
        )
        opened.add([said(hour, 100.0 + hour % 24) for hour in range(48)])
        opened.add([said(hour, 500.0, "marginal") for hour in range(24)])
        yield opened


def sources(store: IntensityStore) -> Sources:
    zones = {"GB": (("uk", "national"),)}
    return Sources(
        stored={
            "average": StoredIntensity(store, load_yearly_table(), "average", zones),
            "marginal": StoredIntensity(store, None, "marginal", zones),
        }
    )


def pair_of(store: IntensityStore, grid: dict[str, Any]) -> Pair:
    (pair,) = problem({"edge.grid": grid}, sources=sources(store)).pairs
    return pair


@pytest.mark.parametrize(
    ("hours", "mean"),
    [(None, 111.5), ([16, 22], 118.5), ([0, 1], 100.0), ([22, 2], (122 + 123 + 100 + 101) / 4), ([23, 24], 123.0)],
)
def test_the_mean_is_of_the_hours_asked_for(store: IntensityStore, hours: list[int] | None, mean: float) -> None:
    grid = pair_of(store, GB if hours is None else GB | {"hours": hours}).edge.grid
    assert grid.average is not None
    assert grid.average.factors[0].estimate.value == pytest.approx(mean)
    assert grid.zones[0].startswith("GB 2026-03-01 to 2026-03-03")


def test_the_passport_of_the_source_stands_beside_the_mean(store: IntensityStore) -> None:
    pair = pair_of(store, GB)
    assert pair.edge.grid.average is not None
    assert pair.edge.grid.marginal is not None
    average, marginal = pair.edge.grid.average.factors[0], pair.edge.grid.marginal.factors[0]
    assert (average.licence, average.scope, marginal.estimate.value) == ("CC-BY-4.0", "imports too", 500.0)
    assert "uk.example" in average.source
    assert average.id != marginal.id
    assert pair.edge.grid.water is not None


def test_hours_of_one_zone_share_their_error_and_are_all_listed(store: IntensityStore) -> None:
    found = problem({"edge.grid": [GB | {"hours": [16, 22]}, GB | {"hours": [0, 6]}]}, sources=sources(store))
    averages = [factor for factor in found.factors if factor.id == "GB:average:stored"]
    assert sorted(factor.estimate.value for factor in averages) == pytest.approx([102.5, 118.5])
    assert found.axes[0].values[0] == "GB 2026-03-01 to 2026-03-03, 16 to 22 h"


def test_what_is_not_stored_is_said(store: IntensityStore) -> None:
    found = problem({"edge.grid": GB | {"to": "2026-03-05"}}, sources=sources(store))
    assert any("average intensity of GB rests on 50 % yearly of the time" in note for note in found.notes)
    assert any("marginal intensity of GB rests on 75 % unknown and left out" in note for note in found.notes)
    whole = problem({"edge.grid": GB | {"to": "2026-03-02"}}, sources=sources(store))
    assert whole.notes == ()


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (GB | {"from": "2026-04-01", "to": "2026-05-01"}, "edge.grid: nothing is stored of 'GB' from 2026-04-01 to"),
        (GB | {"zone": "FR"}, "edge.grid: nothing is stored of 'FR'"),
        (GB | {"hours": [5, 5]}, "edge.grid.hours: from 5 to 5 has no length"),
        (GB | {"from": "2026-03-01T10:00", "to": "2026-03-01T11:00", "hours": [16, 22]}, "no such hour lies between"),
        (GB | {"to": "2026-03-01"}, "edge.grid: from 2026-03-01 to 2026-03-01 has no length"),
        (GB | {"to": "2056-03-01"}, "longer than ten years"),
        (GB | {"hours": [5, 25]}, "edge: Expected `int` <= 24"),
        (GB | {"kind": "average"}, "edge.grid: give zone, from and to"),
    ],
)
def test_a_grid_at_a_time_that_cannot_be_is_one_line(
    store: IntensityStore, grid: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pair_of(store, grid)


@given(st.integers(0, 24), st.integers(0, 24), st.integers(0, 96), st.integers(1, 96))
def test_stretches_hold_exactly_the_hours_that_are_named(first: int, last: int, start: int, length: int) -> None:
    begin_ns, end_ns = (MIDNIGHT_NS + hour * HOUR_NS for hour in (start, start + length))
    moments = [str(np.datetime64(t, "ns").astype("datetime64[s]")) for t in (begin_ns, end_ns)]
    given_hours = GridTable(zone="GB", start=moments[0], to=moments[1], hours=(first, last))
    through = range(first, last if last > first else last + 24)
    named = [h for h in range(start, start + length) if any((hour - h) % 24 == 0 for hour in through)]
    if first == last or not named:
        with pytest.raises(ConfigurationError):
            stretches(given_hours, "x")
        return
    begins, ends = stretches(given_hours, "x")
    found = [
        hour
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
        for hour in range((begin - MIDNIGHT_NS) // HOUR_NS, (end - MIDNIGHT_NS) // HOUR_NS)
    ]
    assert found == named
