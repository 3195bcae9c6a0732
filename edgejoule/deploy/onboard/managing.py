"""What is done with versions that are here: go back, tidy, tell, take away."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import board, configuration, files, snapshot
from .layout import DEFAULT_ETC, RESTORE, UNIT
from .problems import InstallError
from .switching import Switch, abandon, kept_files, settle, switch

if TYPE_CHECKING:
    from .gate import Gate
    from .layout import Layout
    from .switching import Site

HISTORY_SHOWN = 10


def roll_back(site: Site, gate: Gate, to: str | None = None) -> dict[str, Any]:
    """Go back to the version before, or to the one named, with the files that went with it. Raises InstallError."""
    layout = site.layout
    undone = abandon(site) if to is None else None
    if undone is not None:
        return {"changed": True, "release": undone.source, "from": undone.target}
    settle(site)
    source, target = layout.current_release, to or layout.previous_release
    if target is None or target not in layout.releases() or not layout.is_complete(target):
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
    config = configuration.self_test(layout, target, content, {})
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
    """Remove every version but the one that runs, the one before and those of a pending switch; return which."""
    layout = site.layout
    kept = {layout.current_release, layout.previous_release}
    pending = files.read_json(layout.pending)
    if isinstance(pending, dict):
        kept |= {str(pending.get("from")), str(pending.get("to"))}
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
    unit_there = (layout.units / UNIT).exists()
    was_here = unit_there or layout.current_release is not None or bool(layout.releases())
    site.service.forget()
    changed = snapshot.write({path: None for path in snapshot.managed(layout) if path != layout.config})
    with suppress(OSError):  # a drop-in of a person's own stays
        layout.drop_ins.rmdir()
    site.service.apply(changed)
    links = (layout.current, layout.previous)
    for path in (*links, layout.pending, layout.root / RESTORE, layout.installer, layout.versions, layout.jobs):
        files.remove(path)
    if purge:
        _purge(layout)
    elif was_here:
        files.append_history(layout.history, "uninstalled")
    return {"changed": was_here or purge, "purged": purge}


def _purge(layout: Layout) -> None:
    """Remove configuration, secrets and history; of folders that another was named for, what edgejoule put there."""
    if layout.etc == DEFAULT_ETC:
        files.remove(layout.etc)
    else:
        content = layout.config.read_bytes() if layout.config.is_file() else b""
        secrets = configuration.secret_names(content)
        for name in ("agent.toml", "operators.toml", "pki", *secrets):
            files.remove(layout.etc / name)
    for name in ("incoming", layout.history.name, ".lock"):
        files.remove(layout.root / name)
    for folder in (layout.etc, layout.root):
        with suppress(OSError):  # something of another's is there
            folder.rmdir()
