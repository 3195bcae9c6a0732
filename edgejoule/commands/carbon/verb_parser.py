"""A parser with a verb that is meant when none is named."""

import argparse
from collections.abc import Sequence
from typing import Any

HELP = ("-h", "--help")


class VerbParser(argparse.ArgumentParser):
    """Without ``default_verb`` a plain parser. Only a first word out of ``verbs`` is taken for a verb."""

    default_verb: str = ""
    verbs: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as usual, with the default verb in front of words that name none."""
        words = None if args is None else list(args)
        if self.default_verb and words is not None and (not words or words[0] not in (*self.verbs, *HELP)):
            words = [self.default_verb, *words]
        return super().parse_known_args(words, namespace)
