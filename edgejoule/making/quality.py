"""How good a model file is, by LiteRT with its default kernels, and between which limits that is known."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgejoule.making.network import F32
from edgejoule.zoo.entry import Score

I8 = NDArray[np.int8]
NORMAL_95: Final = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""

DRAWS: Final = 2000
"""Of a bootstrap; B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), section 13.3."""


class LoadedFile:
    """A .tflite model in memory, run on one thread, one input at a time."""

    def __init__(self, model: bytes) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        self._source: dict[str, Any] = self._interpreter.get_input_details()[0]
        self._target: dict[str, Any] = self._interpreter.get_output_details()[0]

    @property
    def input_scale(self) -> tuple[float, int] | None:
        """Return scale and zero point of an int8 input, None for one of floats."""
        return _scale_of(self._source)

    def quantised(self, x: F32) -> NDArray[Any]:
        """Return ``x`` as the model's input takes it: int8 on its scale, or as it is."""
        if self.input_scale is None:
            return x.astype(np.float32)
        scale, zero_point = self.input_scale
        values: I8 = np.clip(np.rint(x / scale) + zero_point, -128, 127).astype(np.int8)
        return values

    def outputs(self, x: F32) -> F32:
        """Return what the model makes of ``x`` (n, ...): float32 (n, ...)."""
        invoke, set_tensor, get_tensor = (
            self._interpreter.invoke,
            self._interpreter.set_tensor,
            self._interpreter.get_tensor,
        )
        source, target, shape = self._source["index"], self._target["index"], self._source["shape"]
        made = []
        for values in self.quantised(x):
            set_tensor(source, values.reshape(shape))
            invoke()
            made.append(get_tensor(target)[0])
        scale = _scale_of(self._target)
        stacked = np.stack(made).astype(np.float32)
        if scale is None:
            return stacked
        return ((stacked - scale[1]) * scale[0]).astype(np.float32)


def _scale_of(details: dict[str, Any]) -> tuple[float, int] | None:
    if np.dtype(details["dtype"]) != np.int8:
        return None
    scale, zero_point = details["quantization"]
    return float(scale), int(zero_point)


def predictions(model: bytes, x: F32) -> F32:
    """Return what a .tflite model makes of ``x`` (n, ...), in floats whatever its tensors are: (n, ...)."""
    return LoadedFile(model).outputs(x)


def accuracy_score(predicted: F32, y: NDArray[Any], groups: NDArray[Any] | None = None) -> Score:
    """Return the share of ``predicted`` (n, classes) whose largest output is the class in ``y`` (n,).

    Interval: Wilson's (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927). ``groups`` (n,) numbers what inputs come from, as
    a person or a recording: inputs of one group are alike, so the interval is then a bootstrap over groups.
    """
    if predicted.ndim != 2 or len(predicted) != len(y) or len(y) == 0:
        raise ValueError(f"outputs {predicted.shape} and labels {y.shape}: give (n, classes) and (n,), n above 0")
    right = np.argmax(predicted, axis=1) == y
    if groups is not None:
        return _bootstrap(groups, lambda chosen: float(right[chosen].mean()))
    count, share = len(right), float(right.mean())
    spread = NORMAL_95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = NORMAL_95 / (1 + spread) * float(np.sqrt(share * (1 - share) / count + spread / (4 * count)))
    return _score(share, (middle - half, middle + half), count, "Wilson")


def roc_auc_score(errors: NDArray[Any], anomalous: NDArray[Any], groups: NDArray[Any] | None = None) -> Score:
    """Return how often an anomalous input has a larger error (n,) than a normal one; ties count one half.

    ``anomalous`` (n,) is 0 or 1. The interval is a bootstrap, over inputs or, as in ``accuracy_score``, over groups.
    T. Fawcett, Pattern Recognition Letters 27 (2006), section 7.
    """
    if errors.ndim != 1 or errors.shape != anomalous.shape or len(np.unique(anomalous)) != 2:
        raise ValueError(f"errors {errors.shape} and anomalous {anomalous.shape}: give (n,) twice, with 0 and 1 in it")
    place = np.unique(errors, return_inverse=True)[1]
    odd = anomalous.astype(bool)

    def area(chosen: NDArray[np.int64]) -> float | None:
        counts = [np.bincount(place[chosen][side], minlength=len(errors)) for side in (odd[chosen], ~odd[chosen])]
        of_odd, of_normal = counts
        pairs = int(of_odd.sum()) * int(of_normal.sum())
        below = np.cumsum(of_normal) - of_normal / 2
        return float(below @ of_odd) / pairs if pairs else None

    return _bootstrap(groups, area) if groups is not None else _bootstrap(np.arange(len(errors)), area)


def mean_square_error(outputs: F32, x: F32) -> NDArray[np.float64]:
    """Return for each input (n, ...) the mean of the squared differences between output and input: (n,)."""
    difference = outputs.reshape(len(x), -1).astype(np.float64) - x.reshape(len(x), -1)
    result: NDArray[np.float64] = (difference**2).mean(axis=1)
    return result


def _bootstrap(groups: NDArray[Any], statistic: Callable[[NDArray[np.int64]], float | None]) -> Score:
    """Return ``statistic`` of all inputs, and the middle 95 % of what it is when whole groups are drawn again.

    ``statistic`` takes the numbers of inputs and gives None where it is not defined.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise ValueError("an interval over groups needs two of them or more; leave groups out")
    order = np.argsort(member, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(member))[:-1])
    draw = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        again = draw.integers(len(names), size=len(names))
        value = statistic(again if len(names) == len(groups) else np.concatenate([members[one] for one in again]))
        if value is not None:
            drawn.append(value)
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = statistic(np.arange(len(groups)))
    if value is None:
        raise ValueError("the score is not defined for these inputs; give some of each kind")
    how = "bootstrap" if len(names) == len(groups) else f"bootstrap over {len(names)} groups"
    return _score(value, (float(low), float(high)), len(groups), how)


def _score(value: float, interval: tuple[float, float], count: int, method: str) -> Score:
    low, high = (round(min(max(limit, 0.0), 1.0), 6) for limit in interval)
    return Score(value=round(value, 6), low=min(low, value), high=max(high, value), count=count, method=method)
