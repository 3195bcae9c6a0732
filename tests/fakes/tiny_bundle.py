"""Bundles that take no network and a second: pip as Python brings it, and an agent of a few lines that obeys orders.

What such an agent does is in its wheel: it delivers, never measures, delivers nothing, crashes, or refuses the
configuration.
"""

import base64
import ensurepip
import hashlib
import io
import json
import platform
import struct
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from edgejoule.deploy.data import board_data
from edgejoule.deploy.installer_zipapp import installer_zipapp

Behaviour = Literal["delivers", "silent", "undelivered", "crashes", "refuses"]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

_AGENT = """
import json, os, socket, sys, time, tomllib
from pathlib import Path

BEHAVIOUR, VERSION = {behaviour!r}, {version!r}


def main():
    words = sys.argv[1:]
    path = Path(words[words.index("--config") + 1])
    config = tomllib.loads(path.read_text())
    config["device"].setdefault("state_dir", "/var/lib/edgejoule-agent")
    config["device"]["state_dir"] = str(path.parent / config["device"]["state_dir"])
    if BEHAVIOUR == "refuses":
        sys.exit("edgejoule: [meter] driver = 'nonsense': no such driver")
    if words[1] == "check-config":
        print(json.dumps(config))
        return
    if BEHAVIOUR == "crashes":
        sys.exit("edgejoule: this version crashes")
    state = Path(config["device"]["state_dir"])
    state.mkdir(parents=True, exist_ok=True)
    if os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    made = stored = 0
    started = time.time_ns()
    while True:
        if BEHAVIOUR != "silent":
            made += 1
            stored += BEHAVIOUR == "delivers"
        said = dict(schema=1, version=VERSION, prefix=os.path.realpath(sys.prefix), pid=os.getpid(), boot_id="b",
                    started_unix_ns=started, windows_made=made, windows_stored=stored, outbox_windows=0,
                    meter_connected=True, t_unix_ns=time.time_ns())
        fresh = state / "progress.new"
        fresh.write_text(json.dumps(said))
        fresh.replace(state / "progress.json")
        time.sleep(0.1)
"""


def tiny_wheel(version: str, behaviour: Behaviour) -> bytes:
    """Return a wheel named edgejoule with the command ``edgejoule`` and the real units."""
    info = f"edgejoule-{version}.dist-info"
    files = {
        "edgejoule/__init__.py": b"",
        "edgejoule/cli.py": _AGENT.format(behaviour=behaviour, version=version).encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: edgejoule\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[console_scripts]\nedgejoule = edgejoule.cli:main\n",
    }
    files |= {f"edgejoule/_board/{path.name}": path.read_bytes() for path in board_data().iterdir() if path.is_file()}
    record = "".join(f"{name},sha256={_urlsafe(content)},{len(content)}\n" for name, content in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return _zipped(files, zipfile.ZIP_DEFLATED)


def tiny_bundle(
    path: Path,
    version: str = "1.0.0",
    behaviour: Behaviour = "delivers",
    *,
    config: str | None = None,
    models: Mapping[str, bytes] | None = None,
    requires: Mapping[str, Any] | None = None,
    damaged: str = "",
) -> Path:
    """Write a bundle for this very machine. ``damaged``: a file whose bytes are not what the manifest says."""
    wheel, name = tiny_wheel(version, behaviour), f"wheels/edgejoule-{version}-py3-none-any.whl"
    pip = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    files = {
        name: wheel,
        f"wheels/{pip.name}": pip.read_bytes(),
        "requirements.txt": f"edgejoule=={version} --hash=sha256:{hashlib.sha256(wheel).hexdigest()}\n".encode(),
        "installer.pyz": installer_zipapp(),
        **{f"models/{one}": content for one, content in (models or {}).items()},
    }
    if config is not None:
        files["agent.toml"] = config.encode()
    manifest = {
        "schema": 1,
        "version": version,
        "target": "this-machine",
        "created": None,
        "files": {one: hashlib.sha256(content).hexdigest() for one, content in files.items()},
        "bytes": sum(map(len, files.values())),
        "wheel": name,
        "requirements": "requirements.txt",
        "pip": f"wheels/{pip.name}",
        "installer": "installer.pyz",
        "models": "models/" if models else None,
        "config": "agent.toml" if config is not None else None,
        "requires": {
            "machines": [platform.machine()],
            "bits": struct.calcsize("P") * 8,
            "glibc": [2, 17],
            "python": PYTHON,
            "system_site_packages": False,
            "modules": [],
            "apt": [],
            **(requires or {}),
        },
    }
    if damaged:
        files[damaged] = files[damaged][:-1] + bytes([files[damaged][-1] ^ 1])
    files["manifest.json"] = json.dumps(manifest).encode()
    path.write_bytes(_zipped(files, zipfile.ZIP_STORED))
    return path


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _zipped(files: Mapping[str, bytes], how: int) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()
