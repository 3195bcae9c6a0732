"""Where a lake's files lie: a directory of this machine, or any address that fsspec reaches. Names are relative.

A file appears whole or not at all. In a local directory it is written under another name, fsynced and renamed. An
object store shows an object when it is complete, so it is written as one; where there are names to change (FTP, SFTP,
SMB, HDFS) it is renamed there. At an address what was written is read back and compared before anybody relies on it.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Protocol

import pyarrow.fs as pafs

from collector.store_config import LakeUrl, LakeWhere
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text

PATTERN: Final = "date=*/*.parquet"
_RENAMING: Final = frozenset({"ftp", "sftp", "ssh", "smb", "hdfs", "arrow_hdfs", "webhdfs", "webdav", "dav"})
_LOCAL: Final = ("file://", "local://")
_LIBRARY_ERRORS: Final = (
    ("aiohttp", "ClientError"),
    ("azure.core.exceptions", "AzureError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("ftplib", "Error"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("paramiko", "SSHException"),
    ("smbprotocol.exceptions", "SMBException"),
)
"""What file systems raise beside OSError, by where it is defined; each is looked up only where it is loaded."""


class Place(Protocol):
    """A lake's files. Every method raises OSError when the place cannot be read or written."""

    where: str

    def names(self) -> list[str]:
        """Return the names of the Parquet files of all days."""
        ...

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        ...

    def open(self, name: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        """Open a file for reading."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a file as a whole, replace what has its name, and return when it is there for good."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...

    def readable(self, names: list[str]) -> contextlib.AbstractContextManager[tuple[str, Any]]:
        """Give the directory and the file system under which pyarrow finds these files."""
        ...

    def close(self) -> None:
        """Let go of connections; a later use opens them again."""
        ...


def place_of(where: LakeWhere, below: str = "") -> Place:
    """Return the place at ``where``, or the directory ``below`` it; nothing is opened before it is used.

    Raises ConfigurationError for an address that fsspec does not know, or whose package is not installed.
    """
    if isinstance(where, Path):
        return LocalPlace(where / below)
    for prefix in _LOCAL:
        if where.url.startswith(prefix):
            return LocalPlace(Path(where.url.removeprefix(prefix)) / below)
    return UrlPlace(where, below)


class LocalPlace:
    """A directory of this machine."""

    def __init__(self, directory: Path) -> None:
        self.where = str(directory)
        self._directory = directory

    def names(self) -> list[str]:
        """Return the names of the Parquet files of all days."""
        return [path.relative_to(self._directory).as_posix() for path in self._directory.glob(PATTERN)]

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        return (self._directory / name).exists()

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading."""
        return (self._directory / name).open("rb")

    def write(self, name: str, content: bytes) -> None:
        """Write, fsync and rename; the names of new directories are fsynced too."""
        path = self._directory / name
        folder = path.parent
        if not folder.is_dir():
            folder.mkdir(parents=True)
            _fsync_directory(self._directory)
        # A dot in front: readers of a Parquet folder pass such files over, so a torn one is never read.
        temporary = folder / f".{path.name}.tmp"
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _fsync_directory(folder)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self._directory / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def readable(self, names: list[str]) -> Iterator[tuple[str, Any]]:  # noqa: ARG002  they lie there
        """Give the directory and pyarrow's own file system."""
        yield str(self._directory), pafs.LocalFileSystem()

    def close(self) -> None:
        """Nothing is open between two calls."""


class UrlPlace:
    """A directory or a prefix that fsspec reaches. It is opened at the first use, and anew after an error."""

    def __init__(self, where: LakeUrl, below: str = "") -> None:
        self.where = f"{where.url.rstrip('/')}/{below}" if below else where.url
        self._url = where
        self._below = below
        self._protocol = where.url.split("::", 1)[0].split("://", 1)[0]
        _check_installed(where.url, self._protocol)
        self._opened: tuple[Any, str] | None = None

    def names(self) -> list[str]:
        """Return the names of the Parquet files of all days."""
        with self._reached() as (files, root):
            start = len(root) + 1
            return [path[start:] for path in _found(files, root) if PurePosixPath(path[start:]).match(PATTERN)]

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        with self._reached() as (files, root):
            return bool(files.exists(f"{root}/{name}"))

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading."""
        with self._reached() as (files, root), files.open(f"{root}/{name}", "rb") as file:
            yield file

    def write(self, name: str, content: bytes) -> None:
        """Write the whole file, renamed where that is the way, and read it back."""
        with self._reached() as (files, root):
            path = f"{root}/{name}"
            folder, _, plain = path.rpartition("/")
            if self._protocol in _RENAMING:
                files.makedirs(folder, exist_ok=True)
                files.pipe_file(temporary := f"{folder}/.{plain}.tmp", content)
                _rename(files, temporary, path)
            else:
                files.pipe_file(path, content)  # no directories there, and no bucket is made by mistake
            files.invalidate_cache()
            if files.cat_file(path) != content:
                raise OSError(f"{name} reads back as something else than what was written")

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self._reached() as (files, root):
            files.rm_file(f"{root}/{name}")

    @contextlib.contextmanager
    def readable(self, names: list[str]) -> Iterator[tuple[str, Any]]:
        """Give pyarrow's view of an object store; what has one connection, which no threads may share, is copied."""
        with self._reached() as (files, root):
            if self._protocol not in _RENAMING:
                yield root, pafs.PyFileSystem(pafs.FSSpecHandler(files))
                return
            with tempfile.TemporaryDirectory(prefix="edgejoule-lake-") as copy:
                for name in names:
                    target = Path(copy, name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    files.get_file(f"{root}/{name}", str(target))
                yield copy, pafs.LocalFileSystem()

    def close(self) -> None:
        """Let go of the file system, whose connections end with it."""
        self._opened = None

    @contextlib.contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        """Give the file system and the root; what goes wrong inside is an OSError in one line."""
        try:
            if self._opened is None:
                self._opened = self._open()
            self._opened[0].invalidate_cache()  # another collector may write here too
            yield self._opened
        except _troubles() as error:
            self._opened = None
            raise OSError(_one_line(error)) from error

    def _open(self) -> tuple[Any, str]:
        import fsspec  # noqa: PLC0415  only where a lake is not a directory

        options = {"skip_instance_cache": True} | _resolved(self._url.options)  # ours alone, so that close() ends it
        files, root = fsspec.core.url_to_fs(self._url.url, **options)
        return files, "/".join(filter(None, (root.rstrip("/"), self._below)))


def _found(files: Any, root: str) -> list[str]:
    try:
        return list(files.find(root))
    except FileNotFoundError:
        return []


def _rename(files: Any, temporary: str, path: str) -> None:
    try:
        files.mv(temporary, path)
    except _troubles():
        if not files.exists(path):
            raise
        files.rm_file(path)  # a server that does not replace: the rows are in the journal until we have returned
        files.mv(temporary, path)


def _check_installed(url: str, protocol: str) -> None:
    from fsspec.registry import get_filesystem_class  # noqa: PLC0415  see above

    try:
        get_filesystem_class(protocol)
    except ValueError as error:
        raise ConfigurationError(
            f"lake {url}: fsspec knows no {protocol}://; its kinds are s3, gs, abfs, sftp, ftp, smb, webdav, ..."
        ) from error
    except ImportError as error:
        package = (getattr(error.__cause__, "name", None) or protocol).partition(".")[0]
        raise ConfigurationError(f"lake {url}: {protocol}:// needs a package: pip install {package}") from error


def _resolved(options: dict[str, Any]) -> dict[str, Any]:
    """Return ``options`` with what the named files hold. Raises OSError when one cannot be read."""
    return {name: _value(value, name) for name, value in options.items()}


def _value(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) != {"file"}:
        return _resolved(value)
    try:
        return read_text(Path(value["file"]), f"lake.options.{name} {value['file']}").strip()
    except ConfigurationError as error:
        raise OSError(str(error)) from error


def _troubles() -> tuple[type[Exception], ...]:
    """Return what may go wrong with a store, as far as it is loaded."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _LIBRARY_ERRORS)
    loaded = (kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception))
    return (OSError, EOFError, *loaded)


def _one_line(error: BaseException) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(words).split())[:300]


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
