"""A float32 .tflite model in fewer bits, by litert-quantizer; no TensorFlow."""

import copy
import importlib
import io
import warnings
from contextlib import redirect_stderr
from typing import Any, Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from litert_quantizer import Quantizer, recipe
from litert_quantizer.calibrator import Calibrator
from litert_quantizer.recipe_manager import RecipeManager
from litert_quantizer.utils.qsv_utils import min_max_update

from edgejoule.making.network import F32
from edgejoule.making.tflite import SIGNATURE

_PRESERVED: Final = ".*experimental_preserve_all_tensors"

importlib.import_module("tqdm").tqdm.monitor_interval = 0
"""litert-quantizer's bars start a thread that watches them, and it outlives them."""


def int8_model(float_model: bytes, calibration: F32) -> bytes:
    """Return the model with every tensor int8, inputs and outputs too, and int32 biases.

    Weights have one scale for each output channel, activations one for each tensor, from what ``calibration`` (n, ...)
    makes of them: inputs as float32 that training may see. Raises ValueError without any.
    """
    if len(calibration) == 0:
        raise ValueError("int8 ranges come from inputs; give some of the training inputs as calibration")
    quantizer = Quantizer(bytearray(float_model))
    quantizer.load_quantization_recipe(recipe.static_wi8_ai8())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_PRESERVED, category=UserWarning)
        return _quantised(quantizer, _ranges(float_model, calibration))


def _ranges(float_model: bytes, calibration: F32) -> Any:
    """Return for each tensor the least and the greatest value over all of ``calibration``.

    The quantizer's own way is a moving average of them, which in effect sees the last few dozen inputs and cuts what
    is above their mean: on the speakers of ds_cnn it cost 1.6 points, this costs none.
    """
    wanted = RecipeManager()
    wanted.load_quantization_recipe(recipe.static_wi8_ai8())
    name = _input_name(float_model)
    calibrator = Calibrator(float_model, num_threads=1, qsv_update_func=min_max_update)
    with redirect_stderr(io.StringIO()):  # a progress bar that cannot be turned off
        calibrator.calibrate({SIGNATURE: [{name: values[None]} for values in calibration]}, wanted)
    return calibrator.get_model_qsvs()


def dynamic_range_model(float_model: bytes) -> bytes:
    """Return the model with int8 weights, one scale for each output channel, and float32 activations.

    The runtime's kernels scale the activations of each inference to int8 by themselves. Dense layers have one scale
    for all their weights: tflite-runtime 2.14 takes the first of several for all of them without a word, which left
    12 % of ds_cnn's 98.5 % (tried).
    """
    quantizer = Quantizer(bytearray(float_model))
    by_channel = recipe.dynamic_wi8_afp32()
    dense = copy.deepcopy(by_channel[0]) | {"operation": "FULLY_CONNECTED"}
    dense["op_config"]["weight_tensor_config"]["granularity"] = "TENSORWISE"
    quantizer.load_quantization_recipe([*by_channel, dense])
    return _quantised(quantizer, None)


def _quantised(quantizer: Any, ranges: Any) -> bytes:
    result = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return with_constants_inside(bytes(result.quantized_model))


def with_constants_inside(model: bytes) -> bytes:
    """Return a .tflite file whose constants all stand in its tables.

    litert-quantizer 0.11 puts those of a model with 256 KiB of weights behind the tables, as files above 2 GB need it,
    and TensorFlow Lite Micro takes each of them for an empty tensor.
    """
    tables = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model))
    behind = [buffer for buffer in tables.buffers if buffer.offset > 1]
    if not behind:
        return model
    for buffer in behind:
        buffer.data = np.frombuffer(model, np.uint8, count=buffer.size, offset=buffer.offset)
        buffer.offset = buffer.size = 0
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tables.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _input_name(model: bytes) -> str:
    inputs: dict[str, list[str]] = Interpreter(model_content=model).get_signature_list()[SIGNATURE]
    return inputs["inputs"][0]
