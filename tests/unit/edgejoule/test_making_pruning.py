"""Pruned networks: as many weights as asked for stay, and what did nothing can go without a difference."""

from typing import Any

import jax
import numpy as np
import pytest

from edge_agent.wire.errors import ConfigurationError
from edgejoule.making.fit import Plan, fit
from edgejoule.making.network import Conv, Dense, Depthwise, Flatten, Network, Params, infer, initial
from edgejoule.making.progress import Silence
from edgejoule.making.pruning import largest_weights, with_fewer_filters
from edgejoule.making.reading import parameters_of
from edgejoule.making.resnet import residual_network
from edgejoule.making.tflite import float_model

pytestmark = pytest.mark.train

WHOLE = residual_network([(4, 1), (6, 2)], batch_norm=False)
X = np.random.default_rng(0).random((4, 32, 32, 3)).astype(np.float32)


def _with_biases(params: Params) -> Params:
    draw = np.random.default_rng(1)
    drawn: Params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: draw.standard_normal(leaf.shape).astype(np.float32) if path[-1].key == "bias" else leaf,
        params,
    )
    return drawn


@pytest.fixture
def params() -> Params:
    return _with_biases(initial(WHOLE, 3))


def test_the_largest_weights_of_each_inner_layer_stay(params: Params) -> None:
    mask = largest_weights(params, 0.25)

    assert mask[0]["weights"].all()
    assert mask[5]["weights"].all()
    inner, kept = params[1]["body"][0]["weights"], mask[1]["body"][0]["weights"]
    assert kept.sum() == 0.25 * inner.size
    assert np.abs(inner[kept == 1]).min() >= np.abs(inner[kept == 0]).max()
    assert all(leaf.all() for path, leaf in jax.tree_util.tree_leaves_with_path(mask) if path[-1].key == "bias")


@pytest.mark.parametrize("kept_ratio", [0.0, -0.5, 1.01])
def test_a_ratio_that_keeps_nothing_or_too_much_is_refused(params: Params, kept_ratio: float) -> None:
    with pytest.raises(ValueError, match="give a ratio above 0"):
        largest_weights(params, kept_ratio)


def test_what_was_pruned_stays_zero_while_the_rest_learns() -> None:
    network = Network((8,), (Dense(6), Dense(5), Dense(2)))
    params = initial(network, 1)
    mask = largest_weights(params, 0.5)
    x = np.random.default_rng(2).random((32, 8)).astype(np.float32)

    plan = Plan(epochs=2, batch_size=8, learning_rate=1e-2, seed=1)
    after = fit(network, params, x, np.arange(32) % 2, plan, progress=Silence(), stage="", mask=mask)

    weights, kept = after[1]["weights"], mask[1]["weights"]
    assert not weights[kept == 0].any()
    assert (weights != params[1]["weights"])[kept == 1].all()


def _without(layer: dict[str, Any], filters: list[int]) -> None:
    layer["weights"][..., filters] = 0.0
    layer["bias"][filters] = 0.0


def test_filters_that_give_nothing_are_the_ones_to_go(params: Params) -> None:
    stem, first, second = params[0], params[1]["body"], params[2]
    _without(stem, [0, 3])
    _without(first[1], [0, 3])
    _without(first[0], [1, 2])
    _without(second["body"][0], [0, 1, 5])
    _without(second["body"][1], [2, 3, 4])
    _without(second["shortcut"][0], [2, 3, 4])

    narrow = residual_network([(2, 1), (3, 2)], batch_norm=False)
    pruned = with_fewer_filters(WHOLE, params, 0.5)

    np.testing.assert_allclose(infer(narrow, pruned, X), infer(WHOLE, params, X), rtol=1e-4, atol=1e-6)
    assert {leaf.shape for leaf in jax.tree.leaves(pruned)} == {
        leaf.shape for leaf in jax.tree.leaves(initial(narrow, 1))
    }


def test_a_file_gives_back_the_weights_that_it_was_written_with(params: Params) -> None:
    read = parameters_of(WHOLE, float_model(WHOLE, params))

    leaves = [jax.tree_util.tree_leaves_with_path(one) for one in (read, params)]
    for (path, one), (other_path, other) in zip(*leaves, strict=True):
        assert path == other_path
        assert np.array_equal(one, other)


def test_a_folded_network_gives_the_same_outputs() -> None:
    network = Network((6, 6, 2), (Conv(4, (3, 3), 2), Depthwise((3, 3), multiplier=2), Flatten()))
    plain = Network(
        (6, 6, 2), (Conv(4, (3, 3), 2, batch_norm=False), Depthwise((3, 3), multiplier=2, batch_norm=False), Flatten())
    )
    params = initial(network, 4)
    x = X[:, :6, :6, :2]

    read = parameters_of(plain, float_model(network, params))

    np.testing.assert_allclose(infer(plain, read, x), infer(network, params, x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (residual_network([(4, 1), (8, 2)], batch_norm=False), "it has weights .* where .* are wanted"),
        (residual_network([(4, 1), (6, 2), (6, 2)], batch_norm=False), "it has no residual_3"),
    ],
)
def test_a_file_of_another_network_is_refused(params: Params, other: Network, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"another network: {message}"):
        parameters_of(other, float_model(WHOLE, params))


def test_a_damaged_file_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"^the model to begin with: [^\n]*train its family again$"):
        parameters_of(WHOLE, b"no model at all")


def test_batch_normalisation_cannot_be_read_back(params: Params) -> None:
    with pytest.raises(ValueError, match="give a network without"):
        parameters_of(residual_network([(4, 1), (6, 2)]), float_model(WHOLE, params))
