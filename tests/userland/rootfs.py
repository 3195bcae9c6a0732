"""A Debian system for another processor: its packages fetched and unpacked, once for each choice of them.

It stays in ``~/.cache/edgejoule/userlands`` and is never written to: tests see it below a writable layer of their own.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from scripts.debian_packages import MIRROR, SUITE, fetch_packages, unpack

SYSTEM = ("base-files", "libc-bin", "dash")
"""What every system has, whatever else was chosen."""
_URI = re.compile(r"(?:^URIs:\s*|^deb\s+(?:\[[^]]*\]\s*)?)(https?://\S+?/debian)/?(?:\s|$)", re.MULTILINE)


def debian_root(architecture: str, packages: Sequence[str]) -> Path:
    """Return the folder of such a system with what its packages need, made if this machine has none yet."""
    names = sorted({*SYSTEM, *packages})
    key = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    place = _cache() / f"{SUITE}-{architecture}-{key}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may make it, or have been ended over it
        if not place.is_dir():
            part = place.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            _make(part, architecture, names)
            part.rename(place)
    return place


def mirror() -> str:
    """Return the mirror of Debian that this machine's own apt uses."""
    folder = Path("/etc/apt")
    texts = [
        path.read_text()
        for path in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]
        if path.is_file()
    ]
    found = _URI.search("\n".join(texts))
    return found[1] if found else MIRROR


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgejoule" / "userlands"


def _make(folder: Path, architecture: str, names: Sequence[str]) -> None:
    """Unpack the packages that apt says it takes; no script of a package ever runs."""
    folder.mkdir()
    fetched = folder.with_suffix(".fetched")
    shutil.rmtree(fetched, ignore_errors=True)
    unpack(fetch_packages(fetched, architecture, names, mirror=mirror(), dependencies=True), folder)
    shutil.rmtree(fetched)
    for library in (*folder.glob("usr/lib/*/blas/libblas.so.3"), *folder.glob("usr/lib/*/lapack/liblapack.so.3")):
        (library.parents[1] / library.name).symlink_to(f"{library.parent.name}/{library.name}")  # as its script would
