"""The agent's configuration on the board: what a person changed stays, secrets are files of their own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import files
from .layout import UNIT, Layout
from .problems import InstallError
from .snapshot import Wanted

if TYPE_CHECKING:
    from .report import Report
    from .snapshot import Files

CREDENTIALS = "/run/credentials/" + UNIT + "/"
"""Where a secret is while the service runs; ``agent.toml`` names it there."""
SELF_TEST_S = 300.0
_SECRET = re.compile(re.escape(CREDENTIALS) + r"([A-Za-z0-9_.-]+)")


@dataclass(frozen=True)
class Choice:
    """What is to become of the configuration. ``content``: of the new file, None to leave the one that is there.

    ``replace`` and ``keep``: what was asked for, should a person have changed the present one.
    """

    content: bytes | None
    is_template: bool = False
    replace: bool = False
    keep: bool = False


def choose(layout: Layout, choice: Choice, report: Report) -> bytes:
    """Return what the configuration shall be. Raises InstallError where a person has to decide."""
    try:
        present: bytes | None = layout.config.read_bytes()
    except FileNotFoundError:
        present = None
    if choice.content is None or choice.content == present:
        if present is None:
            raise InstallError("configuration", f"{layout.config}: is not there", "name one: --config FILE")
        return present
    if present is None or choice.replace or files.sha256_of(present) in placed_sha256s(layout):
        return choice.content
    if choice.keep or choice.is_template:
        report.note(f"{layout.config}: changed by hand, kept as it is")
        return present
    raise InstallError(
        "configuration-changed",
        f"{layout.config}: was changed by hand since it was written",
        "take over the changes, then --replace-config; or leave it with --keep-config",
    )


def placed_sha256s(layout: Layout) -> set[str]:
    """Return the hash of every configuration that an installer ever wrote here."""
    return {entry["config_sha256"] for entry in files.read_history(layout.history) if "config_sha256" in entry}


def secret_names(content: bytes) -> list[str]:
    """Return the secrets that a configuration names where the service manager puts them."""
    return sorted(set(_SECRET.findall(content.decode("utf-8", "replace"))))


def secret_source(layout: Layout, name: str, fresh: Files) -> Path:
    """Return the file that a secret comes from: of ``pki/`` or beside the configuration. Raises InstallError.

    ``fresh``: files that will be there.
    """
    places = [layout.etc / "pki" / name, layout.etc / name]
    found = next((place for place in places if place in fresh or place.is_file()), None)
    if found is None:
        raise InstallError(
            "configuration",
            "{}: names the secret {}, and neither {} nor {} is there".format(layout.config, name, *places),
            f"put it there (mode 0600), or give it by --secret {name}=FILE",
        )
    return found


def secret_files(layout: Layout, content: bytes, given: dict[str, Path]) -> dict[Path, Wanted | None]:
    """Return the files of the secrets that are given, to be written beside the configuration for root alone.

    Raises InstallError for one that is named and neither here nor given, or given by a file that is not there.
    """
    fresh: dict[Path, Wanted | None] = {}
    for name, source in given.items():
        if not source.is_file():
            raise InstallError("configuration", f"--secret {name}={source}: there is no such file", "name its file")
        fresh[layout.etc / name] = Wanted(source.read_bytes(), 0o600)
    for name in secret_names(content):
        secret_source(layout, name, fresh)
    return fresh


def self_test(layout: Layout, release: str, content: bytes, fresh: Files) -> dict[str, Any]:
    """Let a version check a configuration and load its model; return the configuration with its defaults.

    ``fresh``: secrets that go with it. Nothing of the present version is touched. Raises InstallError with what the
    version says.
    """
    folder = layout.etc / ".self-test"
    candidate = layout.etc / ".agent.toml.candidate"
    files.remove(folder)
    layout.etc.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
        for name in secret_names(content):
            source = secret_source(layout, name, fresh)
            secret = fresh.get(source) or Wanted(source.read_bytes())
            files.write_whole(folder / name, secret.content, 0o600)
        text = content.replace(CREDENTIALS.encode(), (str(folder) + "/").encode())
        text = text.replace(bytes(layout.current) + b"/", bytes(layout.version(release)) + b"/")
        files.write_whole(candidate, text, 0o600)
        program = layout.version(release) / "venv" / "bin" / "edgejoule"
        return _checked([str(program), "agent", "check-config", "--load", "--json", "--config", str(candidate)])
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)
        files.remove(candidate)


def _checked(words: list[str]) -> dict[str, Any]:
    try:
        outcome = subprocess.run(
            words,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SELF_TEST_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InstallError("self-test", f"the new version does not run: {error}", "nothing was changed") from error
    if outcome.returncode != 0:
        lines = outcome.stderr.strip().splitlines() or ["it said nothing"]
        why = lines[-1].replace("edgejoule: ", "", 1)
        raise InstallError(
            "self-test",
            f"the new version does not take the configuration (exit {outcome.returncode}): {why}",
            "correct that; the version that runs was not touched",
        )
    config = _parsed(outcome.stdout)
    if not isinstance(config.get("device"), dict) or not isinstance(config["device"].get("state_dir"), str):
        raise InstallError("self-test", "the new version says nothing of its configuration", "nothing was changed")
    return config


def _parsed(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}
