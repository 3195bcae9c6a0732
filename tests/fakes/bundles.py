"""Small bundles: real in form, with a few bytes for wheels. What is in them cannot be installed."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edgejoule.deploy.bundle.making import Ingredients, make_bundle
from edgejoule.deploy.bundle.own_wheel import OwnWheel
from edgejoule.deploy.bundle.signing import Signer
from edgejoule.deploy.locks import Locked
from edgejoule.deploy.targets import find_target

VERSION = "9.8.7"


def small_ingredients(folder: Path, **changes: object) -> Ingredients:
    """Return what a small bundle is made of, in files of ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    own = small_wheel(folder)
    wheels = {name: folder / f"{name}-1.0-py3-none-any.whl" for name in ("numpy", "pip")}
    for name, path in wheels.items():
        path.write_bytes(f"the wheel of {name}".encode())
    pinned = Locked(name="numpy", version="1.0", sha256=_sha256(wheels["numpy"]), file=wheels["numpy"].name)
    fields: dict[str, object] = {
        "target": find_target("bookworm-arm64"),
        "own": OwnWheel(own, VERSION),
        "locked": (pinned,),
        "wheels": {"numpy": wheels["numpy"]},
        "pip": wheels["pip"],
        "installer": b"the installer",
        "models": {"catalog.toml": b"# models\n"},
        "config": b"[device]\n",
    }
    return Ingredients(**{**fields, **changes})  # type: ignore[arg-type]


def small_bundle(folder: Path, signer: Signer | None = None, **changes: object) -> Path:
    """Make a small bundle and return its path."""
    path = folder / "small.bundle.zip"
    make_bundle(path, small_ingredients(folder / "parts", **changes), signer)
    return path


def small_wheel(folder: Path, name: str = "edgejoule", version: str = VERSION) -> Path:
    """Write a wheel that holds nothing but its metadata, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(f"{name}-{version}.dist-info/METADATA", (1980, 1, 1, 0, 0, 0))
        archive.writestr(info, f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return path


def rewritten(
    path: Path, changes: Mapping[str, bytes | None], extra: tuple[zipfile.ZipInfo, bytes] | None = None
) -> Path:
    """Return a copy with other contents for some files (None: left out), as somebody who tampers would make it."""
    copy = path.with_name(f"other-{path.name}")
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(copy, "w") as after:
        for info in before.infolist():
            content = changes.get(info.filename, before.read(info))
            if content is not None:
                after.writestr(zipfile.ZipInfo(info.filename, info.date_time), content)
        for name in set(changes) - set(before.namelist()):
            after.writestr(zipfile.ZipInfo(name), changes[name] or b"")
        if extra is not None:
            after.writestr(*extra)
    return copy


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
