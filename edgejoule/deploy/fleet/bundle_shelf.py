"""The bundles of a roll-out: each verified whole before any board is asked, one for each target."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edgejoule.deploy.onboard.bundle_format import Bundle, BundleError, Manifest
from edgejoule.deploy.onboard.bundle_signature import check_signature
from edgejoule.deploy.onboard.checks import SPARE_BYTES, installed_bytes
from edgejoule.deploy.onboard.problems import InstallError

PATTERN: Final = "*.bundle.zip"


class BundleFile(msgspec.Struct, frozen=True):
    """One of them. ``needed_bytes``: what must be free on the board: for the file, and for what it becomes."""

    path: Path
    sha256: str
    manifest: Manifest
    size_bytes: int
    needed_bytes: int

    @property
    def release(self) -> str:
        """Return what the version's folder is called on a board."""
        return self.manifest.release


def read_shelf(
    files: Sequence[Path], folder: Path | None = None, *, signer: Path | None = None
) -> dict[str, BundleFile]:
    """Return the bundles by target. Raises ConfigurationError that names the file in a bundle that is not whole.

    ``signer``: the public key that must have signed each.
    """
    paths = [*files, *(sorted(folder.glob(PATTERN)) if folder is not None else [])]
    if not paths:
        place = f"{folder}: holds no {PATTERN}" if folder is not None else "no bundle is named"
        raise ConfigurationError(f"{place}; make one with edgejoule deploy bundle, and name it by --bundle FILE")
    shelf: dict[str, BundleFile] = {}
    for path in paths:
        bundle = read_bundle(path, signer)
        other = shelf.get(bundle.manifest.target)
        if other is not None:
            raise ConfigurationError(
                f"{other.path} and {path} are both for {bundle.manifest.target}; name the one that is meant"
            )
        shelf[bundle.manifest.target] = bundle
    return shelf


def read_bundle(path: Path, signer: Path | None = None) -> BundleFile:
    """Verify a bundle file by file. Raises ConfigurationError that names what is wrong."""
    try:
        with Bundle(path) as bundle:
            if signer is not None:
                check_signature(bundle, read_text(signer), str(signer))
            for _ in bundle.verify():
                pass
            manifest = bundle.manifest
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size_bytes = path.stat().st_size
        needed_bytes = size_bytes + installed_bytes(path) + SPARE_BYTES
    except (BundleError, InstallError, OSError) as error:
        raise ConfigurationError(str(error)) from error
    return BundleFile(path, sha256, manifest, size_bytes, needed_bytes)
