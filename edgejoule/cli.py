"""The one command. Sub-commands live in ``edgejoule.commands`` and are imported only when named."""

import argparse
import errno
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, Protocol, cast

import structlog

from edgejoule import __version__
from edgejoule.output import EXIT_NO, EXIT_USAGE
from edgejoule.parent import die_with_parent_if_asked

COMMANDS: dict[str, str] = {
    "demo": "the whole system on this machine, with simulated meters",
    "doctor": "check this machine and configuration; every fault with its remedy",
    "meter": "list, show, read, record, replay, decode, emulate power meters",
    "agent": "run the agent on a device, or bench one model there",
    "bench-replay": "published MLPerf Tiny energy results, recomputed from their raw meter traces",
    "deploy": "install agents, on this board or on many over SSH, and back if it goes wrong",
    "pki": "certificates for devices and broker: enrol, renew, revoke",
    "order": "signed orders to devices: bench, change model, window, duty cycle, diagnostics",
    "collector": "run the collector on a server",
    "broker": "run the embedded in-memory MQTT broker",
    "fleet": "report, ledger and devices, from what the collector stored; simulate a fleet",
    "carbon": "the factors and intensities in use, each with its source",
    "compare": "edge against cloud for a scenario, in one case or in many",
    "decompose": "what a fleet's emissions changed by, and through what",
    "lifecycle": "making a model against using it, by phase and by method",
    "frontier": "accuracy per carbon over the models of the catalogue",
    "refresh": "when new hardware pays back its making, and when to buy it",
    "cloud": "measure a model on a server: joules per inference by batch size",
    "models": "the catalogue of models: list, verify, train again",
    "dashboards": "build, check and push the Grafana dashboards",
}

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Command(Protocol):
    """What a module in ``edgejoule.commands`` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command: exit code 0 done, 1 the answer is no or the run failed, 2 wrong usage or configuration."""
    die_with_parent_if_asked()
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _top_parser()
    name = next((word for word in words if not word.startswith("-")), None)
    if name not in COMMANDS:
        parser.parse_args(words)
        parser.print_help()
        return EXIT_USAGE
    command = cast("Command", importlib.import_module(f"edgejoule.commands.{name.replace('-', '_')}"))
    purpose = COMMANDS[name]
    sub_parser = argparse.ArgumentParser(prog=f"edgejoule {name}", description=f"{purpose[0].upper()}{purpose[1:]}.")
    command.add_arguments(sub_parser)
    position = words.index(name)
    top = parser.parse_args(words[: position + 1])
    arguments = sub_parser.parse_args(words[position + 1 :])
    _set_up_logging(verbose=top.verbose)
    return _run(command, arguments)


def _run(command: Command, arguments: argparse.Namespace) -> int:
    from edge_agent.inference.errors import InferenceError  # noqa: PLC0415  keeps --help quick
    from edge_agent.wire.errors import ConfigurationError  # noqa: PLC0415
    from firmware_bridge import errors as meter_errors  # noqa: PLC0415

    try:
        return command.run(arguments)
    except (ConfigurationError, meter_errors.ConfigurationError) as error:
        sys.stderr.write(f"edgejoule: {error}\n")
        return EXIT_USAGE
    except (InferenceError, meter_errors.FirmwareBridgeError) as error:
        sys.stderr.write(f"edgejoule: {error}\n")
        return EXIT_NO
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"edgejoule: the package {error.name!r} is not installed; install edgejoule with the extra that this "
            "command needs, for example: pip install 'edgejoule[all]'\n"
        )
        return EXIT_USAGE
    except OSError as error:
        if not isinstance(error, BrokenPipeError) and error.errno not in NO_ROOM:
            raise
        return _output_ends(error)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second one would kill what is about to end with its own code
        sys.stderr.write("edgejoule: stopped by Ctrl-C\n")
        return 128 + signal.SIGINT


def _output_ends(error: OSError) -> int:
    """Return the exit code for a reader that went away, or a disk that is full; what is left to write goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 128 + signal.SIGPIPE
    sys.stderr.write(f"edgejoule: cannot write: {error.strerror}; free some space\n")
    return EXIT_NO


def _top_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog="edgejoule",
        usage="edgejoule [--verbose] COMMAND ...",
        description="Joules per inference at the edge, measured at the plug, and a fleet's carbon.",
        epilog="commands:\n" + "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edgejoule {__version__}")
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


def _set_up_logging(*, verbose: bool) -> None:
    """Send state changes to stderr: readable on a terminal, JSON lines elsewhere."""
    level = logging.DEBUG if verbose else logging.INFO
    on_terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_arguments: structlog.PrintLogger(sys.stderr),  # the stderr of the moment
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


if __name__ == "__main__":
    sys.exit(main())
