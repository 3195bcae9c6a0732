"""Distilling: a small network that learns from a large one's probabilities beside the labels.

G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, 2015, section 2.
"""

from typing import Any, Final

import jax
import numpy as np
from numpy.typing import NDArray

from edgejoule.making.fit import Loss
from edgejoule.making.network import F32

LEAST_PROBABILITY: Final = 1e-7
"""What a probability that float32 rounds to zero counts as, since its logarithm is needed."""


def taught_targets(labels: NDArray[np.int64], probabilities: F32, temperature: float) -> F32:
    """Return targets (n, 2, classes) for ``taught_loss``: labels (n,) as 0 and 1, then the teacher's softened answers.

    ``probabilities`` (n, classes): what the teacher's softmax gives at temperature 1.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), LEAST_PROBABILITY)) / temperature
    softened = np.exp(logits - logits.max(axis=1, keepdims=True))
    softened /= softened.sum(axis=1, keepdims=True)
    right = np.eye(probabilities.shape[1])[labels]
    return np.stack([right, softened], axis=1).astype(np.float32)


def taught_loss(temperature: float, teacher_ratio: float) -> Loss:
    """Return the loss of logits (n, classes) against ``taught_targets`` of the same temperature.

    ``teacher_ratio`` of it is the cross-entropy with the teacher's answers, the rest that with the labels. The first
    grows by the square of the temperature, by which its gradients would shrink.
    """

    def loss(logits: Any, targets: Any) -> Any:
        by_label = -(targets[:, 0] * jax.nn.log_softmax(logits)).sum(-1).mean()
        by_teacher = -(targets[:, 1] * jax.nn.log_softmax(logits / temperature)).sum(-1).mean()
        return (1.0 - teacher_ratio) * by_label + teacher_ratio * temperature**2 * by_teacher

    return loss
