"""Waves, limits, and TOML that is read back as it was."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.fleet.devices import Device, Wishes
from edgejoule.deploy.fleet.hands import Login
from edgejoule.deploy.fleet.selection import limited
from edgejoule.deploy.fleet.toml_text import toml_text
from edgejoule.deploy.fleet.waves import equal_waves, waves_of

SIZES = st.one_of(
    st.integers(1, 80), st.integers(1, 100).map("{}%".format), st.integers(1, 999).map(lambda n: f"{n / 10}%")
)
BOARDS = st.lists(st.integers(0, 999).map("board-{}".format), unique=True, max_size=60)


@given(boards=BOARDS, sizes=st.lists(SIZES, max_size=5), data=st.data())
def test_every_board_is_in_one_wave_and_no_wave_is_empty(boards: list[str], sizes: list[int | str], data: Any) -> None:
    canaries = data.draw(st.lists(st.sampled_from(boards), unique=True, max_size=3)) if boards else []
    waves = waves_of(boards, sizes, canaries)
    together = [board for wave in waves for board in wave]
    assert sorted(together) == sorted(boards)
    assert all(waves)
    assert set(waves[0] if canaries else ()) == set(canaries)
    assert [board for board in together if board not in canaries] == [b for b in boards if b not in canaries]


@given(boards=BOARDS, size=SIZES)
def test_waves_of_one_size_have_all_boards_and_one_size(boards: list[str], size: int | str) -> None:
    waves = equal_waves(boards, size)
    assert [board for wave in waves for board in wave] == boards
    assert all(len(wave) == len(waves[0]) for wave in waves[:-1])


def test_fifty_boards_go_as_the_sample_says() -> None:
    boards = [f"b{number}" for number in range(50)]
    assert [len(wave) for wave in waves_of(boards, (1, "10%", "100%"))] == [1, 5, 44]
    assert [len(wave) for wave in waves_of(boards, (1, "10%"), ["b7", "b9"])] == [2, 1, 5, 42]
    assert [len(wave) for wave in waves_of(boards, ("7%",))] == [4, 46]
    assert [len(wave) for wave in equal_waves(boards, "20")] == [20, 20, 10]


@pytest.mark.parametrize("size", [0, -1, "", "x", "0%", "101%", "1e2%", "-5%", "٣"])
def test_what_is_no_size_is_said(size: int | str) -> None:
    with pytest.raises(ConfigurationError, match="write"):
        equal_waves(["a"], size)


def device(name: str, site: str) -> Device:
    return Device(
        id=name,
        site=site,
        login=Login(host=name),
        target="auto",
        config=b"",
        wishes=Wishes(None, (), ()),
        secrets={},
        inventory={},
        gate_windows=1,
        gate_seconds=1.0,
    )


DEVICES = [device("berlin-01", "berlin"), device("berlin-02", "berlin"), device("lyon-01", "lyon"), device("x", "")]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([], "berlin-01 berlin-02 lyon-01 x"),
        (["site=berlin"], "berlin-01 berlin-02"),
        (["device=*-01"], "berlin-01 lyon-01"),
        (["site=berlin", "device=*-01"], "berlin-01"),
        (["device=lyon-01,x"], "lyon-01 x"),
        (["site=berlin", "site=lyon"], "berlin-01 berlin-02 lyon-01"),
    ],
)
def test_a_limit_names_boards(limits: list[str], expected: str) -> None:
    assert [one.id for one in limited(DEVICES, limits)] == expected.split()


@pytest.mark.parametrize("limit", ["berlin", "zone=DE", "site=", "=x", "site=berlim", "device=berlin-01,nobody"])
def test_a_limit_that_fits_nobody_is_said(limit: str) -> None:
    with pytest.raises(ConfigurationError, match="--limit"):
        limited(DEVICES, [limit])


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.dates(),
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]))
LISTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
VALUES = st.one_of(SCALARS, st.lists(LISTS, max_size=4))
TABLES = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=4), lambda inner: st.dictionaries(KEYS, inner | VALUES, max_size=4)
)


@given(document=TABLES)
def test_a_document_is_read_back_as_it_was(document: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(document)) == document


def test_a_row_of_tables_is_read_back() -> None:
    row = {"id": "a", "pcf": {"kgco2e": 1.0, "deep": {"x": [1, {"y": 2}]}}}
    assert tomllib.loads(f"[[device]]\n{toml_text(row, below=('device',))}") == {"device": [row]}


def test_what_toml_lacks_is_refused() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        toml_text({"a": None})
