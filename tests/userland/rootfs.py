"""A Debian system for another processor: its packages fetched and unpacked, once for each choice of them.

It stays in ``~/.cache/edgejoule/userlands`` and is never written to: tests see it below a writable layer of their own.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.what_is_there import find_program

SUITE = "bookworm"
TIMEOUT_S = 240.0
_URI = re.compile(r"(?:^URIs:\s*|^deb\s+(?:\[[^]]*\]\s*)?)(https?://\S+?/debian)/?(?:\s|$)", re.MULTILINE)


def debian_root(architecture: str, packages: Sequence[str]) -> Path:
    """Return the folder of such a system, made if this machine has none yet."""
    key = hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:12]
    place = _cache() / f"{SUITE}-{architecture}-{key}"
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    try:
        part.chmod(0o755)
        _bootstrap(part, architecture, packages)
        if not place.is_dir():  # another worker may have been quicker
            part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
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
    return found[1] if found else "http://deb.debian.org/debian"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgejoule" / "userlands"


def _bootstrap(folder: Path, architecture: str, packages: Sequence[str]) -> None:
    """Fetch what debootstrap's first stage fetches, and unpack all of it; no script of a package ever runs."""
    program = find_program("debootstrap")
    assert program is not None
    options = ["--foreign", f"--arch={architecture}", "--variant=minbase", f"--include={','.join(packages)}"]
    _run([program, *options, SUITE, str(folder), mirror()])
    for package in sorted((folder / "var/cache/apt/archives").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(folder)])
        package.unlink()
    for library in (*folder.glob("usr/lib/*/blas/libblas.so.3"), *folder.glob("usr/lib/*/lapack/liblapack.so.3")):
        (library.parents[1] / library.name).symlink_to(f"{library.parent.name}/{library.name}")  # as its script would


def _run(command: list[str]) -> None:
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert outcome.returncode == 0, f"{' '.join(command)}: {outcome.stdout[-2000:]}{outcome.stderr[-2000:]}"
