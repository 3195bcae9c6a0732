"""Recipe of ``digits_mlp``: a small dense network for 8x8 handwritten digits, trained in seconds on one core.

It is the one that scikit-learn trains. It is seeded and runs on one thread, so that the same package versions on the
same kind of processor give the same bytes.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from edgejoule.making.network import F32, Dense, Network, Params, Softmax
from edgejoule.making.progress import Progress
from edgejoule.making.recipe import Recipe, Trained, main
from edgejoule.making.tflite import float_model
from edgejoule.zoo.entry import Family

SEED = 20
HIDDEN_LAYERS = (256, 128)
CLASSES = 10
PIXEL_FULL_SCALE = 16.0
HELD_OUT_COUNT = 450
CALIBRATION_COUNT = 300
NETWORK = Network((64,), (*(Dense(units, activation="relu") for units in HIDDEN_LAYERS), Dense(CLASSES), Softmax()))
FAMILY = Family(
    id="digits_mlp",
    task="image classification: 8x8 handwritten digits",
    architecture="dense network 64-256-128-10",
    classes=[str(digit) for digit in range(CLASSES)],
    data=(
        "scikit-learn load_digits: test part of the UCI Optical Recognition of Handwritten Digits set, 1,797 images "
        "by 13 writers (E. Alpaydin and C. Kaynak, 1998)"
    ),
    data_package="scikit-learn",
    data_licence="CC BY 4.0",
    licence="Apache-2.0",
    test_set=(
        f"the last {HELD_OUT_COUNT} images in file order, not shuffled in: neighbours in the file share a writer, and "
        "a shuffled split scores higher"
    ),
    seed=SEED,
    intended_use=(
        "a real and reproducible load for energy measurements, small enough to be trained during the tests; it is no "
        "state of the art"
    ),
    limits=[
        "trained on one set of pre-processed forms: expect nothing of photographs or other pens",
        "the data do not say whether a writer stands on both sides of the cut between training and test",
    ],
)


def train(progress: Progress) -> Trained:
    """Train on one thread; all of the test set comes along as check set."""
    data = load_digits()
    images = (data.data / PIXEL_FULL_SCALE).astype(np.float32)
    cut = len(images) - HELD_OUT_COUNT
    classifier = MLPClassifier(HIDDEN_LAYERS, random_state=SEED, max_iter=300, alpha=1e-3)
    with threadpool_limits(limits=1):
        classifier.fit(images[:cut], data.target[:cut])
    progress.step("train", 1, 1, f"loss {classifier.loss_:.4g}")
    return Trained(
        float_model=float_model(
            NETWORK, _params(classifier.coefs_, classifier.intercepts_), "pixels", "probabilities"
        ),
        calibration=images[:CALIBRATION_COUNT],
        test_x=images[cut:],
        test_y=data.target[cut:],
        check=np.arange(HELD_OUT_COUNT),
    )


def _params(weights: list[F32], biases: list[NDArray[np.float64]]) -> Params:
    layers = [{"weights": one, "bias": bias} for one, bias in zip(weights, biases, strict=True)]
    return (*layers, {})


if __name__ == "__main__":
    main(Recipe(family=FAMILY, train=train, tools=("scikit-learn", "ai-edge-litert", "litert-quantizer", "numpy")))
