"""The files of a family: a new folder that is there whole or not at all, a family put into a catalogue, its card."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from edge_agent.model_catalog import CATALOG_NAME
from edge_agent.wire.errors import ConfigurationError
from edgejoule.signals import STOP_SIGNALS, held_back
from edgejoule.zoo.card import card
from edgejoule.zoo.catalog_file import read_catalog, with_family, write_catalog
from edgejoule.zoo.entry import Catalog, Family
from edgejoule.zoo.latency import Latency, read_latencies
from edgejoule.zoo.text_files import cannot_write, write_in_one_step

CARD_NAME: Final = "card.md"
_PART: Final = "edgejoule.part"


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder whose content is in ``path`` when the block ends well, and vanishes when it does not.

    An empty folder that is there already stays the same one: it may be a mount point, or where somebody works. What a
    process left that was killed is taken over. Raises ConfigurationError where ``path`` holds something, cannot be
    made, or belongs to somebody who writes it just now.
    """
    target = path.resolve()
    part = target / f".{_PART}" if target.is_dir() else target.with_name(f".{target.name}.{_PART}")
    _refuse_filled(path, part)
    with _taken(part, path):
        kept = False
        try:
            _refuse_filled(path, part)
            for left_over in part.iterdir():
                shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
            yield part
            kept = True
            _settle(part, target)
            kept = False
        finally:
            if not kept:
                shutil.rmtree(part, ignore_errors=True)


def _refuse_filled(path: Path, part: Path) -> None:
    if path.exists() and (not path.is_dir() or any(one.name != part.name for one in path.iterdir())):
        raise ConfigurationError(f"{path}: there is something already; name a new folder")


@contextmanager
def _taken(part: Path, path: Path) -> Iterator[None]:
    """Hold the folder ``part`` as the only process that writes into it."""
    try:
        part.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_RDONLY)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be made: {error.strerror}; name a folder of yours") from error
    try:
        is_mine = _locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not is_mine or not part.exists() or not os.path.samestat(os.fstat(descriptor), part.stat()):
            raise ConfigurationError(f"{path}: another process is writing it; wait for that, or name another folder")
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    """Lock an open folder; False where another process holds it. A file system without locks locks nothing."""
    with suppress(OSError):
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError:
            return False
    return True


def _settle(part: Path, target: Path) -> None:
    """Move what was made to its place, the catalogue last."""
    try:
        if not target.is_dir():
            part.rename(target)
            return
        for one in sorted(part.iterdir(), key=lambda one: one.name == CATALOG_NAME):
            one.rename(target / one.name)
        part.rmdir()
    except OSError as error:
        raise ConfigurationError(
            f"{target}: cannot be put there: {error.strerror}; what was made lies in {part}"
        ) from error


def replace_family(made: Path, directory: Path, check: Callable[[], object] = lambda: None) -> list[str]:
    """Put the one family of the catalogue ``made`` into the catalogue ``directory``, in the place of its former self.

    Return the families that use its check set and pin another one, so that they have to be trained again. The
    family's folder changes in one step, then the catalogue; should the second fail, the first is undone. Two processes
    wait for each other; ``check`` runs when it is this one's turn, and raises to leave all as it is. Raises
    ConfigurationError.
    """
    source = read_catalog(made)
    (family,) = source.family
    with _turn(directory):
        check()
        before = read_catalog(directory) if (directory / CATALOG_NAME).exists() else Catalog()
        taken = {entry.id: entry.family for entry in before.model if entry.family != family.id}
        for entry in source.model:
            if entry.id in taken:
                raise ConfigurationError(
                    f"{directory}: model {entry.id!r} belongs to family {taken[entry.id]!r}; give the recipe's "
                    "another id"
                )
        catalog = with_family(before, family, source.members(family.id))
        with held_back(STOP_SIGNALS):
            _exchange(made, directory, catalog, family)
    pinned = family.check_set_sha256
    return [
        one.id for one in catalog.family if one.check_set == family.check_set != "" and one.check_set_sha256 != pinned
    ]


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    """Make the catalogue's folder if there is none, and wait until no other process changes it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise cannot_write(directory, error) from error
    try:
        _locked(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _exchange(made: Path, directory: Path, catalog: Catalog, family: Family) -> None:
    target = directory / family.id
    new, old = (directory / f".{family.id}.{os.getpid()}.{word}" for word in ("new", "old"))
    was_there, is_changed = target.exists(), False
    try:
        shutil.copytree(made / family.id, new)
        write_card(new, catalog, family, read_latencies(directory))
        is_changed = True
        if was_there:
            target.rename(old)
        new.rename(target)
        write_catalog(directory, catalog)
    except (OSError, ConfigurationError) as error:
        if is_changed and (old.exists() or not was_there):
            shutil.rmtree(target, ignore_errors=True)
        if old.exists():
            old.rename(target)
        if isinstance(error, ConfigurationError):
            raise
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_card(folder: Path, catalog: Catalog, family: Family, latencies: Sequence[Latency]) -> Path:
    """Write the card of a family into its ``folder``, with the latencies that are known. Return its path."""
    path = folder / CARD_NAME
    write_in_one_step(path, card(family, catalog.members(family.id), latencies))
    return path


def check_writable(directory: Path) -> None:
    """Raise ConfigurationError unless files can be put into ``directory``."""
    probe = directory / f".{os.getpid()}.probe"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise cannot_write(directory, error) from error
