"""Plain values as YAML that people can read: block lists and mappings, every string in double quotes.

Quoted, nothing is ever taken for a number or a yes. JSON's escapes are also YAML's (YAML 1.2.2, 5.7), but for one: a
character beyond U+FFFF has a form of its own. Enough for provisioning files, and no package.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_STEP: Final = "  "
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NO_NAMES: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""What YAML takes for something else, in whatever case."""
_LAST_SHORT: Final = 0xFFFF


def to_yaml(value: Mapping[str, Any], comment: str = "") -> str:
    """Return the document, with ``comment`` on lines of its own above it."""
    above = [f"# {line}" for line in comment.splitlines()]
    return "\n".join([*above, *_lines(value, "")]) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _entry(f"{indent}{_name(name)}:", one, indent)
    else:
        for one in value:
            first, *rest = _lines(one, indent + _STEP) if _is_block(one) else [f"{indent}{_STEP}{_scalar(one)}"]
            yield f"{indent}- {first[len(indent) + len(_STEP) :]}"
            yield from rest


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if not _is_block(value):
        yield f"{head} {_scalar(value)}"
        return
    yield head
    yield from _lines(value, indent + _STEP)


def _is_block(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and bool(value)


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) and name.lower() not in _NO_NAMES else _scalar(name)


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    escaped = (f"\\U{ord(one):08x}" if ord(one) > _LAST_SHORT else json.dumps(one)[1:-1] for one in value)
    return f'"{"".join(escaped)}"'
