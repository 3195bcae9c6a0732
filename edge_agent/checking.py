"""What a model is worth in this very configuration: its check set in the type that it takes, and the score on it."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.check_set import CheckSet
from edge_agent.inference.runner import InferenceRunner, Quantisation, Tensor
from edge_agent.model_catalog import CatalogModel, open_check_set
from edge_agent.wire.errors import ConfigurationError

RANDOM_INPUTS: Final = 64
MUCH_WORSE_RATIO: Final = 0.1
"""More than chance does to a check set of some hundred inputs: then the engine does not do what the model says.

tflite-runtime 2.14 reads one scale where dense layers with float activations have several, says nothing, and gets 12 %
where LiteRT gets 98.5 % (tried with ds_cnn).
"""


@dataclass(frozen=True, slots=True)
class Quality:
    """A score over ``count`` inputs, each run once. Both are None where nothing says what should come out.

    ``accuracy_ratio``: the share classified as labelled. ``roc_auc``: how well the mean square error between output
    and input tells anomalous inputs from normal ones, 1 for always, 0.5 for not at all.
    """

    accuracy_ratio: float | None = None
    roc_auc: float | None = None
    count: int = 0


class Scoring:
    """Takes what the model gives for each input of a check set, in turn, and says what it is worth."""

    def __init__(self, runner: InferenceRunner, check_set: CheckSet) -> None:
        self._runner, self._set = runner, check_set
        self._right = 0
        self._errors: list[float] = []
        self._count = 0

    def take(self, tensor: Tensor, output: Tensor) -> None:
        """Note the output for the next input."""
        if self._set.y is not None:
            self._right += int(np.argmax(output)) == int(self._set.y[self._count])
        elif self._set.anomalous is not None:
            said = numbers(output, self._runner.output_quantisation)
            meant = numbers(tensor, self._runner.input_quantisation)
            self._errors.append(float(np.mean((said.ravel() - meant.ravel()) ** 2)))
        self._count += 1

    def quality(self) -> Quality:
        """Return the score over what was taken."""
        if self._set.y is not None and self._count:
            return Quality(accuracy_ratio=self._right / self._count, count=self._count)
        if self._set.anomalous is not None and self._count:
            found = roc_auc(np.array(self._errors), self._set.anomalous[: self._count])
            return Quality(roc_auc=found, count=self._count)
        return Quality()


def quality_of(runner: InferenceRunner, tensors: list[Tensor], check_set: CheckSet) -> Quality:
    """Run every input once and return the score."""
    scoring = Scoring(runner, check_set)
    for tensor in tensors:
        scoring.take(tensor, runner.infer(tensor))
    return scoring.quality()


def is_much_worse(found: Quality, stated_ratio: float | None) -> bool:
    """Tell whether the accuracy is so far below the stated one that this engine cannot be computing the same."""
    if found.accuracy_ratio is None or stated_ratio is None:
        return False
    return found.accuracy_ratio < stated_ratio - MUCH_WORSE_RATIO


def roc_auc(scores: NDArray[np.float64], positive: NDArray[Any]) -> float | None:
    """Return how likely a positive's score is above a negative's, ties counted half, from the ranks (Mann-Whitney).

    ``scores``: shape ``(n,)``; one that is no number counts as the highest. ``positive``: 0 or 1, shape ``(n,)``.
    None where there is only one kind.
    """
    chosen = positive.astype(bool)
    above, below = int(chosen.sum()), int((~chosen).sum())
    if not above or not below:
        return None
    _, where, counts = np.unique(np.where(np.isnan(scores), np.inf, scores), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[where.reshape(-1)]
    return float((ranks[chosen].sum() - above * (above + 1) / 2.0) / (above * below))


def check_set_for(model: CatalogModel, runner: InferenceRunner) -> CheckSet:
    """Return the model's check set in the type that it takes, or seeded random inputs if it has none.

    Raises ConfigurationError when the inputs do not fit the model.
    """
    found = open_check_set(model)
    if found is None:
        return CheckSet(x=random_inputs(runner))
    x = _converted(found, runner)
    per_input = math.prod(runner.input_shape)
    if x is None or not x.ndim or not x.size or math.prod(x.shape[1:]) != per_input:
        raise ConfigurationError(
            f"{model.check_set}: x is {found.x.dtype} {found.x.shape}, but {model.model_id} takes "
            f"{runner.input_dtype} {runner.input_shape}; make the check set for this very model"
        )
    _refuse_other_answers(model, found, math.prod(runner.output_shape), per_input)
    return CheckSet(x=x, y=found.y, anomalous=found.anomalous)


def _refuse_other_answers(model: CatalogModel, found: CheckSet, outputs: int, inputs: int) -> None:
    """Raise ConfigurationError for marks that a model of so many numbers in and out can never meet."""
    if found.y is not None and not bool(np.all((found.y >= 0) & (found.y < outputs))):
        raise ConfigurationError(
            f"{model.check_set}: y names classes from {int(found.y.min())} to {int(found.y.max())}, but "
            f"{model.model_id} has {outputs} outputs, which count from 0; make the check set for this very model"
        )
    if found.anomalous is not None and outputs != inputs:
        raise ConfigurationError(
            f"{model.check_set}: it tells anomalous inputs by how well they are reproduced, but {model.model_id} "
            f"makes {outputs} numbers of {inputs}; give it a check set with y, or none"
        )


def tensors_of(check_set: CheckSet, runner: InferenceRunner) -> list[Tensor]:
    """Return each input in the model's shape, contiguous and separate."""
    return [np.ascontiguousarray(entry).reshape(runner.input_shape) for entry in check_set.x]


def numbers(tensor: Tensor, quantisation: Quantisation | None) -> NDArray[np.float64]:
    """Return what the tensor's integers stand for; what has no scale stands for itself."""
    values = tensor.astype(np.float64)
    if quantisation is None or quantisation.scale <= 0.0:
        return values
    return (values - quantisation.zero_point) * quantisation.scale


def _converted(found: CheckSet, runner: InferenceRunner) -> Tensor | None:
    """Return ``x`` on the scale of the model's input, None where nobody says how to get there."""
    x, takes, onto = found.x, runner.input_dtype, runner.input_quantisation
    own = None
    if found.scale is not None and found.zero_point is not None and x.dtype.kind in "iu":
        own = Quantisation(found.scale, found.zero_point)
    if x.dtype == takes and (own is None or onto is None or own == onto):
        return x
    if own is None:
        return None
    if takes.kind == "f":
        return numbers(x, own).astype(takes)
    if onto is None or onto.scale <= 0.0 or takes.kind not in "iu":
        return None
    limits = np.iinfo(takes)
    moved: Tensor = np.rint(numbers(x, own) / onto.scale) + onto.zero_point
    return moved.clip(limits.min, limits.max).astype(takes)


def random_inputs(runner: InferenceRunner, count: int = RANDOM_INPUTS) -> Tensor:
    """Return seeded inputs (count, ...) over the whole range of the type that the model takes."""
    generator = np.random.default_rng(0)
    size, dtype = (count, *runner.input_shape), runner.input_dtype
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, size=size, dtype=dtype, endpoint=True)
    return generator.standard_normal(size).astype(dtype)
