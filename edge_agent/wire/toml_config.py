"""How a TOML file becomes a frozen, typed struct, for every configuration of both ends."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text

T = TypeVar("T")
TOML_REMEDY: Final = "name an existing TOML file"
_UNKNOWN: Final = re.compile(
    r"(?:Object contains unknown field `|Invalid enum value ')(.*?)[`'](?: - at `\$\.?(.*?)`)?"
)

_SHA256: Final = r"Expected `str` matching regex '^[0-9a-f]{64}\\Z'"


def decode_toml(text: str, into: type[T], where: str) -> T:
    """Decode ``text`` into ``into``; raise ConfigurationError with one line that names the place and the fault."""
    return convert_document(parse_toml(text, where), into, where)


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return what ``text`` says, not yet looked at. Raises ConfigurationError."""
    try:
        document = tomllib.loads(text)
        place = _nul_in(document)
    except (ValueError, RecursionError) as error:  # the parser's, also for thousands of digits or of brackets
        raise ConfigurationError(f"{where}: not valid TOML: {error}") from error
    if place is not None:
        raise ConfigurationError(f"{where}: `{place}` holds the character NUL, which no name can; remove it")
    return document


def convert_document(document: object, into: type[T], where: str) -> T:
    """Return a document, or a part of one, as ``into``. Raises ConfigurationError as ``decode_toml``."""
    try:
        return msgspec.convert(document, into)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {_plain(str(error))}{_known(str(error), into)}") from error
    except (ValueError, RecursionError) as error:  # of numbers and nestings beyond what the types can hold
        raise ConfigurationError(f"{where}: not valid TOML: {error}") from error


def read_toml(path: Path, into: type[T]) -> T:
    """Read and decode the TOML file at ``path``. Raises ConfigurationError."""
    return decode_toml(read_text(path, remedy=TOML_REMEDY), into, str(path))


def _nul_in(value: Any, place: str = "") -> str | None:
    """Return where a text holds NUL, None for nowhere: the system's calls end a name there, Python's refuse it."""
    if isinstance(value, str):
        return place if "\0" in value else None
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = (_nul_in(entry, f"{place}.{key}".lstrip(".")) for key, entry in entries)
    return next((one for one in found if one is not None), None)


def _plain(message: str) -> str:
    """Turn "Object contains unknown field `x` - at `$.meter`" into words that a TOML author uses."""
    return (
        message.replace(_SHA256, "expected 64 digits 0 to 9 and a to f, as sha256sum FILE prints them,")
        .replace("Object contains unknown field", "unknown key")
        .replace("Object missing required field", "missing key")
        .replace(" - at `$.", " in `")
        .replace(" - at `$`", "")
    )


def _known(message: str, into: Any) -> str:
    """Return what an unknown key or word could have been: the nearest names, or all that there are."""
    match = _UNKNOWN.fullmatch(message)
    if match is None:
        return ""
    table = msgspec.inspect.type_info(into)
    for step in re.findall(r"\[\.\.\.\]|[^.\[\]]+", match[2] or ""):
        table = _inside(table, step)
    names = [str(value) for value in table.values] if isinstance(table, msgspec.inspect.LiteralType) else []
    if isinstance(table, msgspec.inspect.StructType):
        names = [field.encode_name for field in table.fields]
    near = difflib.get_close_matches(match[1], names)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    words = "it is one of" if isinstance(table, msgspec.inspect.LiteralType) else "it knows"
    return f"; {words} {', '.join(names)}" if names else ""


def _inside(table: Any, step: str) -> Any:
    """Return the type that stands under ``step`` (a key, or the index of a list)."""
    if isinstance(table, msgspec.inspect.StructType):
        table = next((field.type for field in table.fields if field.encode_name == step), None)
    else:
        table = getattr(table, "item_type", getattr(table, "value_type", None))
    if isinstance(table, msgspec.inspect.UnionType):
        return next((kind for kind in table.types if not isinstance(kind, msgspec.inspect.NoneType)), None)
    return table
