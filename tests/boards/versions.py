"""Other versions of a bundle: a later one, and ones that are broken on purpose."""

import base64
import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edgejoule import __version__
from edgejoule.cli import main
from edgejoule.deploy.onboard.bundle_format import read_manifest

RUN_VERB: Final = "edgejoule/commands/agent/run_verb.py"
MUTE: Final = """

def run(arguments):
    import signal

    from edge_agent.service import notify

    notify("READY=1")
    while True:
        signal.pause()
"""
"""It starts, says so, and never measures."""
CRASHING: Final = """

def run(arguments):
    raise SystemExit("broken on purpose")
"""


def other_version(
    bundle: Path, folder: Path, version: str, *, added_to_run: str = "", words: Sequence[str] = ()
) -> Path:
    """Make a bundle like ``bundle`` whose edgejoule is ``version``, with more code at the end of ``agent run``.

    ``words``: more for ``edgejoule deploy bundle``.
    """
    folder.mkdir()
    manifest = read_manifest(bundle)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.endswith(".whl")])
    wheels = folder / "wheels"
    wheel = _altered(folder / manifest.wheel, wheels, version, {RUN_VERB: added_to_run})
    path = folder / f"edgejoule-{version}.bundle.zip"
    asked = ["--target", manifest.target, "--wheel", str(wheel), "--wheelhouse", str(wheels), "--offline", *words]
    assert main(["deploy", "bundle", *asked, "--out", str(path)]) == 0
    return path


def _altered(wheel: Path, folder: Path, version: str, additions: dict[str, str]) -> Path:
    """Write a wheel as ``wheel`` with another version and more code."""
    old, new = (f"edgejoule-{one}.dist-info/" for one in (__version__, version))
    with zipfile.ZipFile(wheel) as archive:
        files = {name.replace(old, new): archive.read(name) for name in archive.namelist()}
    for name in (f"{new}METADATA", "edgejoule/__init__.py"):
        text = files[name].decode()
        assert __version__ in text
        files[name] = text.replace(__version__, version, 1).encode()
    for name, addition in additions.items():
        files[name] += addition.encode()
    record = f"{new}RECORD"
    lines = [f"{name},{_record_hash(content)},{len(content)}\n" for name, content in files.items() if name != record]
    files[record] = ("".join(lines) + f"{record},,\n").encode()
    path = folder / wheel.name.replace(__version__, version)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _record_hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
