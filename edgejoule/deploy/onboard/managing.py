"""What is done with versions that are here: go back, tidy, tell, take away."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import board, configuration, files, snapshot
from .layout import RESTORE
from .problems import InstallError
from .switching import Switch, kept_files, recover, switch

if TYPE_CHECKING:
    from .gate import Gate
    from .switching import Site

HISTORY_SHOWN = 10


def roll_back(site: Site, gate: Gate, to: str | None = None) -> dict[str, Any]:
    """Go back to the version before, or to the one named, with the files that went with it. Raises InstallError."""
    layout = site.layout
    recovered = recover(site)
    if recovered is not None:
        site.report.note(recovered)
    source, target = layout.current_release, to or layout.previous_release
    if target is None or not layout.is_complete(target):
        there = ", ".join(one for one in layout.releases() if layout.is_complete(one)) or "none"
        raise InstallError(
            "no-version",
            "there is no version {} to go back to (here: {})".format(target or "before this one", there),
            "install it from its bundle",
        )
    if target == source:
        return {"changed": False, "release": target}
    wanted = kept_files(layout, target)
    if wanted is None:
        raise InstallError("no-version", f"{target}: never ran here", "install it from its bundle")
    file = wanted.get(layout.config)
    content = b"" if file is None else file.content
    config = configuration.self_test(layout, target, content)
    plan = Switch(
        target=target,
        source=source,
        progress=Path(config["device"]["state_dir"]) / "progress.json",
        gate=gate,
        reason="rollback",
        config_sha256=files.sha256_of(content) if _is_ours(site, content) else None,
    )
    switch(site, plan, wanted)
    return {"changed": True, "release": target, "from": source}


def _is_ours(site: Site, content: bytes) -> bool:
    return files.sha256_of(content) in configuration.placed_sha256s(site.layout)


def prune(site: Site) -> list[str]:
    """Remove every version but the one that runs and the one before; return which."""
    layout = site.layout
    kept = {layout.current_release, layout.previous_release}
    removed = [release for release in layout.releases() if release not in kept]
    for release in removed:
        files.remove(layout.version(release))
    return removed


def status(site: Site) -> dict[str, Any]:
    """Return what is installed here and how it gets on."""
    layout = site.layout
    content = layout.config.read_bytes() if layout.config.is_file() else None
    state = site.service.state()
    pending = files.read_json(layout.pending)
    return {
        "root": str(layout.root),
        "current": layout.current_release,
        "previous": layout.previous_release,
        "releases": [one for one in layout.releases() if layout.is_complete(one)],
        "pending": pending,
        "config": {
            "path": str(layout.config),
            "sha256": None if content is None else files.sha256_of(content),
            "changed_by_hand": content is not None and not _is_ours(site, content),
        },
        "service": {"active": state.active, "main_pid": state.main_pid, "restarts": state.restarts},
        "progress": _progress(layout.history, pending),
        "history": files.read_history(layout.history)[-HISTORY_SHOWN:],
    }


def facts(site: Site) -> dict[str, Any]:
    """Return what this board is, and in one word each what is installed."""
    layout = site.layout
    return {
        **board.board_facts(layout.root),
        "current": layout.current_release,
        "previous": layout.previous_release,
        "pending": files.read_json(layout.pending),
        "config_sha256": files.file_sha256(layout.config),
        "active": site.service.state().active,
    }


def _progress(history: Path, pending: Any) -> Any:
    """Return what the agent said last, from where the last switch expected it."""
    places = [entry["progress"] for entry in files.read_history(history) if "progress" in entry]
    if isinstance(pending, dict):
        places.append(str(pending.get("progress")))
    return files.read_json(Path(places[-1])) if places else None


def uninstall(site: Site, *, purge: bool) -> dict[str, Any]:
    """Stop the agent and remove versions and system files; configuration and windows stay unless ``purge``."""
    layout = site.layout
    site.service.forget()
    kept = {layout.config: snapshot.present(layout)[layout.config]}
    changed = snapshot.write({path: None for path in snapshot.managed(layout) if path not in kept})
    with suppress(OSError):  # a drop-in of a person's own stays
        layout.drop_ins.rmdir()
    site.service.apply(changed)
    links = (layout.current, layout.previous)
    for path in (*links, layout.pending, layout.root / RESTORE, layout.installer, layout.versions, layout.jobs):
        files.remove(path)
    if purge:
        files.remove(layout.etc)
        files.remove(layout.root)
    else:
        files.append_history(layout.history, "uninstalled")
    return {"changed": True, "purged": purge}
