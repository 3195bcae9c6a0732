"""The installer's command line: ``python3 installer.pyz VERB``. JSON lines on stdout, a result at the end."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import board, checks, configuration, install, jobs, managing, switching, system_files
from .gate import DEFAULT_S, DEFAULT_WINDOWS, Gate
from .layout import DEFAULT_ROOT, Layout
from .problems import InstallError
from .report import Report, json_lines
from .service import service_for

if TYPE_CHECKING:
    from typing import Callable, Sequence

    from .report import Tell

INTERRUPTED = 130
CHANGING = ("build", "install", "rollback")
"""Verbs that take long: they run apart from the session that asked, unless ``--foreground``."""


def main(words: Sequence[str] | None = None, tell: Tell | None = None) -> int:
    """Run one verb; exit code 0 done, 1 the answer is no or it failed, 2 wrong usage or configuration."""
    tell = tell or json_lines(sys.stdout)
    asked = list(sys.argv[1:] if words is None else words)
    arguments = _parser().parse_args(asked)
    report = Report(tell)
    try:
        if arguments.verb in CHANGING and not arguments.foreground:
            return _apart(arguments, asked, tell)
        return _VERBS[arguments.verb](arguments, report, tell)
    except InstallError as error:
        return _failed(report, error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = error.filename or "this board"
        return _failed(report, InstallError("build", f"{where}: {error.strerror or error}"))
    except KeyboardInterrupt:
        return INTERRUPTED


def _failed(report: Report, error: InstallError) -> int:
    outcome = "rolled-back" if error.kind == "gate" else "refused" if error.exit_code == 2 else "failed"
    facts = {"kind": error.kind, "text": error.text, "remedy": error.remedy, "exit": error.exit_code}
    report.result(outcome, changed=False, journal=error.journal, **facts)
    return error.exit_code


def _apart(arguments: argparse.Namespace, asked: list[str], tell: Tell) -> int:
    """Run the verb in a session of its own and read along."""
    layout = layout_of(arguments)
    job = jobs.start(layout, [str(Path.cwd() / sys.argv[0]), *_absolute(asked), "--foreground"])
    tell({"event": "job", "id": job})
    return 0 if arguments.detach else jobs.follow(layout, job, tell)


def _absolute(asked: list[str]) -> list[str]:
    """Return the words with names of files that hold from any folder, also in ``NAME=FILE`` and ``--config=FILE``."""
    return [_held(word) for word in asked]


def _held(word: str) -> str:
    head, equals, name = word.rpartition("=")
    if not name or name.startswith("-") or not Path(name).exists():
        return word
    return head + equals + str(Path.cwd() / name)


def layout_of(arguments: argparse.Namespace) -> Layout:
    """Return where things are, as it was asked for."""
    etc = None if arguments.etc is None else _whole(arguments.etc)
    return Layout.at(_whole(arguments.root), etc, _whole(arguments.system_etc))


def _whole(path: Path) -> Path:
    """Return a path that holds from any folder; links stay what they are."""
    return Path.cwd() / path.expanduser()


def site_of(arguments: argparse.Namespace, report: Report, *, lenient: bool = False) -> switching.Site:
    """Return the board; ``lenient``: where systemd does not run, nobody is asked. Raises InstallError."""
    wanted = not arguments.no_service
    if lenient and not board.systemd_running():
        wanted = False
    return switching.Site(layout_of(arguments), service_for(wanted=wanted), report)


def _install(arguments: argparse.Namespace, report: Report, _tell: Tell) -> int:
    site = site_of(arguments, report)
    with jobs.only_one(site.layout):
        done = install.install(site, _order(arguments))
    outcome = "installed" if done["changed"] else "unchanged"
    text = "{} {}".format(
        done["release"], "is installed" if done["changed"] else "was installed already: nothing changed"
    )
    report.result(outcome, exit=0, text=text, remedy="", **done)
    return 0


def _build(arguments: argparse.Namespace, report: Report, _tell: Tell) -> int:
    site = site_of(arguments, report, lenient=True)
    with jobs.only_one(site.layout):
        done = install.build_beside(site, _making(arguments))
    text = "{} {}".format(done["release"], "is built" if done["changed"] else "was built already: nothing changed")
    report.result("built" if done["changed"] else "unchanged", exit=0, text=text, remedy="", **done)
    return 0


def _making(arguments: argparse.Namespace) -> install.Order:
    return install.Order(
        bundle=arguments.bundle,
        clock=checks.ClockRules(arguments.clock_now, arguments.allow_clock),
        python=arguments.python,
        signer=arguments.require_signature,
        compile_files=not arguments.no_compile,
    )


def _order(arguments: argparse.Namespace) -> install.Order:
    content = None
    if arguments.config is not None:
        try:
            content = arguments.config.read_bytes()
        except OSError as error:
            raise InstallError(
                "configuration", f"{arguments.config}: {error.strerror}", "name one that can be read"
            ) from error
    return dataclasses.replace(
        _making(arguments),
        choice=configuration.Choice(content, replace=arguments.replace_config, keep=arguments.keep_config),
        secrets=dict(arguments.secret),
        wishes=system_files.Wishes(arguments.meter_serial, tuple(arguments.ntp), tuple(arguments.allow_device)),
        gate=_gate(arguments),
    )


def _gate(arguments: argparse.Namespace) -> Gate:
    return Gate(arguments.gate_windows, arguments.gate_seconds)


def _rollback(arguments: argparse.Namespace, report: Report, _tell: Tell) -> int:
    site = site_of(arguments, report)
    with jobs.only_one(site.layout):
        done = managing.roll_back(site, _gate(arguments), arguments.to)
    text = "{} {}".format(done["release"], "runs again" if done["changed"] else "runs already: nothing changed")
    report.result("switched" if done["changed"] else "unchanged", exit=0, text=text, remedy="", **done)
    return 0


def _confirm(arguments: argparse.Namespace, report: Report, _tell: Tell) -> int:
    site = site_of(arguments, report)
    with jobs.only_one(site.layout):
        what = switching.recover(site)
    report.result("done", exit=0, changed=what is not None, text=what or "nothing was pending", remedy="")
    return 0


def _prune(arguments: argparse.Namespace, report: Report, _tell: Tell) -> int:
    site = site_of(arguments, report, lenient=True)
    with jobs.only_one(site.layout):
        removed = managing.prune(site)
    report.result("done", exit=0, changed=bool(removed), removed=removed, text=f"{len(removed)} removed", remedy="")
    return 0


def _uninstall(arguments: argparse.Namespace, report: Report, _tell: Tell) -> int:
    site = site_of(arguments, report, lenient=True)
    with jobs.only_one(site.layout):
        done = managing.uninstall(site, purge=arguments.purge)
    report.result("uninstalled", exit=0, text="uninstalled", remedy="", **done)
    return 0


def _status(arguments: argparse.Namespace, report: Report, tell: Tell) -> int:
    tell(managing.status(site_of(arguments, report, lenient=True)))
    return 0


def _facts(arguments: argparse.Namespace, report: Report, tell: Tell) -> int:
    tell(managing.facts(site_of(arguments, report, lenient=True)))
    return 0


def _follow(arguments: argparse.Namespace, _report: Report, tell: Tell) -> int:
    layout = layout_of(arguments)
    return jobs.follow(layout, arguments.id or jobs.latest(layout), tell)


_VERBS: dict[str, Callable[[argparse.Namespace, Report, Tell], int]] = {
    "build": _build,
    "install": _install,
    "rollback": _rollback,
    "confirm": _confirm,
    "follow": _follow,
    "status": _status,
    "facts": _facts,
    "prune": _prune,
    "uninstall": _uninstall,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="installer.pyz", description="Install the edgejoule agent on this board.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, purpose in (
        ("build", "build a bundle's version beside the others; nothing runs it yet"),
        ("install", "install a bundle, hold its health gate, go back if it does not deliver"),
        ("rollback", "go back to the version before, with its files"),
        ("confirm", "end a switch that was interrupted: what the boot runs"),
        ("follow", "read along with an installer that runs apart"),
        ("status", "what is installed and how it gets on"),
        ("facts", "what this board is"),
        ("prune", "remove every version but the one that runs and the one before"),
        ("uninstall", "stop the agent and remove it; configuration and windows stay"),
    ):
        one = verbs.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        add_place(one)
        if name in CHANGING:
            one.add_argument("--foreground", action="store_true", help="end with the session that asks")
            one.add_argument("--detach", action="store_true", help="print the job's id and return at once")
    for name in ("install", "rollback"):
        add_gate(verbs.choices[name])
    for name, declare in (("build", add_making), ("install", add_choices)):
        add_bundle(verbs.choices[name])
        declare(verbs.choices[name])
    verbs.choices["rollback"].add_argument("--to", metavar="RELEASE", help="another one than the version before")
    verbs.choices["follow"].add_argument("id", nargs="?", help="of the job; the latest unless given")
    verbs.choices["uninstall"].add_argument("--purge", action="store_true", help="remove the configuration too")
    return parser


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare where things are."""
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, metavar="FOLDER", help="where versions are")
    parser.add_argument("--etc", type=Path, metavar="FOLDER", help="where the configuration is")
    parser.add_argument("--no-service", action="store_true", help="install files alone; nothing is started")
    parser.add_argument("--system-etc", type=Path, default=Path("/etc"), help=argparse.SUPPRESS)


def add_gate(parser: argparse.ArgumentParser) -> None:
    """Declare the health gate."""
    parser.add_argument(
        "--gate-windows", type=int, default=DEFAULT_WINDOWS, metavar="N", help="windows that a collector must store"
    )
    parser.add_argument(
        "--gate-seconds", type=float, default=DEFAULT_S, metavar="S", help="within so long, else the old one returns"
    )


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Declare what to install."""
    parser.add_argument("--bundle", type=Path, required=True, metavar="FILE")
    parser.add_argument("--clock-now", type=float, metavar="UNIX_S", help="what another clock says now")


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Declare how to install."""
    add_making(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="the agent's configuration")
    changed = parser.add_mutually_exclusive_group()
    changed.add_argument("--replace-config", action="store_true", help="also where a person changed it here")
    changed.add_argument("--keep-config", action="store_true", help="leave one that a person changed")
    parser.add_argument(
        "--secret", type=_secret, action="append", default=[], metavar="NAME=FILE", help="written beside it, mode 0600"
    )
    parser.add_argument(
        "--meter-serial",
        metavar="SERIAL",
        help="names that meter /dev/edgejoule-meter: its serial number or by-id name",
    )
    parser.add_argument("--ntp", action="append", default=[], metavar="SERVER", help="a time server of this site")
    parser.add_argument(
        "--allow-device", action="append", default=[], metavar="CLASS", help="a class of /proc/devices for the service"
    )


def add_making(parser: argparse.ArgumentParser) -> None:
    """Declare how a version is built."""
    parser.add_argument("--allow-clock", action="store_true", help="take the clock as it is")
    parser.add_argument("--require-signature", type=Path, metavar="KEY", help="refuse a bundle that it did not sign")
    parser.add_argument("--python", metavar="PATH", help="the Python to build with")
    parser.add_argument("--no-compile", action="store_true", help="do not compile: quicker here, slower at each start")


def _secret(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not name or not path or name.startswith(("/", ".")) or ".." in name:
        raise argparse.ArgumentTypeError("give NAME=FILE")
    return name, Path(path)
