"""The MLPerf Tiny keyword-spotting model, where ``EDGEJOULE_REFERENCE_DATA`` names the folder that has it.

kws_ref_model.tflite of github.com/mlcommons/tiny (benchmark/training/keyword_spotting/trained_models), Apache-2.0.
Without the variable this file is not collected (conftest.py).
"""

from pathlib import Path

import numpy as np
import pytest

from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner, Tensor
from tests.engines.conftest import REFERENCE_DATA

KWS = Path(REFERENCE_DATA) / "mlperf_tiny_models" / "kws_ref_model_int8.tflite"
KWS_BYTES = 53_936
GREATEST_DIFFERENCE_LSB = 22
"""Between XNNPACK and the built-in kernels, seen over 1000 real stimuli; argmax agreed for 99.3 % of them."""


@pytest.fixture(scope="module")
def runner(tflite_engine: str) -> InferenceRunner:
    return load_runner(KWS, engine=tflite_engine)


def stimuli(count: int) -> list[Tensor]:
    """Return sums of a few smooth patterns: nearer to coefficients of speech than white noise is."""
    generator = np.random.default_rng(1)
    t, f = np.mgrid[0:49, 0:10]
    made = []
    for _ in range(count):
        a, b, c, d = generator.uniform(0.02, 0.6, 4)
        wave = 60 * np.sin(a * t + b * f) + 50 * np.cos(c * t - d * f) + generator.normal(0, 8, t.shape)
        made.append(np.clip(wave, -128, 127).astype(np.int8).reshape(1, 49, 10, 1))
    return made


def test_it_is_the_reference_model(runner: InferenceRunner) -> None:
    assert KWS.stat().st_size == KWS_BYTES
    assert runner.input_bytes == 490
    assert (runner.input_dtype, runner.output_shape) == (np.dtype(np.int8), (1, 12))
    assert not runner.stateful


def test_litert_gives_it_to_xnnpack_and_the_older_runtime_does_not(
    runner: InferenceRunner, tflite_engine: str
) -> None:
    assert runner.identity.delegate.startswith("xnnpack" if tflite_engine == "litert" else "none")


def test_its_answers_are_probabilities(runner: InferenceRunner) -> None:
    assert runner.output_quantisation is not None
    scale, zero_point = runner.output_quantisation.scale, runner.output_quantisation.zero_point
    for stimulus in stimuli(20):
        output = (runner.infer(stimulus.reshape(runner.input_shape)).astype(float) - zero_point) * scale
        assert output.sum() == pytest.approx(1.0, abs=12 * scale)


def test_the_delegate_changes_answers_by_no_more_than_is_known(runner: InferenceRunner, tflite_engine: str) -> None:
    plain = load_runner(KWS, engine=tflite_engine, delegate="none")
    pairs = [(runner.infer(one), plain.infer(one)) for one in (x.reshape(runner.input_shape) for x in stimuli(200))]
    assert max(np.abs(a.astype(int) - b.astype(int)).max() for a, b in pairs) <= GREATEST_DIFFERENCE_LSB
    assert np.mean([np.argmax(a) == np.argmax(b) for a, b in pairs]) > 0.95
