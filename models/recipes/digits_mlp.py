"""Recipe of ``digits_mlp_int8``: a small dense network for 8x8 handwritten digits, trained in seconds on one core.

scikit-learn trains the float network, this file writes it as a .tflite flatbuffer with a signature, litert-quantizer
makes every weight and activation int8, and LiteRT measures both on the held-out images. Everything is seeded and runs
on one thread, so that the same package versions on the same kind of processor give the same bytes.

Run it by ``edgejoule models train digits_mlp_int8 --out DIR`` or directly: ``python digits_mlp.py DIR``.
"""

import argparse
import hashlib
import importlib.metadata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from litert_quantizer import Quantizer, recipe
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

MODEL_ID = "digits_mlp_int8"
SEED = 20
HIDDEN_LAYERS = (256, 128)
CLASSES = 10
PIXEL_FULL_SCALE = 16.0
HELD_OUT_COUNT = 450
CALIBRATION_COUNT = 300
INPUT_NAME, OUTPUT_NAME, SIGNATURE = "pixels", "probabilities", "serving_default"
TOOLS = ("scikit-learn", "ai-edge-litert", "litert-quantizer", "numpy")

F32 = npt.NDArray[np.float32]
I8 = npt.NDArray[np.int8]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Digits:
    """Images (n, 64) as float32 from 0 to 1, labels (n,); the held-out part is the end of the file."""

    train_x: F32
    train_y: I64
    held_out_x: F32
    held_out_y: I64


@dataclass(frozen=True)
class DenseLayer:
    """Weights (outputs, inputs) and bias (outputs,) as float32."""

    weights: F32
    bias: F32


def main(argv: Sequence[str] | None = None) -> None:
    """Train into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Train digits_mlp_int8.")
    parser.add_argument(
        "out", type=Path, help="folder to write model.tflite, check_set.npz, card.md, catalog_entry.toml"
    )
    build(parser.parse_args(argv).out)


def build(out: Path) -> None:
    """Train, quantise, measure; write model.tflite, check_set.npz, card.md and catalog_entry.toml into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    digits = load()
    layers = train(digits)
    float_model = write_float_model(layers)
    model = quantise(float_model, digits.train_x)
    inputs = quantised_inputs(model, digits.held_out_x)
    (out / "model.tflite").write_bytes(model)
    np.savez_compressed(out / "check_set.npz", x=inputs, y=digits.held_out_y)
    facts = describe(layers, out)
    facts["accuracy_float"] = round(accuracy(float_model, digits.held_out_x, digits.held_out_y), 4)
    facts["accuracy_int8"] = round(accuracy(model, inputs, digits.held_out_y), 4)
    (out / "catalog_entry.toml").write_text(catalog_entry(facts), encoding="utf-8")
    (out / "card.md").write_text(card(facts), encoding="utf-8")


def load() -> Digits:
    """Load the images that scikit-learn ships and hold out the last ones in file order.

    Neighbouring images in the file come from the same writers, so a shuffled split would flatter the accuracy.
    """
    data = load_digits()
    images = (data.data / PIXEL_FULL_SCALE).astype(np.float32)
    labels = data.target.astype(np.int64)
    cut = len(labels) - HELD_OUT_COUNT
    return Digits(images[:cut], labels[:cut], images[cut:], labels[cut:])


def train(digits: Digits) -> list[DenseLayer]:
    """Train the float network on one thread and return its layers, input side first."""
    network = MLPClassifier(HIDDEN_LAYERS, random_state=SEED, max_iter=300, alpha=1e-3)
    with threadpool_limits(limits=1):
        network.fit(digits.train_x, digits.train_y)
    return [
        DenseLayer(np.ascontiguousarray(weights.T, dtype=np.float32), bias.astype(np.float32))
        for weights, bias in zip(network.coefs_, network.intercepts_, strict=True)
    ]


def write_float_model(layers: Sequence[DenseLayer]) -> bytes:
    """Write the layers as a float32 .tflite flatbuffer: dense layers with ReLU, a softmax, one signature."""
    graph = _Graph()
    source = graph.tensor(INPUT_NAME, (1, layers[0].weights.shape[1]))
    inputs = [source]
    for number, layer in enumerate(layers):
        last = layer is layers[-1]
        weights = graph.tensor(f"dense_{number}/weights", layer.weights.shape, layer.weights)
        bias = graph.tensor(f"dense_{number}/bias", layer.bias.shape, layer.bias)
        target = graph.tensor(f"dense_{number}", (1, len(layer.bias)))
        options = schema.FullyConnectedOptionsT()
        if not last:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        graph.operator(schema.BuiltinOperator.FULLY_CONNECTED, [source, weights, bias], target, options)
        source = target
    output = graph.tensor(OUTPUT_NAME, (1, CLASSES))
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    graph.operator(schema.BuiltinOperator.SOFTMAX, [source], output, softmax)
    return graph.pack(inputs, [output])


class _Graph:
    """Tensors, buffers and operators of one subgraph, in the order of the flatbuffer."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]  # buffer 0 stays empty by the format's convention
        self._operators: list[Any] = []
        self._codes: list[int] = []

    def tensor(self, name: str, shape: tuple[int, ...], values: F32 | None = None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), schema.TensorType.FLOAT32
        tensor.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.astype("<f4").tobytes(), dtype=np.uint8)
            self._buffers.append(buffer)
            tensor.buffer = len(self._buffers) - 1
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def operator(self, code: int, inputs: list[int], output: int, options: object) -> None:
        if code not in self._codes:
            self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(code)
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(operator)

    def pack(self, inputs: list[int], outputs: list[int]) -> bytes:
        subgraph = schema.SubGraphT()
        subgraph.name, subgraph.tensors, subgraph.operators = "main", self._tensors, self._operators
        subgraph.inputs, subgraph.outputs = inputs, outputs
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
        signature.inputs = [self._map(index) for index in inputs]
        signature.outputs = [self._map(index) for index in outputs]
        model = schema.ModelT()
        model.version, model.description = 3, "edgejoule"
        model.operatorCodes = [_operator_code(code) for code in self._codes]
        model.subgraphs, model.buffers, model.signatureDefs = [subgraph], self._buffers, [signature]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _map(self, index: int) -> object:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = self._tensors[index].name, index
        return entry


def _operator_code(code: int) -> object:
    entry = schema.OperatorCodeT()
    entry.builtinCode = entry.deprecatedBuiltinCode = code
    entry.version = 1
    return entry


def quantise(float_model: bytes, train_x: F32) -> bytes:
    """Return the full-integer model (int8 in, int8 out), its ranges calibrated on training images only."""
    quantizer = Quantizer(bytearray(float_model))
    quantizer.load_quantization_recipe(recipe.static_wi8_ai8())
    samples = [{INPUT_NAME: image[np.newaxis, :]} for image in train_x[:CALIBRATION_COUNT]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors", category=UserWarning)
        ranges = quantizer.calibrate({SIGNATURE: samples}, num_threads=1)
        result = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def quantised_inputs(model: bytes, images: F32) -> I8:
    """Return ``images`` (n, 64) on the int8 scale of the model's input."""
    scale, zero_point = _interpreter(model).get_input_details()[0]["quantization"]
    quantised: I8 = np.clip(np.rint(images / scale) + zero_point, -128, 127).astype(np.int8)
    return quantised


def accuracy(model: bytes, inputs: F32 | I8, labels: I64) -> float:
    """Return the share of ``inputs`` (n, ...) that LiteRT classifies as ``labels`` (n,)."""
    interpreter = _interpreter(model)
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    right = 0
    for values, label in zip(inputs, labels, strict=True):
        interpreter.set_tensor(source, values[np.newaxis, :])
        interpreter.invoke()
        right += int(np.argmax(interpreter.get_tensor(target)[0])) == int(label)
    return right / len(labels)


def _interpreter(model: bytes) -> Any:
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def describe(layers: Sequence[DenseLayer], out: Path) -> dict[str, Any]:
    """Return the catalogue's facts: hashes, shapes, parameters, multiply-accumulates, origin."""
    model = (out / "model.tflite").read_bytes()
    interpreter = _interpreter(model)
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    return {
        "id": MODEL_ID,
        "file": f"{MODEL_ID}/model.tflite",
        "sha256": hashlib.sha256(model).hexdigest(),
        "task": "image classification: 8x8 handwritten digits",
        "input_shape": [int(size) for size in source["shape"]],
        "input_dtype": np.dtype(source["dtype"]).name,
        "output_shape": [int(size) for size in target["shape"]],
        "classes": [str(digit) for digit in range(CLASSES)],
        "check_set": f"{MODEL_ID}/check_set.npz",
        "check_set_sha256": hashlib.sha256((out / "check_set.npz").read_bytes()).hexdigest(),
        "parameters": sum(layer.weights.size + layer.bias.size for layer in layers),
        "macs": sum(layer.weights.size for layer in layers),
        "size_bytes": len(model),
        "licence": "Apache-2.0 (weights); images CC BY 4.0",
        "data_source": "scikit-learn load_digits: test part of the UCI Optical Recognition of Handwritten Digits set",
        "recipe": "recipes/digits_mlp.py",
        "trained_with": [f"{tool} {importlib.metadata.version(tool)}" for tool in TOOLS],
    }


def catalog_entry(facts: dict[str, Any]) -> str:
    """Return ``facts`` as one ``[[model]]`` table of models/catalog.toml."""
    return "[[model]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in facts.items())


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def card(facts: dict[str, Any]) -> str:
    """Return the model's card as Markdown."""
    shape = "-".join(map(str, (64, *HIDDEN_LAYERS, CLASSES)))
    tools = ", ".join(facts["trained_with"])
    return f"""# {facts["id"]}

A dense network ({shape}, ReLU, softmax) that reads an 8x8 image of a handwritten digit. It exists to be a real,
reproducible load for energy measurements, small enough to be trained during the tests; it is no state of the art.

| | |
|---|---|
| input | {facts["input_dtype"]} {facts["input_shape"]}, pixel 0 to 16 scaled to 0 to 1, then quantised |
| output | int8 {facts["output_shape"]}, one probability for each digit |
| parameters | {facts["parameters"]:,} |
| multiply-accumulates | {facts["macs"]:,} for one inference |
| size | {facts["size_bytes"]:,} bytes |
| sha256 | `{facts["sha256"]}` |
| accuracy, float32 | {facts["accuracy_float"]:.2%} of {HELD_OUT_COUNT} held-out images |
| accuracy, int8 | {facts["accuracy_int8"]:.2%} of the same images, LiteRT with its default kernels |
| trained with | {tools} |

## Data

{facts["data_source"]}.
1,797 images by 13 writers; E. Alpaydin and C. Kaynak, 1998; CC BY 4.0.
The last {HELD_OUT_COUNT} images in file order are held out for the accuracy and stored, already quantised, in
`check_set.npz` (`x` int8, `y` labels). They are not shuffled in: neighbours in the file share a writer, and a shuffled
split would score higher (97.3 % to 98.0 % in three draws, float32). Whether a writer stands on both sides of the cut
is not recorded in the data.
The first {CALIBRATION_COUNT} training images calibrate the int8 ranges. No held-out image is used for either.

## Limits

Trained on one set of pre-processed forms: expect nothing of photographs or other pens. The accuracy of int8 depends
on the runtime's kernels by a few images, so the runtime and its version belong to each figure.

## Make it again

`edgejoule models train {facts["id"]}` (extra `[train]`) repeats it and says whether the bytes are the same. With other
package versions or another processor, the last bits of the floating-point training may differ, and then so does the
hash. The test suite accepts an accuracy that is up to two percentage points lower.
"""


if __name__ == "__main__":
    main()
