"""catalog.toml read, checked, extended and written, so that the same content is the same bytes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from edge_agent.model_catalog import CATALOG_NAME, check_ids
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import read_toml
from edgejoule.zoo.entry import Catalog, Family, ModelEntry
from edgejoule.zoo.text_files import refuse_control_characters, toml_text, write_in_one_step

HEADER: Final = """\
# Models and the families that they belong to. Paths are relative to this file.
# 'edgejoule models train' and 'edgejoule models import' write it; edgejoule/zoo/entry.py says what each key means.
"""


def read_catalog(directory: Path) -> Catalog:
    """Return the catalogue in ``directory``.

    Raises ConfigurationError, also for an id that stands twice, for a model without its family, and for texts with
    control characters.
    """
    path = directory / CATALOG_NAME
    catalog = read_toml(path, Catalog)
    check_ids(path, [family.id for family in catalog.family], [(entry.id, entry.family) for entry in catalog.model])
    refuse_control_characters(catalog, str(path))
    return catalog


def find_entry(directory: Path, model_id: str) -> ModelEntry:
    """Return one model. Raises ConfigurationError that lists the known ones."""
    entries = read_catalog(directory).model
    found = next((entry for entry in entries if entry.id == model_id), None)
    if found is None:
        known = ", ".join(entry.id for entry in entries) or "none"
        raise ConfigurationError(f"model {model_id!r} is not in {directory / CATALOG_NAME}; known: {known}")
    return found


def find_family(directory: Path, name: str) -> Family:
    """Return the family that is named, or whose model is. Raises ConfigurationError that lists the known ones."""
    catalog = read_catalog(directory)
    by_model = {entry.id: entry.family for entry in catalog.model}
    found = next((family for family in catalog.family if family.id == by_model.get(name, name)), None)
    if found is None:
        known = ", ".join(family.id for family in catalog.family) or "none"
        raise ConfigurationError(
            f"{name!r} is neither a family nor a model of {directory / CATALOG_NAME}; families: {known}"
        )
    return found


def with_family(catalog: Catalog, family: Family, models: Sequence[ModelEntry]) -> Catalog:
    """Return the catalogue with one family and its models in the place of those of the same id, else at the end."""
    families = [family if one.id == family.id else one for one in catalog.family]
    if family not in families:
        families.append(family)
    order = [one.id for one in families]
    kept = [one for one in catalog.model if one.family != family.id]
    return Catalog(family=families, model=sorted([*kept, *models], key=lambda one: order.index(one.family)))


def write_catalog(directory: Path, catalog: Catalog) -> Path:
    """Write catalog.toml in one step and return its path. Raises ConfigurationError if it cannot be written."""
    path = directory / CATALOG_NAME
    refuse_control_characters(catalog, str(path))
    write_in_one_step(path, catalog_text(catalog))
    return path


def catalog_text(catalog: Catalog) -> str:
    """Return the catalogue as TOML."""
    tables = [*(_table("family", one) for one in catalog.family), *(_table("model", one) for one in catalog.model)]
    return "\n".join([HEADER, *tables])


def _table(kind: str, struct: msgspec.Struct) -> str:
    return f"[[{kind}]]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in _stated(struct))


def _stated(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """Yield what the struct says beyond its defaults."""
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if value is not None and value != default:
            yield field.encode_name, value


def _value(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in _stated(value)) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return toml_text(value)
    return repr(value)
