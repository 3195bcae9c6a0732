"""A table as TOML: what ``tomllib`` reads back as the same."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


def toml_text(document: Mapping[str, Any], *, below: tuple[str, ...] = ()) -> str:
    """Return the document: plain keys first, then each table under its name. Raises TypeError for what TOML lacks.

    ``below``: the names of the table that it stands in; its own head is then left to the caller.
    """
    return "\n".join(_lines(document, below, head=False))


def _lines(table: Mapping[str, Any], path: tuple[str, ...], *, head: bool = True) -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    if head and (lines or not table):
        lines = [f"[{'.'.join(map(_key, path))}]", *lines]
    if lines:
        lines.append("")
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _lines(value, (*path, key))
    return lines


def _key(key: str) -> str:
    return key if _BARE.match(key) else _string(key)


def _string(text: str) -> str:
    """Return a basic string: JSON's escapes are among TOML's, but JSON leaves U+007F as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    raise TypeError(f"TOML has no {type(value).__name__}")
