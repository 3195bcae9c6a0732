"""Plain values as YAML that people can read: block lists and mappings, every string in double quotes.

A JSON string is a YAML string in double quotes (YAML 1.2.2, 1.1 and 7.3.1), so that nothing is ever taken for a number
or a yes. Enough for provisioning files, and no package.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_STEP: Final = "  "


def to_yaml(value: Mapping[str, Any], comment: str = "") -> str:
    """Return the document, with ``comment`` on lines of its own above it."""
    above = [f"# {line}" for line in comment.splitlines()]
    return "\n".join([*above, *_lines(value, "")]) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _entry(f"{indent}{name}:", one, indent)
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


def _scalar(value: Any) -> str:
    return json.dumps(value)
