#!/usr/bin/env python3
"""Say what each target's wheels really need of the C library: ``.venv/bin/python scripts/check_target_symbols.py``.

A wheel's name is a promise that some break. This reads the symbol versions of every library in every pinned wheel with
readelf (Debian package binutils), fetching the wheels that are not in the cache; exit 1 if one needs more than its
target has. Of the C++ library it prints what is needed; targets.toml does not say what a system has of it.
"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

REPOSITORY: Final = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from edge_agent.wire.errors import ConfigurationError  # noqa: E402
from edgejoule.deploy.bundle.wheels import find_wheels  # noqa: E402
from edgejoule.deploy.locks import lock_path, read_lock  # noqa: E402
from edgejoule.deploy.targets import Target, read_targets  # noqa: E402

LIBRARIES: Final = ("GLIBC", "GLIBCXX")
Version = tuple[int, ...]
Needs = dict[str, tuple[Version, str]]


def main() -> int:
    """Print one line for each target."""
    good = True
    try:
        for target in read_targets().target:
            needs = _needs(target)
            fits = needs.get("GLIBC", ((0,), ""))[0] <= target.glibc_version
            good = good and fits
            words = ", ".join(
                f"{name}_{_text(needs[name][0])} ({needs[name][1]})" for name in LIBRARIES if name in needs
            )
            sys.stdout.write(f"{target.id}, glibc {target.glibc}: {'needs' if fits else 'NEEDS'} {words}\n")
    except ConfigurationError as error:
        sys.stderr.write(f"check_target_symbols: {error}\n")
        return 2
    return 0 if good else 1


def _needs(target: Target) -> Needs:
    """Return the newest version that any library of the target's wheels asks for, and whose that is."""
    locked = [one for one in read_lock(lock_path(target.id)) if not one.built]
    needs: Needs = {}
    for name, wheel in find_wheels(target, locked, [], offline=False).items():
        for library, version in _of_wheel(wheel):
            needs[library] = max(needs.get(library, ((0,), "")), (version, name))
    return needs


def _of_wheel(wheel: Path) -> "list[tuple[str, Version]]":
    found = []
    with zipfile.ZipFile(wheel) as archive, TemporaryDirectory() as folder:
        for name in archive.namelist():
            if ".so" in Path(name).suffixes:
                said = subprocess.run(
                    ["readelf", "--version-info", "--wide", archive.extract(name, folder)],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
                found += re.findall(rf"\b({'|'.join(LIBRARIES)})_([0-9.]+)", said)
    return [(library, tuple(map(int, version.strip(".").split(".")))) for library, version in found]


def _text(version: Version) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main())
