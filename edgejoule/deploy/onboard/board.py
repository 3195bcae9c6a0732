"""What this board is: facts that decide which bundle fits, and whether anything may be installed now."""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

PYTHON_FOLDERS = ("/usr/local/bin", "/usr/bin", "/opt/python/bin")
ANSWER_S = 10.0
_PYTHON = re.compile(r"python3\.\d+\Z")
_L4T = re.compile(r"#\s*(R\d+)[^,]*,\s*REVISION:\s*([\d.]+)")


def board_facts(root: Path) -> dict[str, Any]:
    """Return what the machine is and what it has. ``root``: where edgejoule is or will be."""
    release = os_release(Path("/etc/os-release"))
    return {
        "machine": platform.machine(),
        "bits": userland_bits(),
        "glibc": glibc_version(),
        "os_id": release.get("ID", ""),
        "os_version": release.get("VERSION_ID", ""),
        "os_name": release.get("PRETTY_NAME", ""),
        "l4t": l4t_release(Path("/etc/nv_tegra_release")),
        "pythons": [version for _, version in pythons()],
        "free_bytes": free_bytes(root),
        "clock": {"unix_ns": time.time_ns(), "synchronised": clock_synchronised()},
        "systemd": {"running": systemd_running(), "version": systemd_version()},
        "meter_ports": meter_ports(Path("/dev/serial/by-id")),
    }


def userland_bits() -> int:
    """Return 32 or 64: of this Python, for a 32-bit system may run on a 64-bit kernel."""
    return struct.calcsize("P") * 8


def glibc_version() -> str:
    """Return the C library's version, such as "2.36", "" where it is another library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return ""
    return version if name == "glibc" else ""


def version_pair(text: str) -> tuple[int, int]:
    """Return the first two numbers of a version; (0, 0) for none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def os_release(path: Path) -> dict[str, str]:
    """Return the variables of an os-release file, {} where there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#")]
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def l4t_release(path: Path) -> str | None:
    """Return a Jetson's release, such as "R36.4.3", None on other boards."""
    try:
        found = _L4T.search(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return f"{found.group(1)}.{found.group(2)}" if found else None


def pythons(minor: str = "") -> list[tuple[str, str]]:
    """Return path and full version of each Python 3 of this or any minor version ("3.11"), the newest first."""
    folders = list(dict.fromkeys([*PYTHON_FOLDERS, *os.environ.get("PATH", "").split(os.pathsep)]))
    paths: dict[str, str] = {}
    for folder in filter(None, folders):
        for path in _matching(Path(folder), minor):
            paths.setdefault(os.path.realpath(str(path)), str(path))
    found = [(path, version) for path in paths.values() for version in [python_version(path)] if version]
    return sorted(found, key=lambda one: version_pair(one[1]), reverse=True)


def _matching(folder: Path, minor: str) -> list[Path]:
    """Return the programs of a folder that are named after a minor version of Python 3."""
    try:
        names = [one for one in folder.iterdir() if _PYTHON.match(one.name) and one.name.endswith(minor)]
    except OSError:
        return []
    return sorted(one for one in names if os.access(str(one), os.X_OK))


def python_version(path: str) -> str:
    """Return what a Python says that it is, "" where it says nothing."""
    return answer([path, "-I", "-c", "import platform; print(platform.python_version())"])


def has_modules(python: str, modules: tuple[str, ...]) -> list[str]:
    """Return which of ``modules`` that Python lacks."""
    code = "import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])"
    return answer([python, "-I", "-c", code, *modules]).split()


def free_bytes(path: Path) -> int:
    """Return what is free on the disk that ``path`` is or will be on."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(str(place)).free


def clock_synchronised() -> bool | None:
    """Return whether the clock is synchronised, None where nobody says so."""
    if Path("/run/systemd/timesync/synchronized").exists():
        return True
    said = answer(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    return {"yes": True, "no": False}.get(said)


def systemd_running() -> bool:
    """Tell whether systemd is what started this machine."""
    return Path("/run/systemd/system").is_dir()


def systemd_version() -> int:
    """Return systemd's version, 0 without it."""
    found = re.match(r"systemd (\d+)", answer(["systemctl", "--version"]))
    return int(found.group(1)) if found else 0


def meter_ports(folder: Path) -> list[str]:
    """Return the serial ports by the names that stay the same."""
    try:
        return sorted(str(one) for one in folder.iterdir())
    except OSError:
        return []


def answer(words: list[str], timeout_s: float = ANSWER_S) -> str:
    """Return what a program says on its standard output, "" where it is not there or fails."""
    try:
        outcome = subprocess.run(
            words, capture_output=True, encoding="utf-8", errors="replace", timeout=timeout_s, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return outcome.stdout.strip() if outcome.returncode == 0 else ""
