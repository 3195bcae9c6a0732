"""Models for a bundle: a catalogue with some of the models of another, each file verified."""

from collections.abc import Sequence
from pathlib import Path

from edge_agent.model_catalog import CATALOG_NAME, find_model, open_check_set, open_model
from edge_agent.wire.errors import ConfigurationError
from edgejoule.zoo.catalog_file import catalog_text, read_catalog
from edgejoule.zoo.entry import Catalog, Family
from edgejoule.zoo.family_files import CARD_NAME


def catalogue_files(directory: Path, ids: Sequence[str]) -> dict[str, bytes]:
    """Return the files of a catalogue with the models ``ids`` of the one in ``directory``; all if none is named.

    Raises ConfigurationError, also for a file that is not the one that the catalogue names.
    """
    catalog = read_catalog(directory)
    wanted = list(dict.fromkeys(ids)) or [entry.id for entry in catalog.model]
    if not wanted:
        raise ConfigurationError(f"{directory / CATALOG_NAME}: holds no model; name another folder with --models")
    files: dict[str, bytes] = {}
    for model_id in wanted:
        model = find_model(model_id, directory)
        entry = next(one for one in catalog.model if one.id == model_id)
        files[entry.file] = open_model(model).data
        open_check_set(model)
    families = [
        one for one in catalog.family if any(entry.id in wanted for entry in catalog.model if entry.family == one.id)
    ]
    for family in families:
        files |= _of_family(directory, family)
    kept = Catalog(family=families, model=[entry for entry in catalog.model if entry.id in wanted])
    return {**files, CATALOG_NAME: catalog_text(kept).encode()}


def _of_family(directory: Path, family: Family) -> dict[str, bytes]:
    names = [name for name in (family.check_set, family.recipe, f"{family.id}/{CARD_NAME}") if name]
    return {name: (directory / name).read_bytes() for name in names if (directory / name).is_file()}
