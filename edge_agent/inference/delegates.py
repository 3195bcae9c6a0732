"""Delegates of the TF Lite engines: which one is asked for, and which one really took the graph.

``[model] delegate`` is one of

- "auto": what the runtime does by itself. LiteRT gives int8 and float graphs to XNNPACK, tflite-runtime up to 2.14
  only float ones.
- "none": the runtime's own kernels only.
- "xnnpack": as "auto", but XNNPACK must have taken the graph, at least in part.
- the name or path of a shared library, such as "libedgetpu.so.1": an external delegate. It takes what it can, the
  runtime's default delegate gets what it leaves. ``delegate_options`` goes to it, each key and value as text.

Whatever was asked for, the identity names what happened: "none", "xnnpack", "xnnpack 9/12 ops",
"libedgetpu.so.1 9/12 ops + xnnpack 3/12 ops". A delegate that was asked for and took nothing is an error: its name
would stand beside figures that it has no part in.
"""

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from edge_agent.inference.runner import one_line
from edge_agent.wire.errors import ConfigurationError

AUTO: Final = "auto"
NONE: Final = "none"
XNNPACK: Final = "xnnpack"
NAMED: Final = (AUTO, NONE, XNNPACK)
ENTRY_POINTS: Final = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
"""What a library has to export: tensorflow/lite/delegates/external/external_delegate_interface.h."""

Operator = Mapping[str, Any]


def is_external(delegate: str) -> bool:
    """Tell whether ``delegate`` names a shared library."""
    return delegate not in NAMED


def refuse_options(delegate: str, options: Mapping[str, Any]) -> None:
    """Raise ConfigurationError if there are options: ``delegate`` would not read them."""
    if options:
        raise ConfigurationError(
            f"[model] delegate_options: nobody would read {', '.join(sorted(options))}, as delegate = {delegate!r} "
            "takes none; remove them, or name the delegate that they are for"
        )


def check_library(library: str) -> None:
    """Raise ConfigurationError unless ``library`` can be loaded and is a TF Lite delegate."""
    what = f"[model] delegate = {library!r}"
    try:
        loaded = ctypes.PyDLL(library)
    except OSError as error:
        raise ConfigurationError(
            f"{what}: the library cannot be loaded: {one_line(error)}; name {', '.join(NAMED)}, or a delegate's "
            "shared library, with its path unless the system's loader finds it (ldconfig -p lists what it finds)"
        ) from error
    missing = [name for name in ENTRY_POINTS if not hasattr(loaded, name)]
    if missing:
        raise ConfigurationError(
            f"{what}: it is a shared library but no TF Lite delegate (no {missing[0]}); name the delegate's library, "
            "for a Coral Edge TPU libedgetpu.so.1"
        )


def describe(external: int, xnnpack: int, total: int, library: str) -> str:
    """Return who took the graph, as the identity says it, from ``operators_taken`` and the external one's library."""
    took = ((PurePath(library).name, external), (XNNPACK, xnnpack))
    return " + ".join(_share(name, count, total) for name, count in took if count) or NONE


def operators_taken(before: Sequence[Operator], after: Sequence[Operator]) -> tuple[int, int, int]:
    """Return how many operators an external delegate took, how many XNNPACK took, and how many the model has.

    ``before`` and ``after`` tensors are allocated. Delegated nodes stay in the operator list; each delegate adds nodes
    named DELEGATE at its end. An external one is applied when the interpreter is made, the default one, XNNPACK, when
    tensors are allocated.
    """
    model = [node for node in after if not _is_delegate(node)]
    delegates = [node for node in after if _is_delegate(node)]
    external = sum(_is_delegate(node) for node in before)
    first = delegated_operators(model, delegates[:external])
    second = delegated_operators(model, delegates[external:])
    return len(first), len(second), len(model)


def delegated_operators(model: Sequence[Operator], delegates: Sequence[Operator]) -> set[int]:
    """Return which operators of the model are inside delegates, from nodes with op_name, inputs and outputs.

    A delegate computes its outputs from its inputs, so the operators it took are those found going backward from its
    output tensors until its input tensors. One without outputs (ASSIGN_VARIABLE) was taken if what it consumes was
    computed inside and does not come out.
    """
    producer = {int(tensor): number for number, node in enumerate(model) for tensor in node["outputs"]}
    taken: set[int] = set()
    comes_out: set[int] = set()
    for delegate in delegates:
        boundary = {int(tensor) for tensor in delegate["inputs"]}
        reached = [int(tensor) for tensor in delegate["outputs"]]
        comes_out.update(reached)
        while reached:
            tensor = reached.pop()
            number = producer.get(tensor)
            if number is None or number in taken or tensor in boundary:
                continue
            taken.add(number)
            reached.extend(int(source) for source in model[number]["inputs"])
    inside = {int(tensor) for number in taken for tensor in model[number]["outputs"]} - comes_out
    sinks = (number for number, node in enumerate(model) if not len(node["outputs"]))
    return taken | {number for number in sinks if inside & {int(tensor) for tensor in model[number]["inputs"]}}


def _is_delegate(node: Operator) -> bool:
    return bool(node["op_name"] == "DELEGATE")


def _share(name: str, taken: int, total: int) -> str:
    return name if taken == total else f"{name} {taken}/{total} ops"
