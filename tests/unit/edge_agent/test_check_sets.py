"""Check sets in the type that a model takes, and the scores on them."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from edge_agent.check_set import CheckSet, load_check_set
from edge_agent.checking import Quality, Scoring, check_set_for, random_inputs, roc_auc
from edge_agent.inference.runner import Quantisation
from edge_agent.model_catalog import CatalogModel
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import RuntimeIdentity

SCALE, ZERO_POINT = 0.05, 3
X = np.array([[-128, 0], [3, 127]], np.int8)
REAL = (X.astype(float) - ZERO_POINT) * SCALE


class Reproducing:
    """A loaded model that gives back its input; only what goes in and out of it matters here."""

    identity = RuntimeIdentity(runtime="none", version="0", delegate="none", threads=1)
    load_s = first_invoke_s = 0.0
    stateful = False

    def __init__(self, dtype: Any, quantisation: Quantisation | None = None, shape: tuple[int, ...] = (1, 2)) -> None:
        self.input_shape = self.output_shape = shape
        self.input_dtype = np.dtype(dtype)
        self.input_bytes = 0
        self.input_quantisation = self.output_quantisation = quantisation

    def infer(self, tensor: NDArray[Any]) -> NDArray[Any]:
        return tensor

    def reset(self) -> None:
        """There is no state."""


def written(path: Path, **arrays: Any) -> CatalogModel:
    np.savez(path / "check.npz", **arrays)
    return CatalogModel(model_id="m", path=path, sha256="", task="", check_set=path / "check.npz")


def quantised(path: Path) -> CatalogModel:
    return written(path, x=X, y=[0, 1], scale=np.float64(SCALE), zero_point=np.int64(ZERO_POINT))


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_a_float_model_takes_what_the_integers_stand_for(tmp_path: Path, dtype: str) -> None:
    found = check_set_for(quantised(tmp_path), Reproducing(dtype))
    assert found.x.dtype == dtype
    assert np.allclose(found.x, REAL, rtol=1e-3)
    assert found.y is not None
    assert found.y.tolist() == [0, 1]


def test_the_model_that_it_was_made_for_takes_it_as_it_is(tmp_path: Path) -> None:
    found = check_set_for(quantised(tmp_path), Reproducing("int8", Quantisation(SCALE, ZERO_POINT)))
    assert np.array_equal(found.x, X)


def test_another_int8_model_takes_it_on_its_own_scale(tmp_path: Path) -> None:
    other = Quantisation(0.1, -5)
    found = check_set_for(quantised(tmp_path), Reproducing("int8", other))
    assert np.abs((found.x.astype(float) + 5) * 0.1 - REAL).max() <= 0.05 + 1e-9
    unsigned = check_set_for(quantised(tmp_path), Reproducing("uint8", Quantisation(SCALE, 131)))
    assert np.array_equal(unsigned.x, (X.astype(int) + 128).astype(np.uint8))
    narrow = check_set_for(quantised(tmp_path), Reproducing("int8", Quantisation(0.01, 0)))
    assert narrow.x.tolist() == [[-128, -15], [0, 127]], "what lies beyond the scale's end is at its end"


def test_without_a_scale_only_a_model_of_the_same_type_takes_it(tmp_path: Path) -> None:
    model = written(tmp_path, x=X)
    assert np.array_equal(check_set_for(model, Reproducing("int8")).x, X)
    with pytest.raises(ConfigurationError, match=r"x is int8 \(2, 2\), but m takes float32 \(1, 2\)"):
        check_set_for(model, Reproducing("float32"))
    with pytest.raises(ConfigurationError, match=r"takes uint8"):
        check_set_for(quantised(tmp_path), Reproducing("uint8"))
    with pytest.raises(ConfigurationError, match=r"takes bool"):
        check_set_for(quantised(tmp_path), Reproducing("bool", Quantisation(1.0, 0)))


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=30), st.floats(1e-4, 10.0), st.integers(-128, 127))
def test_there_and_back_on_one_s_own_scale_changes_nothing(values: list[int], scale: float, zero_point: int) -> None:
    from edge_agent.checking import _converted  # noqa: PLC0415

    own = CheckSet(x=np.array([values], np.int8), scale=scale, zero_point=zero_point)
    real = _converted(own, Reproducing("float64"))
    assert real is not None
    wide = CheckSet(x=np.array([values], np.int16), scale=scale, zero_point=zero_point)
    back = _converted(wide, Reproducing("int8", Quantisation(scale, zero_point)))
    assert back is not None
    assert back.tolist() == [values]
    assert np.allclose(real / scale + zero_point, own.x)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0.1},
        {"zero_point": 3},
        {"scale": 0.0, "zero_point": 3},
        {"scale": np.nan, "zero_point": 3},
        {"scale": "0.1", "zero_point": 3},
        {"scale": 0.1, "zero_point": 3.5},
        {"scale": [0.1, 0.2], "zero_point": [0, 0]},
    ],
    ids=str,
)
def test_half_a_scale_is_one_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    np.savez(tmp_path / "check.npz", x=X, **wrong)
    with pytest.raises(ConfigurationError, match=r"check\.npz: scale and zero_point come together"):
        load_check_set(tmp_path / "check.npz")


@pytest.mark.parametrize(("marks", "said"), [([0, 2], "0 or 1"), ([1], "0 or 1"), (["a", "b"], "0 or 1")])
def test_anomalies_that_are_none_are_one_line(tmp_path: Path, marks: list[Any], said: str) -> None:
    np.savez(tmp_path / "check.npz", x=X, anomalous=marks)
    with pytest.raises(ConfigurationError, match=rf"check\.npz: anomalous is .*{said}"):
        load_check_set(tmp_path / "check.npz")


def test_classes_and_anomalies_exclude_each_other(tmp_path: Path) -> None:
    np.savez(tmp_path / "check.npz", x=X, y=[0, 1], anomalous=[0, 1])
    with pytest.raises(ConfigurationError, match="both y and anomalous"):
        load_check_set(tmp_path / "check.npz")


@pytest.mark.parametrize("sizes", ["10000000000000", "1" + "0" * 30, "-1"])
def test_sizes_that_no_machine_has_are_one_line(tmp_path: Path, sizes: str) -> None:
    header = f"{{'descr': '|i1', 'fortran_order': False, 'shape': ({sizes},), }}".ljust(117) + "\n"
    with zipfile.ZipFile(tmp_path / "check.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    with pytest.raises(ConfigurationError, match=r"check\.npz: not a check set .*: \S"):
        load_check_set(tmp_path / "check.npz")


@pytest.mark.parametrize("name", ["x.npy", "x", "y.npy"])
def test_what_is_no_array_is_one_line(tmp_path: Path, name: str) -> None:
    if name == "y.npy":
        np.savez(tmp_path / "check.npz", x=X)
    with zipfile.ZipFile(tmp_path / "check.npz", "a") as archive:
        archive.writestr(name, b"no array")
    with pytest.raises(ConfigurationError, match=r"check\.npz: not a check set .*: what it holds are no arrays"):
        load_check_set(tmp_path / "check.npz")


@pytest.mark.parametrize("cut", [10, 100, 400])
def test_a_check_set_that_was_cut_is_one_line(tmp_path: Path, cut: int) -> None:
    made = io.BytesIO()
    np.savez(made, x=X, scale=np.float64(SCALE), zero_point=np.int64(ZERO_POINT))
    (tmp_path / "check.npz").write_bytes(made.getvalue()[:cut])
    with pytest.raises(ConfigurationError, match=r"check\.npz: not a check set"):
        load_check_set(tmp_path / "check.npz")


def scored(runner: Reproducing, check_set: CheckSet, outputs: list[Any]) -> Quality:
    scoring = Scoring(runner, check_set)
    for tensor, output in zip(check_set.x, outputs, strict=True):
        scoring.take(tensor, np.asarray(output, runner.input_dtype))
    return scoring.quality()


def test_anomalies_give_an_auc_of_the_error_in_numbers_and_no_accuracy() -> None:
    inputs = np.zeros((4, 2), np.float32)
    marks = CheckSet(x=inputs, anomalous=np.array([0, 1, 0, 1]))
    runner = Reproducing("float32")
    assert scored(runner, marks, [[0, 0], [3, 0], [0, 1], [0, 2]]) == Quality(roc_auc=1.0, count=4)
    assert scored(runner, marks, [[0, 0], [0.5, 0], [0, 1], [0, 2]]) == Quality(roc_auc=0.75, count=4)
    assert scored(runner, CheckSet(x=inputs, anomalous=np.zeros(4)), [[0, 0]] * 4) == Quality(count=4)


def test_errors_are_of_what_integers_stand_for() -> None:
    """Input and output have scales of their own: 20 of 0.1 is 10 of 0.2."""
    runner = Reproducing("int8", Quantisation(0.1, 0))
    runner.output_quantisation = Quantisation(0.2, 5)
    marks = CheckSet(x=np.array([[20], [20]], np.int8), anomalous=np.array([0, 1]))
    assert scored(runner, marks, [[15], [5]]).roc_auc == 1.0


def test_marks_that_a_model_can_never_meet_are_refused_before_it_runs(tmp_path: Path) -> None:
    three = Reproducing("int8")
    three.output_shape = (1, 3)
    marked = written(tmp_path, x=X, anomalous=[1, 0])
    with pytest.raises(ConfigurationError, match=r"check\.npz: .* but m makes 3 numbers of 2; give it a check set"):
        check_set_for(marked, three)
    for labels, said in (([0, 3], "from 0 to 3"), ([-1, 2], "from -1 to 2")):
        labelled = written(tmp_path, x=X, y=labels)
        with pytest.raises(ConfigurationError, match=rf"check\.npz: y names classes {said}, but m has 3 outputs"):
            check_set_for(labelled, three)
    assert check_set_for(written(tmp_path, x=X, y=[0, 2]), three).y is not None


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60))
def test_the_auc_is_scikit_learn_s(pairs: list[tuple[int, bool]]) -> None:
    scores, marks = np.array([one for one, _ in pairs], float), np.array([mark for _, mark in pairs])
    found = roc_auc(scores, marks)
    if marks.all() or not marks.any():
        assert found is None
    else:
        assert found == pytest.approx(roc_auc_score(marks, scores))


def test_a_score_that_is_no_number_is_the_highest() -> None:
    assert roc_auc(np.array([1.0, np.nan]), np.array([0, 1])) == 1.0
    assert roc_auc(np.array([np.nan, 1.0]), np.array([0, 1])) == 0.0


@pytest.mark.parametrize(("dtype", "limits"), [(np.int8, (-128, 127)), (np.uint8, (0, 255)), (np.float32, None)])
def test_random_inputs_are_seeded_and_span_the_models_type(dtype: Any, limits: tuple[int, int] | None) -> None:
    made = random_inputs(Reproducing(dtype, shape=(1, 4)), 2000)

    assert (made.dtype, made.shape) == (dtype, (2000, 1, 4))
    assert np.array_equal(made, random_inputs(Reproducing(dtype, shape=(1, 4)), 2000))
    assert limits is None or (made.min(), made.max()) == limits
