"""``edgejoule models``: the catalogue of models.

One file for each verb, ``NAME_verb.py`` with ``add_arguments`` and ``run``, and one line in ``VERBS``.
"""

import argparse
from typing import Final

from edgejoule.verbs import declare, run_verb

VERBS: Final[dict[str, str]] = {
    "list": "what the catalogue holds",
    "show": "all that is known of a model or a family: its card",
    "verify": "compare files, shapes and scores with the catalogue; exit 1 if they differ",
    "ledger": "MACs, parameters, size and latency beside measured joules, and what orders them",
    "break-even": "after how many inferences a model has earned back what its making cost",
    "train": "train a family of models again from its recipe (needs the extra [train])",
    "export": "write a model as an .onnx file that takes any batch, for a server (needs the extra [cloud])",
    "import": "count and check an own .tflite file, and put it into a catalogue of your own",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declare(parser, __name__, VERBS, dest="action")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    return run_verb(__name__, arguments.action, arguments)
