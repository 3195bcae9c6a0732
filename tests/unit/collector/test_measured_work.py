"""What a device did, as work: nothing of its energy is lost between the parts."""

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.fleet.work import PART_S, measured_work
from collector.journal import Journal
from collector.values import StoredWindow
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.windows import PI4, PI_ZERO, T0_UNIX_NS, commit_rows, make_stored

NS_PER_S = 1_000_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as made:
        yield made


def window(number: int, start_s: float, duration_s: float, energy_j: float) -> StoredWindow:
    return make_stored(
        number,
        profile=PI4,
        t_start_unix_ns=T0_UNIX_NS + round(start_s * NS_PER_S),
        duration_s=duration_s,
        energy_j=energy_j,
    )


def test_a_window_over_an_edge_is_split_exactly(journal: Journal) -> None:
    commit_rows(journal, [window(1, 0.0, 10.0, 40.0), window(2, PART_S - 4, 10.0, 50.0), window(3, 595.0, 10.0, 7.0)])
    commit_rows(journal, [make_stored(4, profile=PI_ZERO)])
    found = measured_work(journal, None, "pi4-01", T0_UNIX_NS, T0_UNIX_NS + 600 * NS_PER_S)
    assert found.work.part_energy_j.tolist() == pytest.approx([40.0 + 20.0, 30.0 + 7.0])
    assert (found.windows, found.work.part_s) == (3, 300.0)
    assert found.covered_ratio == pytest.approx(30.0 / 600.0)


def test_a_device_without_windows_is_one_line(journal: Journal) -> None:
    with pytest.raises(
        ConfigurationError, match="no windows of device 'pi9' in that time; see: edgejoule fleet devices"
    ):
        measured_work(journal, None, "pi9", T0_UNIX_NS, T0_UNIX_NS + NS_PER_S)
    with pytest.raises(ConfigurationError, match="more than 366 days"):
        measured_work(journal, None, "pi9", 0, 400 * 86_400 * NS_PER_S)


@given(
    st.lists(st.tuples(st.floats(0.0, 1999.0), st.floats(0.001, 1500.0), st.floats(0.0, 1e4)), min_size=1, max_size=12)
)
def test_no_energy_is_lost(
    tmp_path_factory: pytest.TempPathFactory, windows: list[tuple[float, float, float]]
) -> None:
    with closing(Journal(tmp_path_factory.mktemp("work") / "journal.sqlite3")) as journal:
        commit_rows(journal, [window(number, *one) for number, one in enumerate(windows, start=1)])
        found = measured_work(journal, None, "pi4-01", T0_UNIX_NS, T0_UNIX_NS + 2000 * NS_PER_S)
    assert found.work.energy_j == pytest.approx(math.fsum(one[2] for one in windows), rel=1e-9, abs=1e-9)
