"""The files of a family: a new folder that is there whole or not at all, a family put into a catalogue, its card."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.zoo.card import card
from edgejoule.zoo.catalog_file import read_catalog, with_family, write_catalog
from edgejoule.zoo.entry import Catalog, Family
from edgejoule.zoo.latency import read_latencies

CARD_NAME: Final = "card.md"


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``path`` when the block ends well and vanishes when it does not.

    Raises ConfigurationError where ``path`` holds something, or cannot be made.
    """
    target = path.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError(f"{path}: there is something already; name a new folder")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be made: {error.strerror}; name a folder of yours") from error
    try:
        yield part
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def replace_family(made: Path, directory: Path) -> list[str]:
    """Put the one family of the catalogue ``made`` into the catalogue ``directory``, in the place of its former self.

    Return the families that use its check set and pin another one, so that they have to be trained again. The
    family's folder changes in one step, then the catalogue; should the second fail, the first is undone. Raises
    ConfigurationError.
    """
    source = read_catalog(made)
    (family,) = source.family
    target = directory / family.id
    new, old = (directory / f".{family.id}.{os.getpid()}.{word}" for word in ("new", "old"))
    before = _catalog_or_none(directory)
    taken = {entry.id: entry.family for entry in before.model if entry.family != family.id}
    for entry in source.model:
        if entry.id in taken:
            raise ConfigurationError(
                f"{directory}: model {entry.id!r} belongs to family {taken[entry.id]!r}; give the recipe's another id"
            )
    catalog = with_family(before, family, source.members(family.id))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made / family.id, new)
        if target.exists():
            target.rename(old)
        new.rename(target)
        write_catalog(directory, catalog)
    except (OSError, ConfigurationError) as error:
        _undo(target, old)
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{target}: cannot be written: {error.strerror}; name a folder of yours") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    write_card(directory, catalog, family)
    pinned = family.check_set_sha256
    return [
        one.id for one in catalog.family if one.check_set == family.check_set != "" and one.check_set_sha256 != pinned
    ]


def write_card(directory: Path, catalog: Catalog, family: Family) -> Path:
    """Write the card of a family beside its models, with the latencies that are known here. Return its path."""
    path = directory / family.id / CARD_NAME
    path.write_text(card(family, catalog.members(family.id), read_latencies(directory)), encoding="utf-8")
    return path


def _catalog_or_none(directory: Path) -> Catalog:
    return read_catalog(directory) if (directory / "catalog.toml").exists() else Catalog()


def _undo(target: Path, old: Path) -> None:
    if old.exists():
        shutil.rmtree(target, ignore_errors=True)
        old.rename(target)
