"""Agents on boards: ``edgejoule deploy install|status|rollback|follow|uninstall|apply|plan|targets|bundle``.

One file for each verb, with ``add_arguments`` and ``run``; it is imported when the verb is named.
"""

import argparse
from typing import Final

from edgejoule.verbs import declare, run_verb

VERBS: Final[dict[str, str]] = {
    "install": "the agent on this board: a version beside the present one, kept only if it delivers",
    "status": "what is installed on this board, and how it gets on",
    "rollback": "back to the version before, on this board",
    "follow": "read along with an installation that runs on this board",
    "uninstall": "take the agent off this board; its configuration and windows stay",
    "apply": "many boards over SSH, in waves that stop where they fail",
    "plan": "what apply would change on which board, and why",
    "inventory": "the collector's inventory.toml out of the fleet file",
    "targets": "what runs on which board, and what does not and why",
    "bundle": "everything a board needs in one file, for a stick or for many boards; or check such a file",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declare(parser, __name__, VERBS)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    return run_verb(__name__, arguments.what, arguments)
