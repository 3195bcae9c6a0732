"""The graph of MLPerf Tiny's keyword-spotting model, where ``EDGEJOULE_REFERENCE_DATA`` names the folder that has it.

kws_ref_model.tflite of github.com/mlcommons/tiny (benchmark/training/keyword_spotting/trained_models), Apache-2.0.
Without the variable this file is not collected (conftest.py).
"""

from pathlib import Path

from edgejoule.zoo.arena import arena_of
from edgejoule.zoo.graph import facts_of
from tests.engines.conftest import REFERENCE_DATA

KWS = Path(REFERENCE_DATA) / "mlperf_tiny_models" / "kws_ref_model_int8.tflite"
ARENA_BYTES = 24_272
"""By the recording allocator of tflite-micro on x86-64."""


def test_its_counts_are_the_published_ones() -> None:
    facts = facts_of(KWS.read_bytes())

    assert (facts.macs, facts.parameters) == (2_656_768, 22_604)
    assert (facts.precision, facts.not_int8, facts.stateful) == ("int8", [], False)
    assert [one.quantisation for one in facts.inputs] == ["per_tensor"]


def test_its_arena_is_the_published_one_where_tflite_micro_is_installed() -> None:
    arena = arena_of(KWS.read_bytes())

    assert arena.arena_bytes == (None if arena.note.startswith("not tried") else ARENA_BYTES)
