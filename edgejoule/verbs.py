"""Commands that are packages: one file for each verb, ``NAME_verb.py`` with ``run``, imported when it is named."""

import argparse
import importlib
from collections.abc import Mapping
from types import ModuleType


def declare(
    parser: argparse.ArgumentParser,
    package: str,
    verbs: Mapping[str, str],
    *,
    dest: str = "what",
    parser_class: type[argparse.ArgumentParser] | None = None,
) -> None:
    """Declare verbs, each with its purpose, by the ``add_arguments`` of its file in ``package``.

    ``parser_class``: of the verbs' parsers; None for that of ``parser``.
    """
    kind = parser_class or type(parser)
    what = parser.add_subparsers(dest=dest, required=True, metavar=dest.upper(), parser_class=kind)
    for name, purpose in verbs.items():
        one = what.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        _module(package, name).add_arguments(one)


def run_verb(package: str, name: str, arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    code: int = _module(package, name).run(arguments)
    return code


def _module(package: str, name: str) -> ModuleType:
    return importlib.import_module(f"{package}.{name.replace('-', '_')}_verb")
