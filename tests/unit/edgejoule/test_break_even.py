"""Break-even of a model's making: Fieller's interval against its definition, and the command on two benches."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_agent.wire.records import BenchRecord
from edgejoule.cli import main
from edgejoule.compute_ledger.break_even import NORMAL_95, break_even
from edgejoule.compute_ledger.rows import difference
from edgejoule.compute_ledger.values import Energy
from edgejoule.zoo.catalog_file import write_catalog
from edgejoule.zoo.entry import Catalog, Development
from tests.fakes.ledger_benches import CATALOG, ENTRIES, bench_of

MADE = Development(
    development_energy_j=5_000.0,
    development_energy_u_j=1_000.0,
    method="cpu_time",
    duration_s=100.0,
    cpu_s=900.0,
    processor="x",
    boundary="modelled",
    reused=["resnet8"],
)


def is_inside(n: float, made_j: float, made_u_j: float, saved_j: float, saved_u_j: float) -> bool:
    """Return whether made - n saved is not surely other than zero: the interval's definition."""
    return abs(made_j - n * saved_j) <= NORMAL_95 * math.hypot(made_u_j, n * saved_u_j)


positive = st.floats(1e-3, 1e3)


@given(made_j=positive, made_u=st.floats(0.01, 1.0), saved_j=st.floats(-1e3, 1e3), saved_u=st.floats(0.0, 2.0))
def test_the_interval_holds_what_its_definition_holds(
    made_j: float, made_u: float, saved_j: float, saved_u: float
) -> None:
    assume(abs(saved_j) > 1e-3)
    figures = made_j, made_u * made_j, saved_j, saved_u * abs(saved_j)
    a, c = (one**2 - (NORMAL_95 * u) ** 2 for one, u in ((saved_j, figures[3]), (made_j, figures[1])))
    assume(abs(a) > 1e-6 * saved_j**2 and abs(c) > 1e-6 * made_j**2)
    result = break_even(*figures)
    for n in np.geomspace(1e-8, 1e8, 200):
        if is_inside(float(n), *figures):
            assert result.low is not None
            assert n >= result.low * (1.0 - 1e-9)
            assert result.high is None or n <= result.high * (1.0 + 1e-9)
    for limit in (result.low, result.high):
        if limit:
            assert is_inside(limit * (1.0 + 1e-6), *figures) != is_inside(limit * (1.0 - 1e-6), *figures)
    if result.inferences is not None:
        assert result.low is not None
        assert result.low <= result.inferences * (1.0 + 1e-9)
        assert result.high is None or result.inferences <= result.high * (1.0 + 1e-9)


def test_exact_figures_give_an_exact_number() -> None:
    result = break_even(100.0, 0.0, 0.5, 0.0)
    assert (result.inferences, result.low, result.high) == (200.0, 200.0, 200.0)


def test_nothing_saved_is_never_earned_back() -> None:
    result = break_even(100.0, 10.0, -0.5, 0.01)
    assert (result.inferences, result.low, result.high) == (None, None, None)


def test_a_saving_within_its_uncertainty_has_no_end() -> None:
    result = break_even(100.0, 10.0, 0.5, 0.4)
    assert result.inferences == 200.0
    assert result.high is None
    assert result.low is not None
    assert 0.0 < result.low < 200.0


@pytest.mark.parametrize("figures", [(-1.0, 0.0, 1.0, 0.0), (1.0, -1.0, 1.0, 0.0), (1.0, 0.0, math.inf, 0.0)])
def test_figures_that_cannot_be_are_refused(figures: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        break_even(*figures)


def test_the_meters_gain_acts_on_the_difference() -> None:
    old = Energy(value_j=2.0, u_j=0.2, own_u_j=0.03, shared_j={"m: gain": 0.2})
    new = Energy(value_j=1.5, u_j=0.15, own_u_j=0.04, shared_j={"m: gain": 0.15})
    value_j, u_j = difference(old, new)
    assert value_j == pytest.approx(0.5)
    assert u_j == pytest.approx(math.hypot(0.03, 0.04, 0.05))


def benches(folder: Path, **changes: Any) -> list[str]:
    """Write a bench of a new model with 1 mJ and of an old one with 3 mJ; ``changes`` are of the new one."""
    paths = []
    records: list[BenchRecord] = [bench_of(ENTRIES[0], 1e-3, "new", **changes), bench_of(ENTRIES[3], 3e-3, "old")]
    for record in records:
        path = folder / f"{record.bench_id}.json"
        path.write_bytes(msgspec.json.encode(record))
        paths.append(str(path))
    return paths


@pytest.fixture
def catalog_dir(tmp_path: Path) -> Path:
    families = [
        msgspec.structs.replace(one, development=MADE if one.id == ENTRIES[0].family else None)
        for one in CATALOG.family
    ]
    write_catalog(tmp_path / "models", Catalog(family=families, model=CATALOG.model))
    return tmp_path / "models"


def test_two_benches_and_a_catalogue_give_a_number(
    catalog_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["models", "break-even", *benches(tmp_path), "--catalog-dir", str(catalog_dir)]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["break_even"]
    assert answer["inferences"] == pytest.approx(5_000.0 / 2e-3)
    assert answer["low"] < answer["inferences"] < answer["high"]
    assert main([*words, "--net", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["break_even"]["inferences"] == pytest.approx(5_000.0 / 1e-3)
    assert main(words) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "making of mlp_int8: 5.0 ± 2.0 kJ (U, k = 2), modelled, not measured" in said
    assert "not in it: the making of resnet8" in said
    assert "earned back after 2.5e+06 inferences" in said
    assert "SIMULATED" not in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"device_id": "another"}, "differ in device"),
        ({"boundary": "ac_wall"}, "differ in boundary"),
        ({"simulated": True}, "simulated or not"),
        ({"rejections": ("the SoC throttled",)}, "was rejected (the SoC throttled)"),
        ({"gross": None}, "has no gross figure"),
        ({"model_sha256": "f" * 64}, "does not know the file"),
    ],
)
def test_benches_that_cannot_be_compared_are_told_in_one_line(
    catalog_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    paths = benches(tmp_path, **changes)
    assert main(["models", "break-even", *paths, "--catalog-dir", str(catalog_dir)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_making_that_nobody_measured_is_told(
    catalog_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old = benches(tmp_path)
    assert main(["models", "break-even", old, new, "--catalog-dir", str(catalog_dir)]) == 2
    assert "nobody knows what its making cost" in " ".join(capsys.readouterr().err.split())
