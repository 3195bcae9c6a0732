"""A version in a folder of its own: unpacked, verified file by file, and installed without the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from . import files
from .bundle_format import Bundle, BundleError
from .layout import COMPLETE, Layout
from .problems import InstallError

if TYPE_CHECKING:
    from pathlib import Path

    from .bundle_format import Manifest
    from .report import Report

UNPACK_PERCENT = (5, 35)
PIP_PERCENT = (38, 75)
PIP_LIMIT_S = 3600.0
LAST_LINES = 6


def build(layout: Layout, bundle: Bundle, python: str, report: Report, *, compile_files: bool = True) -> None:
    """Build the bundle's version; whatever stops it, no half version stays. Raises InstallError."""
    manifest = bundle.manifest
    folder = layout.version(manifest.release)
    files.remove(folder)
    try:
        folder.mkdir(parents=True)
        _unpack(bundle, folder / "bundle", report)
        _make_environment(folder, python, manifest, report)
        _install(folder, manifest, report, compile_files=compile_files)
        _keep(folder, bundle)
        done = {"release": manifest.release, "target": manifest.target, "python": python, "t_unix_ns": time.time_ns()}
        report.step("build", PIP_PERCENT[1], "writing to disk")
        os.sync()
        files.write_json(folder / COMPLETE, done)
        files.sync_folder(layout.versions)
    except OSError as error:
        shutil.rmtree(str(folder), ignore_errors=True)
        raise InstallError(
            "no-space" if files.is_full(error) else "build",
            f"{folder}: {error.strerror or error}",
            "free some space; nothing was changed",
        ) from error
    except BaseException:
        shutil.rmtree(str(folder), ignore_errors=True)
        raise


def _unpack(bundle: Bundle, folder: Path, report: Report) -> None:
    first, last = UNPACK_PERCENT
    done = 0
    try:
        for name, size in bundle.extract(folder):
            done += size
            share = done / max(1, bundle.manifest.bytes)
            report.step("unpack", first + (last - first) * share, name)
    except BundleError as error:
        raise InstallError("bundle", str(error), "nothing was changed; copy the bundle again") from error


def _make_environment(folder: Path, python: str, manifest: Manifest, report: Report) -> None:
    report.step("environment", PIP_PERCENT[0], f"an environment of Python {manifest.requires.python}")
    words = [python, "-I", "-m", "venv", "--without-pip"]
    if manifest.requires.system_site_packages:
        words.append("--system-site-packages")
    _run([*words, str(folder / "venv")], folder, "python -m venv")


def _install(folder: Path, manifest: Manifest, report: Report, *, compile_files: bool) -> None:
    report.step("pip", PIP_PERCENT[0] + 2, f"installing {manifest.version}")
    unpacked = folder / "bundle"
    words = [
        str(folder / "venv" / "bin" / "python"),
        str(unpacked / manifest.pip / "pip"),
        "--isolated",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "install",
        "--no-index",
        "--no-deps",  # the bundle names all; on 32-bit boards Debian's packages stand in for some
        "--find-links",
        str(unpacked / "wheels"),
        "--require-hashes",
        "--requirement",
        str(unpacked / manifest.requirements),
    ]
    _run(words if compile_files else [*words, "--no-compile"], folder, "pip")


def _keep(folder: Path, bundle: Bundle) -> None:
    """Keep of the bundle what is needed later: its manifest, the models, the installer."""
    manifest, unpacked = bundle.manifest, folder / "bundle"
    files.write_whole(folder / "manifest.json", bundle.manifest_bytes)
    if manifest.models:
        (unpacked / manifest.models.rstrip("/")).rename(folder / "models")
    (unpacked / manifest.installer).rename(folder / "installer.pyz")
    shutil.rmtree(str(unpacked))


def _run(words: list[str], folder: Path, name: str) -> None:
    """Run one program of the build. Raises InstallError with its last lines."""
    temporary = folder / "tmp"  # /tmp may be small and in memory
    temporary.mkdir(exist_ok=True)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV"))
    }
    environment.update(
        TMPDIR=str(temporary), PIP_CONFIG_FILE=os.devnull, PIP_ROOT_USER_ACTION="ignore", LC_ALL="C.UTF-8"
    )
    try:
        outcome = subprocess.run(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PIP_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InstallError("build", f"{name} took longer than {PIP_LIMIT_S:.0f} s", "try again") from error
    finally:
        shutil.rmtree(str(temporary), ignore_errors=True)
    if outcome.returncode == 0:
        return
    lines = outcome.stdout.decode("utf-8", "replace").strip().splitlines()[-LAST_LINES:]
    said = " | ".join(line.strip() for line in lines)
    if "No space left" in said or "Disk quota" in said:
        raise InstallError("no-space", f"{folder}: the disk is full", "free some space; nothing was changed")
    raise InstallError("build", "{} failed: {}".format(name, said or "it said nothing"), "nothing was changed")
