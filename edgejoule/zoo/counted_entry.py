"""The entry of a model's file, as far as the file itself says it."""

import hashlib

from edge_agent.wire.errors import ConfigurationError
from edgejoule.zoo.entry import ModelEntry
from edgejoule.zoo.graph import GraphFacts, TensorFacts


def counted_entry(model_id: str, family_id: str, data: bytes, facts: GraphFacts) -> ModelEntry:
    """Return the entry of a .tflite file with what is counted in it; what else is known of it is left out.

    The first input and the first output are those that an agent uses. Raises ConfigurationError where there is none.
    """
    source, target = _first(facts.inputs), _first(facts.outputs)
    return ModelEntry(
        id=model_id,
        family=family_id,
        precision=facts.precision,
        file=f"{family_id}/{facts.precision}.tflite",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        input_shape=source.shape,
        input_dtype=source.dtype,
        output_shape=target.shape,
        output_dtype=target.dtype,
        parameters=facts.parameters,
        zero_parameters=facts.zero_parameters,
        macs=facts.macs,
        activation_bytes=facts.activation_bytes,
        operators=facts.operators,
    )


def _first(tensors: list[TensorFacts]) -> TensorFacts:
    if not tensors:
        raise ConfigurationError("the model has no input or no output; give one that takes something and answers")
    return tensors[0]
