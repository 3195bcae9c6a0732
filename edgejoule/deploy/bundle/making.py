"""A bundle put together: the same input makes the same bytes."""

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.bundle.own_wheel import OwnWheel
from edgejoule.deploy.bundle.signing import Signer
from edgejoule.deploy.bundle.wheels import sha256_of
from edgejoule.deploy.locks import Locked
from edgejoule.deploy.onboard.bundle_format import MANIFEST, SCHEMA, SIGNATURE, BundleError, Manifest, parse_manifest
from edgejoule.deploy.targets import Target

REQUIREMENTS: Final = "requirements.txt"
INSTALLER: Final = "installer.pyz"
CONFIG: Final = "agent.toml"
MODELS: Final = "models/"
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_CHUNK_BYTES: Final = 1 << 18


class Ingredients(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is made of. ``wheels``: of the packages of ``locked``, by name; ``created``: None if unsaid."""

    target: Target
    own: OwnWheel
    locked: tuple[Locked, ...]
    wheels: Mapping[str, Path]
    pip: Path
    installer: bytes
    models: Mapping[str, bytes] = {}
    config: bytes | None = None
    created: str | None = None


def make_bundle(path: Path, ingredients: Ingredients, signer: Signer | None = None) -> Manifest:
    """Write the bundle in one step and return its manifest. Raises ConfigurationError."""
    contents = _contents(ingredients)
    manifest = _manifest(ingredients, contents)
    try:
        parsed = parse_manifest(manifest)
    except BundleError as error:
        raise ConfigurationError(f"{path}: cannot be made: {error}") from error
    first = {MANIFEST: manifest} | ({SIGNATURE: signer(manifest)} if signer else {})
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _write(partial, {**first, **dict(sorted(contents.items()))})
        partial.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}; name another file") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return parsed


def _contents(ingredients: Ingredients) -> dict[str, bytes | Path]:
    wheels = [ingredients.own.path, ingredients.pip, *ingredients.wheels.values()]
    contents: dict[str, bytes | Path] = {f"wheels/{wheel.name}": wheel for wheel in wheels}
    contents[REQUIREMENTS] = _requirements(ingredients).encode()
    contents[INSTALLER] = ingredients.installer
    contents |= {f"{MODELS}{name}": data for name, data in ingredients.models.items()}
    if ingredients.config is not None:
        contents[CONFIG] = ingredients.config
    return contents


def _requirements(ingredients: Ingredients) -> str:
    """Return all that pip is to install, and nothing besides: to be installed with --no-deps.

    What is built here has the hash of the wheel that was built; markers of a 32-bit system on a 64-bit kernel would be
    wrong, and what the board's system brings may be older than our metadata asks for.
    """
    lines = [f"edgejoule=={ingredients.own.version} --hash=sha256:{sha256_of(ingredients.own.path)}"]
    for one in ingredients.locked:
        sha256 = sha256_of(ingredients.wheels[one.name]) if one.built else one.sha256
        lines.append(f"{one.name}=={one.version} --hash=sha256:{sha256}")
    return "\n".join(lines) + "\n"


def _manifest(ingredients: Ingredients, contents: Mapping[str, bytes | Path]) -> bytes:
    target = ingredients.target
    manifest = {
        "schema": SCHEMA,
        "version": ingredients.own.version,
        "target": target.id,
        "created": ingredients.created,
        "files": {name: _sha256(content) for name, content in sorted(contents.items())},
        "bytes": sum(len(one) if isinstance(one, bytes) else one.stat().st_size for one in contents.values()),
        "wheel": f"wheels/{ingredients.own.path.name}",
        "requirements": REQUIREMENTS,
        "pip": f"wheels/{ingredients.pip.name}",
        "installer": INSTALLER,
        "models": MODELS if ingredients.models else None,
        "config": None if ingredients.config is None else CONFIG,
        "requires": {
            "machines": target.machines,
            "bits": target.bits,
            "glibc": target.glibc_version,
            "python": target.python,
            "system_site_packages": target.system_site_packages,
            "modules": sorted(target.system.values()),
            "apt": target.apt,
        },
    }
    return (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()


def _sha256(content: bytes | Path) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_of(content)


def _write(path: Path, contents: Mapping[str, bytes | Path]) -> None:
    """Write the zip, every file with the same time and mode, none compressed, and see that it is on the disk."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            with archive.open(info, "w") as sink:
                if isinstance(content, bytes):
                    sink.write(content)
                    continue
                with content.open("rb") as source:
                    while chunk := source.read(_CHUNK_BYTES):
                        sink.write(chunk)
    with path.open("rb") as written:
        os.fsync(written.fileno())
