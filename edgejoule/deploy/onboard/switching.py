"""From one version to another, and back by itself: what was begun is written down first, so that a boot can end it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from . import files, snapshot
from .gate import Gate, Process, process_behind, wait_for_delivery
from .layout import RENEW_TIMER, RESTORE, Layout
from .problems import InstallError

if TYPE_CHECKING:
    from .report import Report
    from .service import NoService

SCHEMA = 1


@dataclass(frozen=True)
class Site:
    """The board: where things are, who runs the agent, whom to tell."""

    layout: Layout
    service: NoService
    report: Report


@dataclass(frozen=True)
class Switch:
    """From ``source`` (None: nothing was here) to ``target``; ``progress``: where the agent will say how it gets on.

    ``reason``: install or rollback. ``config_sha256``: of the configuration that goes with the target.
    """

    target: str
    source: str | None
    progress: Path
    gate: Gate
    reason: str
    config_sha256: str | None = None


def switch(site: Site, plan: Switch, wanted: snapshot.Files) -> None:
    """Let ``plan.target`` run with these files, and hold its gate. Raises InstallError after having rolled back."""
    layout = site.layout
    _save(layout, plan.source, wanted)
    before = process_behind(plan.progress)
    _pend(layout, plan, "switching")
    try:
        site.report.step("switch", 85, "{} takes the place of {}".format(plan.target, plan.source or "nothing"))
        changed = snapshot.write(wanted)
        files.point(layout.current, "versions/" + plan.target)
        site.service.apply(changed)
        if site.service.exists:
            site.service.enable([RENEW_TIMER] if wanted.get(layout.units / RENEW_TIMER) else [])
        site.service.restart()
        _pend(layout, plan, "gating")
        _gate(site, plan, before)
    except InstallError as error:
        undo(site, plan, error)
    except OSError as error:
        undo(site, plan, InstallError("build", str(error), "see whether the disk is full or read-only"))
    except BaseException:
        _restore(site, plan)
        raise
    confirm(site, plan)


def _gate(site: Site, plan: Switch, before: Process | None) -> None:
    if not site.service.exists:
        return
    prefix = site.layout.version(plan.target) / "venv"
    wait_for_delivery(plan.progress, prefix, plan.gate, site.service, site.report, before)


def confirm(site: Site, plan: Switch) -> None:
    """Keep the target: it delivers, or nobody asked it to."""
    layout = site.layout
    if plan.source is not None and plan.source != plan.target:
        files.point(layout.previous, "versions/" + plan.source)
    _note(layout, "confirmed", plan, gated=site.service.exists)
    files.remove(layout.pending)


def undo(site: Site, plan: Switch, error: InstallError) -> NoReturn:
    """Put back what was before, and say why with the last words of the journal."""
    words = site.service.journal()
    try:
        _restore(site, plan, why=str(error))
    except OSError as stuck:
        raise InstallError(
            "no-space" if files.is_full(stuck) else "build",
            f"{plan.target}: {error.text}; and going back failed: {stuck}",
            f"free some space, then at once: sudo python3 {site.layout.installer} confirm (the next boot does it too)",
        ) from error
    if plan.source is None:
        what = "it was the first here: it stays installed, and is stopped"
    elif plan.source == plan.target:
        what = "the configuration of before is back"
    else:
        what = f"{plan.source} runs again"
    told = InstallError(error.kind, f"{plan.target}: {error.text}; {what}", error.remedy)
    told.journal = words
    raise told from error


def _restore(site: Site, plan: Switch, why: str = "interrupted") -> None:
    """Bring link, files and service back to ``plan.source``; without one, stop what is there."""
    layout = site.layout
    site.report.step("rollback", 0, "back to {}: {}".format(plan.source or "nothing running", why))
    kept = snapshot.load(_saved(layout, plan.source))
    with suppress(OSError):  # going back is not to be begun again as a gate; a full disk must not stop it
        _pend(layout, plan, "undoing")
    if plan.source is None:
        if site.service.exists:
            site.service.stop(disable=True)
    else:
        files.point(layout.current, "versions/" + plan.source)
        changed = list(kept or {})
        try:
            changed = snapshot.write(kept or {})
        finally:  # a full disk may keep a file from coming back, and the old version is still the best that there is
            site.service.apply(changed)
            site.service.restart()
    try:
        _note(layout, "rolled-back", plan, why=why)
    except OSError as error:  # a full disk must not keep the switch pending
        site.report.note(f"{layout.history}: {error.strerror}")
    files.remove(layout.pending)


def recover(site: Site) -> str | None:
    """End what an installer that is no more had begun; return what became of it, None where nothing was.

    One that had not switched completely is undone. One that had is given the gate's time again.
    """
    layout = site.layout
    pending = files.read_json(layout.pending)
    if pending is None and not layout.pending.exists():
        return None
    plan = _planned(pending)
    if plan is None:
        files.remove(layout.pending)
        return f"{layout.pending}: was not readable and is removed"
    if pending.get("stage") != "gating" or layout.current_release != plan.target:
        _restore(site, plan, why=f"the installer was interrupted before {plan.target} was in place")
        return f"{plan.target}: was undone, its installer was interrupted"
    try:
        _gate(site, plan, None)
    except InstallError as error:
        undo(site, plan, error)
    confirm(site, plan)
    return f"{plan.target}: is confirmed"


def settle(site: Site) -> None:
    """End what an earlier installer had begun, before something else begins, and say what became of it.

    Raises InstallError where it could neither be ended nor undone.
    """
    try:
        what = recover(site)
    except InstallError as error:
        if site.layout.pending.exists():
            raise
        what = str(error)
    if what is not None:
        site.report.note(what)


def abandon(site: Site) -> Switch | None:
    """Undo a switch that is not confirmed; return it, None where there is none, or nothing to go back to."""
    plan = _planned(files.read_json(site.layout.pending))
    if plan is None or plan.source is None:
        return None
    _restore(site, plan, why="a person asked for it")
    return plan


def _save(layout: Layout, source: str | None, wanted: snapshot.Files) -> None:
    paths = dict.fromkeys([*snapshot.managed(layout), *wanted])
    snapshot.save(_saved(layout, source), snapshot.present(paths))


def _saved(layout: Layout, release: str | None) -> Path:
    return layout.root / RESTORE if release is None else layout.version(release) / RESTORE


def kept_files(layout: Layout, release: str) -> snapshot.Files | None:
    """Return the files that went with a version when it was left; not secrets, which may have been changed since."""
    kept = snapshot.load(_saved(layout, release))
    return None if kept is None else {path: kept[path] for path in snapshot.managed(layout) if path in kept}


def _pend(layout: Layout, plan: Switch, stage: str) -> None:
    files.write_json(
        layout.pending,
        {
            "schema": SCHEMA,
            "stage": stage,
            "to": plan.target,
            "from": plan.source,
            "reason": plan.reason,
            "progress": str(plan.progress),
            "windows": plan.gate.windows,
            "seconds": plan.gate.seconds,
            "config_sha256": plan.config_sha256,
            "t_unix_ns": time.time_ns(),
        },
    )


def _planned(pending: Any) -> Switch | None:
    try:
        return Switch(
            target=str(pending["to"]),
            source=None if pending["from"] is None else str(pending["from"]),
            progress=Path(pending["progress"]),
            gate=Gate(int(pending["windows"]), float(pending["seconds"])),
            reason=str(pending["reason"]),
            config_sha256=pending["config_sha256"],
        )
    except (TypeError, KeyError, ValueError):
        return None


def _note(layout: Layout, event: str, plan: Switch, **facts: Any) -> None:
    facts.update(to=plan.target, source=plan.source, reason=plan.reason, progress=str(plan.progress))
    if plan.config_sha256 is not None:
        facts["config_sha256"] = plan.config_sha256
    files.append_history(layout.history, event, **facts)
