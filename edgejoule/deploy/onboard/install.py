"""Install a bundle: check, build beside, try, switch, hold the gate. What is already so is left as it is."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import board, building, checks, configuration, files, managing, signature, snapshot, system_files
from .bundle_format import Bundle, BundleError
from .gate import Gate
from .problems import InstallError
from .switching import Site, Switch, settle, switch

if TYPE_CHECKING:
    from .bundle_format import Manifest


@dataclass(frozen=True)
class Order:
    """What to install, and how. ``python``: None to find one; ``signer``: the key that the bundle must bear."""

    bundle: Path
    choice: configuration.Choice = field(default_factory=lambda: configuration.Choice(None))
    secrets: dict[str, Path] = field(default_factory=dict)
    wishes: system_files.Wishes = field(default_factory=system_files.Wishes)
    gate: Gate = field(default_factory=Gate)
    clock: checks.ClockRules = field(default_factory=checks.ClockRules)
    python: str | None = None
    signer: Path | None = None
    compile_files: bool = True


def install(site: Site, order: Order) -> dict[str, Any]:
    """Install, and return what is to be said of it. Raises InstallError; the version that ran then runs."""
    layout, report = site.layout, site.report
    settle(site)
    if site.service.state_dir:
        system_files.check_seen(layout)
    with _opened(order.bundle) as bundle:
        manifest = bundle.manifest
        report.step("check", 1, f"{manifest.release} for {manifest.target}")
        python = _checked(site, order, bundle)
        choice = _with_template(order.choice, bundle)
        content = configuration.choose(layout, choice, report)
        secrets = configuration.secret_files(layout, content, order.secrets)
        built = _ensure_built(site, order, bundle, python)
    report.step("self-test", 78, "the new version reads the configuration and loads the model")
    try:
        config = configuration.self_test(layout, manifest.release, content, secrets)
        wanted = {**secrets, **_wanted(site, manifest, content, config, order, secrets)}
    except InstallError:
        if built and layout.current_release != manifest.release:
            files.remove(layout.version(manifest.release))
        raise
    source = layout.current_release
    if _is_so(site, manifest, wanted, source):
        report.step("done", 100, "nothing to do")
        return {"changed": False, "release": manifest.release, "version": manifest.version}
    plan = Switch(
        target=manifest.release,
        source=_to_go_back_to(site, source),
        progress=progress_of(config),
        gate=order.gate,
        reason="install",
        config_sha256=files.sha256_of(content) if content == choice.content else None,
    )
    keep_installer(site, manifest.release)
    switch(site, plan, wanted)
    try:
        managing.prune(site)
    except OSError as error:
        report.note(f"{error.filename or layout.versions}: cannot be removed ({error.strerror})")
    report.step("done", 100, f"{manifest.release} runs" if site.service.exists else "installed")
    return {"changed": True, "release": manifest.release, "version": manifest.version, "from": source}


def _to_go_back_to(site: Site, source: str | None) -> str | None:
    if source is None or site.layout.is_complete(source):
        return source
    site.report.note(
        f"{site.layout.current}: leads to {source}, which is no version that was installed here, "
        "so there is nothing to go back to"
    )
    return None


def build_beside(site: Site, order: Order) -> dict[str, Any]:
    """Build the bundle's version and leave all else as it is: so its programs are there before it runs.

    Raises InstallError; no half version stays.
    """
    with _opened(order.bundle) as bundle:
        manifest = bundle.manifest
        site.report.step("check", 1, f"{manifest.release} for {manifest.target}")
        changed = _ensure_built(site, order, bundle, _checked(site, order, bundle))
    site.report.step("done", 100, f"{manifest.release} is built")
    return {"changed": changed, "release": manifest.release, "version": manifest.version}


def progress_of(config: dict[str, Any]) -> Path:
    """Return where the agent of a configuration says how it gets on."""
    return Path(config["device"]["state_dir"]) / "progress.json"


def keep_installer(site: Site, release: str) -> None:
    """Leave this version's installer where the boot finds it."""
    source = site.layout.version(release) / "installer.pyz"
    content = source.read_bytes()
    if not site.layout.installer.is_file() or site.layout.installer.read_bytes() != content:
        files.write_whole(site.layout.installer, content, 0o755)


def _opened(path: Path) -> Bundle:
    try:
        return Bundle(path)
    except BundleError as error:
        raise InstallError("bundle", str(error), "nothing was changed") from error


def _checked(site: Site, order: Order, bundle: Bundle) -> str:
    """Return the Python to build with, after every check that needs no change. Raises InstallError."""
    layout = site.layout
    manifest = bundle.manifest
    if order.signer is not None:  # first of all: nothing that somebody else says is acted upon
        signature.check(bundle, order.signer)
    checks.check_fits(manifest, platform.machine(), board.userland_bits(), board.glibc_version())
    python = checks.find_python(manifest, order.python)
    said = checks.check_clock(order.clock)
    if said:
        site.report.note(said)
    _verify(site, bundle)
    if not layout.is_complete(manifest.release):
        checks.check_room(order.bundle, layout.root)
    return python


def _verify(site: Site, bundle: Bundle) -> None:
    """Read the whole bundle once, before anything is written. Raises InstallError that names the file."""
    try:
        for name, _ in bundle.verify():
            site.report.step("check", 3, name)
    except BundleError as error:
        raise InstallError("bundle", str(error), "nothing was changed") from error


def _ensure_built(site: Site, order: Order, bundle: Bundle, python: str) -> bool:
    """Build the version if it is not there; tell whether it was not."""
    if site.layout.is_complete(bundle.manifest.release):
        return False
    building.build(site.layout, bundle, python, site.report, compile_files=order.compile_files)
    return True


def _with_template(choice: configuration.Choice, bundle: Bundle) -> configuration.Choice:
    """Return the choice with the bundle's own configuration, where none was named."""
    name = bundle.manifest.config
    if choice.content is not None or name is None:
        return choice
    return configuration.Choice(bundle.read(name), is_template=True, replace=choice.replace, keep=choice.keep)


def _wanted(
    site: Site, manifest: Manifest, content: bytes, config: dict[str, Any], order: Order, secrets: snapshot.Files
) -> dict[Path, snapshot.Wanted | None]:
    layout = site.layout
    wanted: dict[Path, snapshot.Wanted | None] = {layout.config: snapshot.Wanted(content)}
    if site.service.state_dir:
        system_files.check_state_dir(config, site.service.state_dir)
    if site.service.exists:
        wanted.update(system_files.wanted_files(layout, manifest.release, content, config, order.wishes, secrets))
    return wanted


def _is_so(site: Site, manifest: Manifest, wanted: snapshot.Files, source: str | None) -> bool:
    if source != manifest.release or snapshot.differing(wanted):
        return False
    return not site.service.exists or site.service.state().active in {"active", "activating", "reloading"}
