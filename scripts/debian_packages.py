"""Debian packages of another processor, fetched by apt into a folder of its own.

This machine's own lists, architectures and packages stay as they are. apt checks signatures and hashes as always.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge_agent.wire.errors import ConfigurationError

SUITE: Final = "bookworm"
MIRROR: Final = "http://deb.debian.org/debian"
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def fetch_packages(
    folder: Path, architecture: str, names: Sequence[str], *, mirror: str = MIRROR, dependencies: bool
) -> list[Path]:
    """Return the files of these packages, below ``folder``; with ``dependencies`` of all that they need, too.

    Raises ConfigurationError with what apt said.
    """
    if not KEYRING.is_file():
        raise ConfigurationError(f"{KEYRING} is missing; sudo apt-get install debian-archive-keyring")
    folder = folder.resolve()
    packages = folder / "cache" / "archives"
    for place in (folder / "lists" / "partial", packages / "partial"):
        place.mkdir(parents=True)
    (folder / "status").touch()
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n", encoding="utf-8")
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
    }
    options = ["-qq", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    run(["apt-get", "update", *options], folder)
    how = ["install", "--download-only", "--yes"] if dependencies else ["download"]
    run(["apt-get", *how, *options, *names], packages)
    return sorted(packages.glob("*.deb"))


def unpack(packages: Sequence[Path], folder: Path) -> None:
    """Unpack them below ``folder``; no script of a package runs. Raises ConfigurationError."""
    for package in packages:
        run(["dpkg-deb", "--extract", str(package), str(folder)], folder)


def run(command: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a program in ``folder``. Raises ConfigurationError with its last lines unless it ends well."""
    try:
        outcome = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{command[0]} is not on this machine; it is a part of Debian and Ubuntu") from error
    if outcome.returncode != 0:
        said = " | ".join((outcome.stderr or outcome.stdout).strip().splitlines()[-3:])
        raise ConfigurationError(f"{' '.join(command[:3])} failed: {said}")
