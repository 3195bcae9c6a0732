"""What is to be done at a board, and why; or what stands in the way. Pure."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.fleet.board_report import BoardReport
from edgejoule.deploy.fleet.bundle_shelf import BundleFile
from edgejoule.deploy.fleet.devices import AUTO, Device
from edgejoule.deploy.fleet.outcome import Status
from edgejoule.deploy.fleet.problems import Problem
from edgejoule.deploy.onboard.checks import MAX_OFF_S
from edgejoule.deploy.targets import Target, Targets, target_of

Action = Literal["install", "upgrade", "configure", "enrol", "restart", "none"]
RUNNING: Final = ("active", "activating", "reloading")
_PAST: Final[dict[Action, Status]] = {
    "install": "installed",
    "upgrade": "upgraded",
    "configure": "configured",
    "enrol": "enrolled",
    "restart": "restarted",
    "none": "unchanged",
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One board. ``bundle`` is None only where nothing can be done (``problem``)."""

    device: Device
    action: Action
    why: tuple[str, ...] = ()
    bundle: BundleFile | None = None
    report: BoardReport | None = None
    enrol: bool = False
    problem: Problem | None = None

    @property
    def changes(self) -> bool:
        """Tell whether something is to be done and nothing stands in the way."""
        return self.action != "none" and self.problem is None

    @property
    def done(self) -> Status:
        """Return what the board is then."""
        return _PAST[self.action]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What every board is held against. ``shelf``: bundles by target; ``allow_clock``: any clock will do."""

    targets: Targets
    shelf: Mapping[str, BundleFile]
    allow_clock: bool = False


def stopped(device: Device, problem: Problem) -> Plan:
    """Return the plan for a board at which nothing can be done."""
    return Plan(device=device, action="none", problem=problem)


def plan_for(device: Device, report: BoardReport, rules: Rules, certificate_lack: str = "") -> Plan:
    """Return what is to be done. ``certificate_lack``: why the board needs a certificate, "" where it needs none."""
    try:
        target = _target(device, report, rules.targets)
    except ConfigurationError as error:
        return stopped(device, Problem(kind="target", text=str(error), remedy="see edgejoule deploy targets"))
    bundle = rules.shelf.get(target.id)
    if bundle is None:
        there = ", ".join(sorted(rules.shelf))
        return stopped(
            device,
            Problem(
                kind="no-bundle",
                text=f"is a {target.id}, and the bundles are for {there}",
                remedy=f"edgejoule deploy bundle --target {target.id}, and name it too",
            ),
        )
    action, why = _action(device, report, bundle, certificate_lack)
    problem = None if action == "none" else _problem(report, bundle, rules)
    return Plan(
        device=device,
        action=action,
        why=tuple(why),
        bundle=bundle,
        report=report,
        enrol=bool(certificate_lack),
        problem=problem,
    )


def _target(device: Device, report: BoardReport, targets: Targets) -> Target:
    """Return what the fleet file says, or what the board is. Raises ConfigurationError."""
    if device.target == AUTO:
        return target_of(report.facts, targets)
    found = next((one for one in targets.target if one.id == device.target), None)
    if found is None:
        known = ", ".join(one.id for one in targets.target)
        raise ConfigurationError(f"target {device.target!r} is unknown; known: {known}")
    return found


def _action(device: Device, report: BoardReport, bundle: BundleFile, lack: str) -> tuple[Action, list[str]]:
    why: list[tuple[Action, str]] = []
    if report.current is None:
        why.append(("install", f"nothing is installed; {bundle.release} comes"))
    elif report.current != bundle.release:
        why.append(("upgrade", f"{report.current} → {bundle.release}"))
    if report.config_sha256 != hashlib.sha256(device.config).hexdigest():
        why.append(("configure", "another configuration" if report.config_sha256 else "a configuration"))
    changed = sorted(name for name, path in device.secrets.items() if report.secret_sha256s.get(name) != _sha256(path))
    if changed:
        why.append(("configure", f"secrets: {', '.join(changed)}"))
    if lack:
        why.append(("enrol", lack))
    if report.pending:
        why.append(("restart", "a switch was interrupted"))
    elif report.current is not None and report.active not in RUNNING:
        why.append(("restart", f"the agent is {report.active}"))
    return (why[0][0], [text for _, text in why]) if why else ("none", [])


def _problem(report: BoardReport, bundle: BundleFile, rules: Rules) -> Problem | None:
    if not report.systemd_running:
        return Problem(
            kind="service",
            text="systemd does not run there",
            remedy="take a system with systemd, or install by hand: edgejoule deploy install --no-service",
        )
    if abs(report.clock.ahead_s) > MAX_OFF_S and not rules.allow_clock:
        side = "ahead of" if report.clock.ahead_s > 0 else "behind"
        return Problem(
            kind="clock",
            text=f"its clock is {_duration(abs(report.clock.ahead_s))} {side} this machine's: TLS would fail",
            remedy="set it (timedatectl set-ntp true), or take it as it is: --allow-clock",
        )
    if report.current != bundle.release and report.free_bytes < bundle.needed_bytes:
        lacking = ((bundle.needed_bytes - report.free_bytes) >> 20) + 1
        return Problem(
            kind="no-space",
            text=f"{report.free_bytes >> 20} MiB are free, and {(bundle.needed_bytes >> 20) + 1} MiB are needed",
            remedy=f"free {lacking} MiB there: apt clean, journalctl --vacuum-size=50M, installer.pyz prune",
        )
    return None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _duration(seconds: float) -> str:
    for unit, length_s in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"
