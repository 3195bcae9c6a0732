"""Training: AdamW over shuffled batches, seeded, so that the same machine and versions give the same weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from edgejoule.making.network import Network, Params, outputs
from edgejoule.making.progress import Progress

Loss = Callable[[Any, Any], Any]
"""Of outputs and targets (n, ...) as JAX arrays, a scalar."""

Augment = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]
"""Of a batch as it stands in ``x``, the batch to learn from: whatever type ``x`` has, this gives the network's."""

FIRST_MOMENT: Final = 0.9
SECOND_MOMENT: Final = 0.999
ADAM_EPSILON: Final = 1e-8
"""D. P. Kingma, J. Ba, ICLR 2015, algorithm 1; weight decay beside it: I. Loshchilov, F. Hutter, ICLR 2019."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. ``weight_decay`` acts on weights alone. "cosine" goes from ``learning_rate`` down to zero.

    ``label_smoothing``: this share of each label is spread over all classes.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    schedule: Literal["cosine", "constant"] = "cosine"

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Return the rate of step ``step``, from 0, of ``steps``."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))


def fit(  # noqa: PLR0913  what a recipe may choose, all by name
    network: Network,
    params: Params,
    x: NDArray[Any],
    y: NDArray[Any],
    plan: Plan,
    *,
    progress: Progress,
    stage: str,
    loss: Literal["cross_entropy", "mean_square"] | Loss = "cross_entropy",
    augment: Augment | None = None,
    mask: Params | None = None,
) -> Params:
    """Return ``params`` trained on inputs ``x`` (n, ...) and targets ``y``: labels (n,) or floats (n, ...).

    The batches of an epoch are drawn without replacement; what fills no whole batch waits for another epoch. Where
    ``mask`` is 0, weights are and stay 0; it has the structure of ``params``. Raises ValueError if the loss is no
    number any more.
    """
    loss_of = loss if callable(loss) else {"cross_entropy": _cross_entropy(plan), "mean_square": _mean_square}[loss]
    step = jax.jit(_step_of(network, loss_of, plan, mask))
    params = _as_arrays(params if mask is None else _product(params, mask))
    moments = (jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params))
    draw = np.random.default_rng(plan.seed)
    key = jax.random.key(plan.seed)
    size = min(plan.batch_size, len(x))
    batches = len(x) // size
    for epoch in range(plan.epochs):
        order = draw.permutation(len(x))
        losses = []
        for batch in range(batches):
            chosen = order[batch * size : (batch + 1) * size]
            inputs = x[chosen] if augment is None else augment(x[chosen], draw)
            number = epoch * batches + batch
            rate = plan.learning_rate_at(number, plan.epochs * batches)
            params, moments, value = step(
                params, moments, np.asarray(inputs, np.float32), y[chosen], rate, number + 1, key
            )
            losses.append(value)
        mean_loss = float(np.mean(jax.device_get(losses)))
        if not math.isfinite(mean_loss):
            raise ValueError(f"{stage}: the loss of epoch {epoch + 1} is {mean_loss}; take a smaller learning rate")
        progress.step(stage, epoch + 1, plan.epochs, f"loss {mean_loss:.4g}")
    result: Params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), params)
    return result


def _step_of(network: Network, loss_of: Loss, plan: Plan, mask: Params | None) -> Callable[..., Any]:
    def loss_and_statistics(params: Params, x: Any, y: Any, key: Any) -> tuple[Any, Params]:
        made, after = outputs(network, params, x, training=True, key=key)
        return loss_of(made, y), after

    def step(params: Params, moments: Any, x: Any, y: Any, rate: Any, count: Any, key: Any) -> tuple[Any, Any, Any]:
        own_key = jax.random.fold_in(key, count)
        (value, after), gradient = jax.value_and_grad(loss_and_statistics, has_aux=True)(params, x, y, own_key)
        first = jax.tree.map(lambda old, new: FIRST_MOMENT * old + (1 - FIRST_MOMENT) * new, moments[0], gradient)
        second = jax.tree.map(
            lambda old, new: SECOND_MOMENT * old + (1 - SECOND_MOMENT) * new**2, moments[1], gradient
        )
        bias = (1 - FIRST_MOMENT**count, 1 - SECOND_MOMENT**count)

        def moved(path: Any, leaf: Any, one: Any, two: Any) -> Any:
            decay = plan.weight_decay * leaf if path[-1].key == "weights" else 0.0
            return leaf - rate * (one / bias[0] / (jnp.sqrt(two / bias[1]) + ADAM_EPSILON) + decay)

        # The statistics have no gradient, so that they move by nothing from where the batch brought them.
        params = jax.tree_util.tree_map_with_path(moved, after, first, second)
        return (params if mask is None else _product(params, mask)), (first, second), value

    return step


def _product(params: Params, mask: Params) -> Params:
    result: Params = jax.tree.map(lambda leaf, kept: leaf * kept, params, mask)
    return result


def _as_arrays(params: Params) -> Params:
    result: Params = jax.tree.map(jnp.asarray, params)
    return result


def _cross_entropy(plan: Plan) -> Loss:
    def loss(logits: Any, targets: Any) -> Any:
        classes = logits.shape[-1]
        wanted = targets if targets.ndim == logits.ndim else jax.nn.one_hot(targets, classes)
        wanted = wanted * (1.0 - plan.label_smoothing) + plan.label_smoothing / classes
        return -(wanted * jax.nn.log_softmax(logits)).sum(-1).mean()

    return loss


def _mean_square(made: Any, targets: Any) -> Any:
    return ((made - targets) ** 2).mean()
