"""Distilling: what the student is asked for, and that it comes to answer as its teacher does."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.making.distilling import taught_loss, taught_targets
from edgejoule.making.fit import Plan, fit
from edgejoule.making.network import F32, Dense, Network, Softmax, infer, initial
from edgejoule.making.progress import Silence

pytestmark = pytest.mark.train

LABELS = np.array([0, 2])


def _softmax(logits: F32) -> F32:
    return np.asarray(jax.nn.softmax(logits))


@given(st.lists(st.floats(-20, 20), min_size=3, max_size=3), st.floats(1.0, 10.0))
def test_the_teachers_answers_are_softened_as_its_logits_would_be(logits: list[float], temperature: float) -> None:
    row = np.array([logits], np.float32)

    targets = taught_targets(LABELS[:1], _softmax(row), temperature)

    assert targets.shape == (1, 2, 3)
    assert targets[0, 0].tolist() == [1.0, 0.0, 0.0]
    assert targets[0, 1].sum() == pytest.approx(1.0, abs=1e-5)
    if np.ptp(row) < 15.0:  # beyond, the least probability that counts is reached
        np.testing.assert_allclose(targets[0, 1], _softmax(row / temperature)[0], atol=1e-3)


def test_without_the_teacher_it_is_the_cross_entropy_with_the_labels() -> None:
    logits = np.array([[1.0, 0.5, -2.0], [0.0, 3.0, 1.0]], np.float32)
    targets = taught_targets(LABELS, np.full((2, 3), 1 / 3, np.float32), 4.0)

    expected = -np.log(_softmax(logits)[[0, 1], LABELS]).mean()

    assert float(taught_loss(4.0, 0.0)(logits, targets)) == pytest.approx(float(expected), rel=1e-5)


def test_with_the_teacher_alone_its_own_logits_have_no_gradient() -> None:
    logits = np.array([[1.0, 0.5, -2.0], [0.0, 3.0, 1.0]], np.float32)
    targets = taught_targets(LABELS, _softmax(logits), 4.0)

    gradient = jax.grad(taught_loss(4.0, 1.0))(logits, targets)
    elsewhere = jax.grad(taught_loss(4.0, 1.0))(logits[::-1].copy(), targets)

    assert np.abs(gradient).max() < 1e-5
    assert np.abs(elsewhere).max() > 1e-2


def test_a_student_comes_to_answer_as_its_teacher_where_labels_say_nothing() -> None:
    x = np.eye(3, dtype=np.float32)
    answers = _softmax(np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 1.0, 1.0]], np.float32))
    network = Network((3,), (Dense(3), Softmax()))
    targets = taught_targets(np.array([2, 0, 1]), answers, 2.0)

    plan = Plan(300, 3, 0.05, seed=1)
    student = fit(
        network, initial(network, 1), x, targets, plan, progress=Silence(), stage="", loss=taught_loss(2.0, 1.0)
    )

    np.testing.assert_allclose(infer(network, student, x), answers, atol=0.01)
