"""The installer's command line: ``python3 installer.pyz VERB``. JSON lines on stdout, a result at the end."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import board, checks, configuration, files, install, jobs, managing, switching, system_files
from .gate import DEFAULT_S, DEFAULT_WINDOWS, Gate
from .layout import DEFAULT_ROOT, Layout
from .problems import InstallError
from .report import Report, json_lines
from .service import service_for

if TYPE_CHECKING:
    from typing import Callable, Sequence

    from .report import Tell

INTERRUPTED = 130
MOST_GATE_S = 86400.0
CHANGING = ("build", "install", "rollback")
"""Verbs that take long: they run apart from the session that asked, unless ``--foreground``."""
_SECRET_NAME = re.compile(r"(?:pki/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")


def main(words: Sequence[str] | None = None, tell: Tell | None = None) -> int:
    """Run one verb; exit code 0 done, 1 the answer is no or it failed, 2 wrong usage or configuration."""
    tell = tell or json_lines(sys.stdout)
    asked = list(sys.argv[1:] if words is None else words)
    arguments = _parser().parse_args(asked)
    jobs.leave_folder()
    report = Report(tell)
    try:
        if arguments.verb in CHANGING and not arguments.foreground:
            return _apart(arguments, asked, tell)
        return _VERBS[arguments.verb](arguments, report, tell)
    except InstallError as error:
        return _failed(report, error)
    except OSError as error:
        kind, remedy = ("no-space", "free some space") if files.is_full(error) else ("build", "")
        return _failed(report, InstallError(kind, f"{error.filename or 'this board'}: {error.strerror}", remedy))
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
    job = jobs.start(layout, [str(Path.cwd() / sys.argv[0]), *asked, "--foreground"], Path.cwd())
    tell({"event": "job", "id": job})
    return 0 if arguments.detach else jobs.follow(layout, job, tell)


def layout_of(arguments: argparse.Namespace) -> Layout:
    """Return where things are, as it was asked for. Raises InstallError for a folder that is the system's own."""
    layout = Layout.at(arguments.root, arguments.etc, arguments.system_etc)
    if os.path.realpath(str(layout.etc)) == os.path.realpath(str(layout.system)):
        raise InstallError("usage", f"{layout.etc}: is the system's own folder", "name one for edgejoule alone")
    return layout


def whole(text: str) -> Path:
    """Return a path that holds from any folder; links stay what they are."""
    return Path.cwd() / Path(text).expanduser()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0.0 < number <= MOST_GATE_S:
        raise argparse.ArgumentTypeError(f"more than 0 and at most {MOST_GATE_S:.0f}")
    return number


def _unix_s(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError("seconds since 1970")
    return number


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
    text = "uninstalled" if done["changed"] else "nothing was installed here"
    report.result("uninstalled" if done["changed"] else "unchanged", exit=0, text=text, remedy="", **done)
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
    parser.add_argument("--root", type=whole, default=DEFAULT_ROOT, metavar="FOLDER", help="where versions are")
    parser.add_argument("--etc", type=whole, metavar="FOLDER", help="where the configuration is")
    parser.add_argument("--no-service", action="store_true", help="install files alone; nothing is started")
    parser.add_argument("--system-etc", type=whole, default=Path("/etc"), help=argparse.SUPPRESS)


def add_gate(parser: argparse.ArgumentParser) -> None:
    """Declare the health gate."""
    parser.add_argument(
        "--gate-windows", type=_count, default=DEFAULT_WINDOWS, metavar="N", help="windows that a collector must store"
    )
    parser.add_argument(
        "--gate-seconds",
        type=_seconds,
        default=DEFAULT_S,
        metavar="S",
        help="within so long, else the old one returns",
    )


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Declare what to install."""
    parser.add_argument("--bundle", type=whole, required=True, metavar="FILE")
    parser.add_argument("--clock-now", type=_unix_s, metavar="UNIX_S", help="what another clock says now")


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Declare how to install."""
    add_making(parser)
    parser.add_argument("--config", type=whole, metavar="FILE", help="the agent's configuration")
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
    parser.add_argument("--require-signature", type=whole, metavar="KEY", help="refuse a bundle that it did not sign")
    parser.add_argument("--python", metavar="PATH", help="the Python to build with")
    parser.add_argument("--no-compile", action="store_true", help="do not compile: quicker here, slower at each start")


def _secret(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not path or not _SECRET_NAME.match(name) or name == "agent.toml":
        raise argparse.ArgumentTypeError("give NAME=FILE")
    return name, whole(path)
