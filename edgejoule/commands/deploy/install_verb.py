"""``edgejoule deploy install``: the agent on this very board, from a bundle or from a wheel."""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from edgejoule.commands.deploy.onboard_run import gate_words, run_apart, whole
from edgejoule.deploy.onboard.cli import add_choices, add_gate, add_place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to install, where and how."""
    parser.add_argument("--local", action="store_true", help="on this board; other boards: edgejoule deploy apply")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--bundle", type=Path, metavar="FILE", help="made by edgejoule deploy bundle")
    what.add_argument("--wheel", type=Path, metavar="FILE", help="edgejoule's wheel; the others are fetched by hash")
    add_choices(parser)
    add_gate(parser)
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Install. Raises ConfigurationError where no bundle can be made."""
    if arguments.bundle is not None:
        return _install(arguments.bundle, arguments)
    with TemporaryDirectory() as folder:
        return _install(_bundled(arguments.wheel, Path(folder)), arguments)


def _install(bundle: Path, arguments: argparse.Namespace) -> int:
    words = ["--bundle", whole(bundle), *gate_words(arguments)]
    flags = ("replace_config", "keep_config", "allow_clock", "no_compile")
    words += [f"--{flag.replace('_', '-')}" for flag in flags if getattr(arguments, flag)]
    for flag in ("config", "require_signature"):
        if getattr(arguments, flag) is not None:
            words += [f"--{flag.replace('_', '-')}", whole(getattr(arguments, flag))]
    for flag in ("meter_serial", "python"):
        if getattr(arguments, flag) is not None:
            words += [f"--{flag.replace('_', '-')}", getattr(arguments, flag)]
    for name, path in arguments.secret:
        words += ["--secret", f"{name}={whole(path)}"]
    words += [word for server in arguments.ntp for word in ("--ntp", server)]
    words += [word for one in arguments.allow_device for word in ("--allow-device", one)]
    return run_apart("install", words, arguments)


def _bundled(wheel: Path, folder: Path) -> Path:
    """Return a bundle of this wheel for this board, made by the same command as for any other."""
    import msgspec

    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.deploy.onboard.board import board_facts
    from edgejoule.deploy.targets import BoardFacts, read_targets, target_of

    facts = msgspec.convert(board_facts(folder), BoardFacts)
    target = target_of(facts, read_targets())
    path = folder / "this-board.bundle.zip"
    words = ["deploy", "bundle", "--target", target.id, "--wheel", whole(wheel), "--out", str(path)]
    made = subprocess.run([sys.executable, "-m", "edgejoule", *words], stdout=subprocess.DEVNULL, check=False)
    if made.returncode != 0:
        raise ConfigurationError(f"{wheel}: no bundle of it could be made for this board ({target.id}): see above")
    return path
