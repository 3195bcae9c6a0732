"""Training learns, repeats itself, keeps pruned weights at zero, and tells how far it is."""

import dataclasses
import io
import itertools
import json
from typing import Any

import jax
import numpy as np
import pytest
from numpy.typing import NDArray

from edgejoule.making.fit import Plan, fit
from edgejoule.making.network import (
    BATCH_NORM_MOMENTUM,
    F32,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Network,
    Params,
    Softmax,
    infer,
    initial,
)
from edgejoule.making.progress import JsonLines, PlainLines, Progress, Silence

pytestmark = pytest.mark.train

NETWORK = Network((16,), (Dense(8, "relu", batch_norm=True), Dropout(0.1), Dense(2), Softmax()))
PLAN = Plan(epochs=6, batch_size=20, learning_rate=0.02, seed=5)


def signals() -> tuple[F32, NDArray[np.int64]]:
    """Return signals whose class is whether they are above zero on the whole."""
    x = np.random.default_rng(0).standard_normal((130, 16)).astype(np.float32)
    y = np.arange(130) % 2
    return x * 0.3 + (2 * y - 1).astype(np.float32)[:, None], y


def trained(told: Progress, **options: Any) -> Params:
    x, y = signals()
    return fit(NETWORK, initial(NETWORK, 1), x, y, PLAN, **{"progress": told, "stage": "train", **options})


@pytest.fixture(scope="module", name="plain")
def trained_once() -> tuple[Params, list[dict[str, Any]]]:
    told = io.StringIO()
    return trained(JsonLines(told)), [json.loads(line) for line in told.getvalue().splitlines()]


def the_same(one: Params, other: Params) -> bool:
    return all(np.array_equal(*pair) for pair in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_it_learns_and_repeats_itself_and_tells_each_epoch(plain: tuple[Params, list[dict[str, Any]]]) -> None:
    params, steps = plain
    x, y = signals()

    assert (infer(NETWORK, params, x).argmax(1) == y).mean() > 0.97
    assert [(one["stage"], one["done"], one["total"]) for one in steps] == [("train", n, 6) for n in range(1, 7)]
    losses = [float(one["note"].removeprefix("loss ")) for one in steps]
    assert losses[-1] < losses[0] / 2
    assert the_same(params, trained(Silence()))
    other = dataclasses.replace(PLAN, seed=6)
    assert not the_same(params, fit(NETWORK, initial(NETWORK, 1), x, y, other, progress=Silence(), stage="train"))


def test_batch_norm_keeps_statistics_of_what_came_by() -> None:
    network = Network((1, 1, 1), (Conv(1, (1, 1), activation="none"), Flatten()))
    x = np.array([2.0, 4.0], np.float32).reshape(2, 1, 1, 1)
    begin = initial(network, 0)
    begin[0]["weights"][:] = 1.0
    plan = Plan(epochs=1, batch_size=2, learning_rate=0.0, seed=0)

    after = fit(network, begin, x, x[:, 0, 0], plan, progress=Silence(), stage="s", loss="mean_square")

    share = 1.0 - BATCH_NORM_MOMENTUM
    assert after[0]["mean"][0] == pytest.approx(share * 3.0)
    assert after[0]["variance"][0] == pytest.approx(1.0 - share + share * 1.0)


def test_masked_weights_are_and_stay_zero() -> None:
    mask: Params = jax.tree.map(np.ones_like, initial(NETWORK, 1))
    mask[0]["weights"][0] = 0.0

    params = trained(Silence(), mask=mask)

    assert not params[0]["weights"][0].any()
    assert params[0]["weights"][1:].all()


def test_weight_decay_shrinks_weights_alone() -> None:
    network = Network((2,), (Dense(1),))
    begin = initial(network, 0)
    begin[0]["bias"][:] = 1.0
    x = np.zeros((4, 2), np.float32)
    plan = Plan(epochs=3, batch_size=4, learning_rate=0.1, weight_decay=0.5, seed=0, schedule="constant")

    after = fit(
        network, begin, x, np.ones((4, 1), np.float32), plan, progress=Silence(), stage="s", loss="mean_square"
    )

    np.testing.assert_allclose(after[0]["weights"], begin[0]["weights"] * 0.95**3, rtol=1e-5)
    np.testing.assert_allclose(after[0]["bias"], 1.0)


def test_augmentation_may_turn_any_type_into_inputs() -> None:
    x, y = signals()
    stored = np.clip(x * 40 + 128, 0, 255).astype(np.uint8)
    seen: list[np.dtype[Any]] = []

    def scaled(batch: NDArray[Any], _draw: np.random.Generator) -> NDArray[Any]:
        seen.append(batch.dtype)
        return (batch.astype(np.float32) - 128) / 40

    begin = initial(NETWORK, 1)
    params = fit(NETWORK, begin, stored, y, PLAN, progress=Silence(), stage="train", augment=scaled)

    assert set(seen) == {np.dtype(np.uint8)}
    assert len(seen) == 6 * (130 // 20)
    assert (infer(NETWORK, params, x).argmax(1) == y).mean() > 0.97


def test_soft_targets_are_labels_that_may_be_shared(plain: tuple[Params, list[dict[str, Any]]]) -> None:
    x, y = signals()
    targets = np.eye(2, dtype=np.float32)[y]

    soft = fit(NETWORK, initial(NETWORK, 1), x, targets, PLAN, progress=Silence(), stage="train")

    for one, other in zip(jax.tree.leaves(plain[0]), jax.tree.leaves(soft), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_loss_of_ones_own_that_is_no_number_is_said() -> None:
    with pytest.raises(ValueError, match="train: the loss of epoch 1 is nan; take a smaller learning rate"):
        trained(Silence(), loss=lambda made, targets: (made[:, 0] - targets).sum() * np.nan)


def test_the_cosine_falls_from_the_rate_to_zero() -> None:
    rates = [PLAN.learning_rate_at(step, 10) for step in range(11)]

    assert rates[0] == PLAN.learning_rate
    assert rates[5] == pytest.approx(PLAN.learning_rate / 2)
    assert rates[10] == pytest.approx(0.0, abs=1e-12)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates))


def test_a_person_reads_one_line_a_stage() -> None:
    told = io.StringIO()
    for done in range(1, 4):
        PlainLines(told).step("train", done, 3, f"loss {done}")
    PlainLines(told).step("measure", 1, 1)

    assert told.getvalue() == "train: done, loss 3\nmeasure: done\n"
