"""Scores and their intervals, and check sets that are the same bytes for the same content."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score as peer_auc

from edge_agent.check_set import load_check_set
from edgejoule.making.check_set import write_check_set
from edgejoule.making.network import Dense, Network, initial
from edgejoule.making.quality import LoadedFile, accuracy_score, mean_square_error, roc_auc_score
from edgejoule.making.quantise import int8_model
from edgejoule.making.tflite import float_model

pytestmark = pytest.mark.train


def one_hot(*classes: int) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[list(classes)]


def test_wilsons_interval_is_the_published_one() -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 and 0 of 20."""
    for right, count, low, high in ((81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611)):
        score = accuracy_score(one_hot(*[1] * count), np.array([1] * right + [2] * (count - right)))

        assert score.value == pytest.approx(right / count, abs=1e-6)
        assert [score.low, score.high] == pytest.approx([low, high], abs=5e-5)
        assert (score.count, score.method) == (count, "Wilson")


def test_inputs_of_few_groups_say_less_than_their_number() -> None:
    y = np.repeat([1, 2], 100)
    predicted = one_hot(*[1] * 200)

    alone, grouped = accuracy_score(predicted, y), accuracy_score(predicted, y, np.repeat([0, 1, 2, 3], 50))

    assert grouped.value == alone.value == 0.5
    assert grouped.low < alone.low < 0.5 < alone.high < grouped.high
    assert grouped.method == "bootstrap over 4 groups"
    with pytest.raises(ValueError, match="leave groups out"):
        accuracy_score(predicted, y, np.zeros(200))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=12), st.integers(1, 3))
def test_the_area_is_scikit_learns_also_with_ties(drawn: list[tuple[int, bool]], copies: int) -> None:
    errors = np.array([one for one, _ in drawn] * copies, float)
    anomalous = np.array([odd for _, odd in drawn] * copies, int)
    if len(set(anomalous)) < 2:
        with pytest.raises(ValueError, match="with 0 and 1 in it"):
            roc_auc_score(errors, anomalous)
        return

    score = roc_auc_score(errors, anomalous)

    assert score.value == pytest.approx(peer_auc(anomalous, errors), abs=1e-6)
    assert 0.0 <= score.low <= score.value <= score.high <= 1.0


def test_the_areas_interval_has_the_width_that_delong_gives() -> None:
    """Two normal distributions one deviation apart: the spread by E. DeLong et al., Biometrics 44 (1988)."""
    draw = np.random.default_rng(3)
    errors = np.concatenate([draw.standard_normal(400), draw.standard_normal(200) + 1.0])
    anomalous = np.repeat([0, 1], [400, 200])

    score = roc_auc_score(errors, anomalous)

    above = (errors[400:, None] > errors[None, :400]).astype(float)
    spread = np.sqrt(above.mean(1).var(ddof=1) / 200 + above.mean(0).var(ddof=1) / 400)
    assert score.high - score.low == pytest.approx(2 * 1.96 * spread, rel=0.1)
    assert roc_auc_score(errors, anomalous) == score


def test_the_mean_square_error_is_one_number_an_input() -> None:
    made = mean_square_error(np.array([[[1.0], [2.0]], [[0.0], [0.0]]], np.float32), np.zeros((2, 2, 1), np.float32))

    assert made.tolist() == [2.5, 0.0]


def quantised() -> tuple[bytes, np.ndarray]:
    network = Network((6,), (Dense(3),))
    x = np.random.default_rng(0).uniform(-3.0, 5.0, (40, 6)).astype(np.float32)
    return int8_model(float_model(network, initial(network, 0)), x), x


def test_a_check_set_is_the_same_bytes_and_gives_back_its_inputs(tmp_path: Path) -> None:
    model, x = quantised()
    for name in ("one.npz", "two.npz"):
        write_check_set(tmp_path / "folder" / name, model, x, y=np.arange(40) % 3)

    assert (tmp_path / "folder/one.npz").read_bytes() == (tmp_path / "folder/two.npz").read_bytes()
    made = load_check_set(tmp_path / "folder/one.npz")
    assert (made.x.dtype.name, made.x.shape) == ("int8", (40, 6))
    assert made.anomalous is None
    assert made.y is not None
    assert made.y.tolist() == (np.arange(40) % 3).tolist()
    assert (made.scale, made.zero_point) == LoadedFile(model).input_scale
    assert made.scale is not None
    assert made.zero_point is not None
    np.testing.assert_allclose((made.x.astype(float) - made.zero_point) * made.scale, x, atol=0.51 * made.scale)


def test_a_check_set_of_anomalies_has_no_classes(tmp_path: Path) -> None:
    model, x = quantised()

    write_check_set(tmp_path / "set.npz", model, x, anomalous=np.arange(40) % 2)

    made = load_check_set(tmp_path / "set.npz")
    assert made.y is None
    assert made.anomalous is not None
    assert made.anomalous.sum() == 20


def test_a_check_set_needs_an_int8_model_and_a_label_for_each(tmp_path: Path) -> None:
    network = Network((6,), (Dense(3),))
    model, x = quantised()

    with pytest.raises(ValueError, match="this model takes floats"):
        write_check_set(tmp_path / "set.npz", float_model(network, initial(network, 0)), x)
    with pytest.raises(ValueError, match="3 y for 40 inputs"):
        write_check_set(tmp_path / "set.npz", model, x, y=np.arange(3))
    assert list(tmp_path.iterdir()) == []
