"""A bundle: one zip file with everything that a board needs, read and verified before anything is believed.

::

    manifest.json      what this is and the SHA-256 of every other file; see ``Manifest``
    manifest.sig       optional: Ed25519 over the bytes of manifest.json, base64 (``bundle_signature``)
    requirements.txt   for pip: ours and every dependency, each with its hash
    wheels/            those wheels, and pip's
    installer.pyz      what installs them on the board
    models/            optional: a catalogue
    agent.toml         optional: the configuration

Nothing is compressed, for wheels are: the same files make the same bytes on every machine. Standard library only and
the syntax of Python 3.8, as it also runs on a board where nothing is installed yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Iterator, Mapping

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
SCHEMA = 1
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILES = 5000
CHUNK_BYTES = 1 << 18

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_PART = re.compile(r"[A-Za-z0-9_+=@~-][A-Za-z0-9_.+=@~!-]*\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\Z")
_TEXTS = ("version", "target", "wheel", "requirements", "pip", "installer")


class BundleError(Exception):
    """The bundle is not what it says it is; the message is one line that names the file in it."""


@dataclass(frozen=True)
class Requires:
    """What the board must have for this bundle; the installer compares it with what is there."""

    machines: tuple[str, ...]
    """What ``uname -m`` may say: a 32-bit system on a 64-bit kernel says ``aarch64``."""
    bits: int
    """Of Python's pointers: 32 or 64."""
    glibc: tuple[int, int]
    """The oldest C library that everything here runs with."""
    python: str
    """The one minor version that the wheels are for, such as ``3.11``."""
    system_site_packages: bool
    """Whether the environment sees the packages of the system's Python: where PyPI has no wheel."""
    modules: tuple[str, ...]
    """Modules that the system's Python must have then."""
    apt: tuple[str, ...]
    """The Debian packages to name in the remedy, for Python itself and for those modules."""


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` says, checked; ``sha256`` is that of its own bytes and names the bundle."""

    schema: int
    version: str
    target: str
    created: str | None
    """None unless the maker stated a time: the bytes then depend on the content alone."""
    files: Mapping[str, str]
    """SHA-256 by path, of everything but the manifest and its signature."""
    bytes: int
    """Of all those files together."""
    wheel: str
    requirements: str
    pip: str
    installer: str
    models: str | None
    """A folder, ending in a slash."""
    config: str | None
    requires: Requires
    sha256: str

    @property
    def release(self) -> str:
        """Return the name of this version's folder on a board."""
        return f"{self.version}-{self.sha256[:8]}"


class Bundle:
    """An open bundle; its manifest is checked, its files when they are read. Use it in a ``with`` statement."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises BundleError unless it holds exactly the files that its manifest names."""
        self.path = path
        try:
            self._zip = zipfile.ZipFile(str(path))
        except (OSError, zipfile.BadZipFile) as error:
            msg = f"{path}: is no bundle ({_reason(error)}); copy it again"
            raise BundleError(msg) from error
        try:
            entries = _entries(self._zip)
            self.manifest_bytes = self._small(entries, MANIFEST)
            self.signature = self._small(entries, SIGNATURE) if SIGNATURE in entries else None
            self.manifest = parse_manifest(self.manifest_bytes)
            self._entries = _as_declared(entries, self.manifest)
        except BundleError as error:
            self.close()
            msg = f"{path}: {error}"
            raise BundleError(msg) from error

    def __enter__(self) -> Bundle:  # noqa: PYI034  typing.Self is not in Python 3.8
        return self

    def __exit__(self, *_what: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def read(self, name: str) -> bytes:
        """Return one file, verified. Raises BundleError."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield one file piece by piece; BundleError after the last if its hash is wrong: use nothing before that."""
        digest = hashlib.sha256()
        try:
            with self._zip.open(self._entries[name]) as source:
                for chunk in iter(lambda: source.read(CHUNK_BYTES), b""):
                    digest.update(chunk)
                    yield chunk
        except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            msg = f"{self.path}: {name} is damaged ({_reason(error)}); copy it again"
            raise BundleError(msg) from error
        if digest.hexdigest() != self.manifest.files[name]:
            msg = f"{self.path}: {name} is not the file that the manifest names (wrong SHA-256)"
            raise BundleError(msg)

    def verify(self) -> Iterator[tuple[str, int]]:
        """Read every file and yield its name and size as it proves right. Raises BundleError at the first wrong."""
        for name in sorted(self.manifest.files):
            yield name, sum(len(chunk) for chunk in self.chunks(name))

    def extract(self, folder: Path) -> Iterator[tuple[str, int]]:
        """Write every file below ``folder``, synchronised to disk, and yield its name and size once it proved right.

        A file that is wrong is not left behind. Raises BundleError, and OSError such as that of a full disk.
        """
        for name in sorted(self.manifest.files):
            target = folder.joinpath(*name.split("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(target.name + ".partial")
            try:
                with partial.open("wb") as sink:
                    size = sum(sink.write(chunk) for chunk in self.chunks(name))
                    sink.flush()
                    os.fsync(sink.fileno())
                partial.replace(target)
            finally:
                if partial.exists():
                    partial.unlink()
            yield name, size

    def _small(self, entries: Mapping[str, zipfile.ZipInfo], name: str) -> bytes:
        """Return one of the two files that no hash stands for."""
        if name not in entries:
            msg = f"has no {name}: this is no bundle"
            raise BundleError(msg)
        try:
            with self._zip.open(entries[name]) as source:
                found = source.read(MAX_MANIFEST_BYTES + 1)
        except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            msg = f"{name} is damaged ({_reason(error)}); copy it again"
            raise BundleError(msg) from error
        if len(found) > MAX_MANIFEST_BYTES:
            raise BundleError(f"{name} is larger than {MAX_MANIFEST_BYTES} bytes")
        return found


def read_manifest(path: Path) -> Manifest:
    """Return a bundle's manifest without reading the other files. Raises BundleError."""
    with Bundle(path) as bundle:
        return bundle.manifest


def safe_path(name: str) -> bool:
    """Tell whether a name stays below the folder it is unpacked into, on every system."""
    parts = name.split("/")
    return len(name) <= 240 and all(_PART.match(part) for part in parts)


def parse_manifest(content: bytes) -> Manifest:
    """Check what a manifest says. Raises BundleError with the field."""
    try:
        fields = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        msg = f"{MANIFEST} is not JSON ({_reason(error)})"
        raise BundleError(msg) from error
    if not isinstance(fields, dict):
        msg = f"{MANIFEST} is no object"
        raise BundleError(msg)
    if fields.get("schema") != SCHEMA:
        raise BundleError(
            f"{MANIFEST} has schema {fields.get('schema')!r}, not {SCHEMA}; use the edgejoule that made the bundle"
        )
    texts = {key: _text(fields, key) for key in _TEXTS}
    for key in ("version", "target"):
        if not _NAME.match(texts[key]):
            msg = f"{MANIFEST}: {key} is {texts[key]!r}, which is no name"
            raise BundleError(msg)
    files = _files(fields)
    manifest = Manifest(
        schema=SCHEMA,
        created=_optional_text(fields, "created"),
        files=files,
        bytes=_whole(fields, "bytes"),
        models=_optional_text(fields, "models"),
        config=_optional_text(fields, "config"),
        requires=_requires(fields),
        sha256=hashlib.sha256(content).hexdigest(),
        **texts,
    )
    _check_named(manifest)
    return manifest


def _check_named(manifest: Manifest) -> None:
    named = {key: getattr(manifest, key) for key in ("wheel", "requirements", "pip", "installer", "config")}
    for key, name in named.items():
        if name is not None and name not in manifest.files:
            msg = f"{MANIFEST}: {key} is {name!r}, which is not among its files"
            raise BundleError(msg)
    models = manifest.models
    if models is not None and (
        not models.endswith("/") or not any(name.startswith(models) for name in manifest.files)
    ):
        msg = f"{MANIFEST}: models is {models!r}, which is no folder of its files"
        raise BundleError(msg)


def _files(fields: Mapping[str, Any]) -> dict[str, str]:
    files = fields.get("files")
    if not isinstance(files, dict) or not 0 < len(files) <= MAX_FILES:
        raise BundleError(f"{MANIFEST}: files is no table of 1 to {MAX_FILES} files")
    for name, sha256 in files.items():
        if not safe_path(name) or name in (MANIFEST, SIGNATURE):
            msg = f"{MANIFEST} names the file {name!r}, which a bundle may not hold"
            raise BundleError(msg)
        if not isinstance(sha256, str) or not _SHA256.match(sha256):
            msg = f"{MANIFEST}: the SHA-256 of {name} is {sha256!r}"
            raise BundleError(msg)
    return dict(files)


def _requires(fields: Mapping[str, Any]) -> Requires:
    found = fields.get("requires")
    if not isinstance(found, dict):
        msg = f"{MANIFEST}: requires is missing"
        raise BundleError(msg)
    glibc = found.get("glibc")
    if not (isinstance(glibc, list) and len(glibc) == 2 and all(type(part) is int for part in glibc)):
        msg = f"{MANIFEST}: requires.glibc is {glibc!r}, not two whole numbers"
        raise BundleError(msg)
    return Requires(
        machines=_texts(found, "machines"),
        bits=_whole(found, "bits"),
        glibc=(glibc[0], glibc[1]),
        python=_text(found, "python"),
        system_site_packages=found.get("system_site_packages") is True,
        modules=_texts(found, "modules"),
        apt=_texts(found, "apt"),
    )


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value:
        msg = f"{MANIFEST}: {key} is {value!r}, not a text"
        raise BundleError(msg)
    return value


def _optional_text(fields: Mapping[str, Any], key: str) -> str | None:
    return None if fields.get(key) is None else _text(fields, key)


def _texts(fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = fields.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        msg = f"{MANIFEST}: {key} is {values!r}, not a list of texts"
        raise BundleError(msg)
    return tuple(values)


def _whole(fields: Mapping[str, Any], key: str) -> int:
    value = fields.get(key)
    if type(value) is not int or value < 0:
        msg = f"{MANIFEST}: {key} is {value!r}, not a whole number"
        raise BundleError(msg)
    return value


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return what the zip holds, by name: plain files with names that stay below their folder, each once."""
    entries: dict[str, zipfile.ZipInfo] = {}
    folded = set()
    for info in archive.infolist():
        name = info.filename
        if not safe_path(info.orig_filename) or name != info.orig_filename:
            msg = f"holds {info.orig_filename!r}, a name that could leave the folder it is unpacked into"
            raise BundleError(msg)
        mode = info.external_attr >> 16
        if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            msg = f"holds {name}, which is no plain file"
            raise BundleError(msg)
        if name.lower() in folded:
            msg = f"holds {name} twice"
            raise BundleError(msg)
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            msg = f"holds {name} compressed or encrypted; a bundle's files are stored as they are"
            raise BundleError(msg)
        folded.add(name.lower())
        entries[name] = info
    return entries


def _as_declared(entries: Mapping[str, zipfile.ZipInfo], manifest: Manifest) -> dict[str, zipfile.ZipInfo]:
    """Return the entries that the manifest names; there may be no other, and none may be missing."""
    held = {name: info for name, info in entries.items() if name not in (MANIFEST, SIGNATURE)}
    for name in sorted(set(held) - set(manifest.files)):
        msg = f"holds {name}, which its manifest does not name"
        raise BundleError(msg)
    for name in sorted(set(manifest.files) - set(held)):
        msg = f"lacks {name}, which its manifest names"
        raise BundleError(msg)
    size = sum(info.file_size for info in held.values())
    if size != manifest.bytes:
        raise BundleError(f"holds {size} bytes of files, its manifest says {manifest.bytes}")
    return held


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
