"""What is written as .tflite gives what JAX gives, for every kind of layer, and the published counts."""

from typing import Any

import jax
import numpy as np
import pytest

from edgejoule.making.network import (
    F32,
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    Dropout,
    Flatten,
    Layer,
    Network,
    Params,
    Residual,
    Softmax,
    infer,
    initial,
    outputs,
)
from edgejoule.making.quality import LoadedFile, predictions
from edgejoule.making.quantise import dynamic_range_model, int8_model
from edgejoule.making.tflite import SIGNATURE, float_model
from edgejoule.zoo.graph import facts_of

pytestmark = pytest.mark.train


def drawn(network: Network, count: int = 5) -> F32:
    return np.random.default_rng(0).standard_normal((count, *network.input_shape)).astype(np.float32)


def unsettled(params: Params) -> Params:
    """Return weights, biases and statistics that are all other than those that training begins with."""
    draw = np.random.default_rng(1)
    changed: Params = jax.tree.map(
        lambda leaf: (
            (np.abs(leaf) + draw.uniform(0.05, 0.3, leaf.shape)).astype(np.float32) if leaf.ndim == 1 else leaf
        ),
        params,
    )
    return changed


def block(filters: int, stride: int) -> Residual:
    shortcut: tuple[Layer, ...] = ()
    if stride > 1:
        shortcut = (Conv(filters, (1, 1), stride, activation="none", batch_norm=False),)
    return Residual((Conv(filters, (3, 3), stride), Conv(filters, (3, 3), activation="none")), shortcut)


NETWORKS: dict[str, Network] = {
    "convolution, stride 2, even and odd sides": Network((6, 7, 2), (Conv(3, (3, 3), 2), Conv(2, (2, 3), (2, 1)))),
    "convolution without padding": Network((6, 7, 2), (Conv(3, (3, 2), (1, 2), "VALID", "none", batch_norm=False),)),
    "relu6": Network((4, 4, 1), (Conv(8, (1, 1), activation="relu6"),)),
    "depthwise": Network((7, 6, 3), (Depthwise((3, 3), 2), Depthwise((3, 2), 1, "VALID", "relu6", multiplier=2))),
    "depthwise without batch norm": Network((5, 5, 2), (Depthwise((3, 3), batch_norm=False),)),
    "dense": Network((9,), (Dense(7, "relu", batch_norm=True), Dense(4, "relu6"), Dense(3), Softmax())),
    "residual, both shortcuts": Network((6, 6, 4), (block(4, 1), block(5, 2))),
    "pooling, flattening, dropout": Network((5, 4, 2), (AveragePool((2, 3)), Dropout(0.5), Flatten(), Dense(2))),
    "pooling over all": Network((5, 4, 2), (AveragePool(), Flatten())),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_file_gives_what_jax_gives(kind: str) -> None:
    network = NETWORKS[kind]
    params = unsettled(initial(network, 3))
    x = drawn(network)

    expected = infer(network, params, x)

    made = predictions(float_model(network, params), x)
    assert made.shape == expected.shape
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


def test_softmax_and_dropout_are_what_the_mode_asks_for() -> None:
    network = Network((4,), (Dropout(0.5), Dense(3), Softmax()))
    params = initial(network, 0)
    x = np.ones((200, 4), np.float32)

    used, _ = outputs(network, params, x, training=False)
    trained, _ = outputs(network, params, x, training=True, key=jax.random.key(0))

    np.testing.assert_allclose(np.sum(used, axis=1), 1.0, rtol=1e-6)
    assert np.unique(np.asarray(trained), axis=0).shape[0] > 2
    with pytest.raises(ValueError, match="needs a key while training"):
        outputs(network, params, x, training=True)


def test_names_and_signature_are_the_callers() -> None:
    network = NETWORKS["dense"]

    facts = facts_of(float_model(network, initial(network, 0), "pixels", "probabilities"))

    assert ([one.name for one in facts.inputs], [one.name for one in facts.outputs]) == (["pixels"], ["probabilities"])
    assert facts.signatures == [SIGNATURE]


def ds_cnn() -> Network:
    separable: list[Layer] = [layer for _ in range(4) for layer in (Depthwise((3, 3)), Conv(64, (1, 1)))]
    return Network((49, 10, 1), (Conv(64, (10, 4), 2), *separable, AveragePool(), Flatten(), Dense(12), Softmax()))


def resnet8() -> Network:
    blocks = (block(16, 1), block(32, 2), block(64, 2))
    return Network((32, 32, 3), (Conv(16, (3, 3)), *blocks, AveragePool(), Flatten(), Dense(10), Softmax()))


def autoencoder() -> Network:
    widths = (*[128] * 4, 8, *[128] * 4)
    return Network((640,), (*(Dense(width, "relu", batch_norm=True) for width in widths), Dense(640)))


@pytest.mark.parametrize(
    ("network", "macs", "parameters"),
    [(ds_cnn(), 2_656_768, 22_604), (resnet8(), 12_501_632, 77_706), (autoencoder(), 264_192, 265_864)],
    ids=["KWS", "IC", "AD"],
)
def test_the_benchmarks_architectures_have_the_published_counts(network: Network, macs: int, parameters: int) -> None:
    """Counted from mlcommons/tiny's own files at 1afd2c98: MLPerf Tiny, arXiv 2106.07597."""
    model = float_model(network, initial(network, 0))
    x = drawn(network, 2)

    for made in (model, int8_model(model, x), dynamic_range_model(model)):
        facts = facts_of(made)
        assert (facts.macs, facts.parameters) == (macs, parameters)


def test_int8_is_int8_throughout_and_close_to_float() -> None:
    network = resnet8()
    model = float_model(network, unsettled(initial(network, 3)))
    x = drawn(network, 30)

    quantised = int8_model(model, x)

    facts = facts_of(quantised)
    assert (facts.precision, facts.not_int8) == ("int8", [])
    assert facts_of(dynamic_range_model(model)).precision == "dynamic_range"
    expected = predictions(model, x)
    assert np.abs(predictions(quantised, x) - expected).max() < 0.1
    assert np.abs(predictions(dynamic_range_model(model), x) - expected).max() < 0.1
    assert int8_model(model, x) == quantised


def test_the_int8_range_is_that_of_all_calibration_inputs() -> None:
    network = Network((8,), (Dense(4),))
    calibration = np.zeros((100, 8), np.float32)
    calibration[3, 0], calibration[4, 1] = -6.0, 2.0

    loaded = LoadedFile(int8_model(float_model(network, initial(network, 0)), calibration))

    assert loaded.input_scale is not None
    scale, zero_point = loaded.input_scale
    assert (-128 - zero_point) * scale == pytest.approx(-6.0, abs=scale)
    assert (127 - zero_point) * scale == pytest.approx(2.0, abs=scale)


def test_no_calibration_is_said() -> None:
    network = NETWORKS["dense"]
    with pytest.raises(ValueError, match="give some of the training inputs"):
        int8_model(float_model(network, initial(network, 0)), drawn(network, 0))


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ((Dense(3),), "put Flatten"),
        ((Residual((Conv(3, (3, 3)),)),), "they have to be equal"),
        ((AveragePool((9, 1)),), "does not fit into 6"),
        ((Flatten(), Conv(1, (1, 1))), "Conv needs .height, width, channels."),
    ],
)
def test_layers_that_do_not_fit_are_said(layers: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        initial(Network((6, 6, 2), layers), 0)
