"""What a Grafana has otherwise than it is wanted. Pure.

A server adds much of its own to what it is given: ids, versions, defaults. So what is wanted is compared, and all else
of an object is left to the server; of a list every element counts, since one more panel is a difference. A server may
also leave out what is empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

_NAMES: Final = ("title", "refId", "name", "uid", "id")
"""What may tell the elements of a list apart, the first that all of them have, each only once."""
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})
_LONGEST: Final = 60


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One place. ``was`` and ``becomes``: as JSON, shortened; None for what is not there."""

    path: str
    was: str | None
    becomes: str | None

    def __str__(self) -> str:
        """Return the difference as one line."""
        if self.was is None:
            return f"{self.path}: + {self.becomes}"
        if self.becomes is None:
            return f"{self.path}: - {self.was}"
        return f"{self.path}: {self.was} -> {self.becomes}"


def differences(wanted: Any, present: Any) -> list[Difference]:
    """Return where ``present`` is not as ``wanted``, in the order of ``wanted``; empty when nothing has to be done."""
    return list(_differences("", wanted, present))


def _differences(path: str, wanted: Any, present: Any) -> Iterator[Difference]:
    if isinstance(wanted, Mapping) and isinstance(present, Mapping):
        for name, value in wanted.items():
            place = f"{path}.{name}" if path else name
            if name in present:
                yield from _differences(place, value, present[name])
            elif value not in _EMPTY:
                yield Difference(path=place, was=None, becomes=_short(value))
    elif _is_list(wanted) and _is_list(present):
        yield from _in_lists(path, wanted, present)
    elif type(wanted) is bool or type(present) is bool:
        if wanted is not present:
            yield Difference(path=path, was=_short(present), becomes=_short(wanted))
    elif wanted != present:
        yield Difference(path=path, was=_short(present), becomes=_short(wanted))


def _in_lists(path: str, wanted: Sequence[Any], present: Sequence[Any]) -> Iterator[Difference]:
    name = _name_of(wanted, present)
    ours = _by_key(wanted, name)
    theirs = _by_key(present, name)
    for key, value in ours.items():
        place = f"{path}[{key}]"
        if key in theirs:
            yield from _differences(place, value, theirs[key])
        else:
            yield Difference(path=place, was=None, becomes=_short(value))
    for key in theirs.keys() - ours.keys():
        yield Difference(path=f"{path}[{key}]", was=_short(theirs[key]), becomes=None)


def _name_of(*lists: Sequence[Any]) -> str | None:
    for name in _NAMES:
        if all(_tells_apart(name, one) for one in lists):
            return name
    return None


def _tells_apart(name: str, elements: Sequence[Any]) -> bool:
    if not all(isinstance(one, Mapping) and isinstance(one.get(name), str | int) for one in elements):
        return False
    return len({one[name] for one in elements}) == len(elements)


def _by_key(elements: Sequence[Any], name: str | None) -> dict[str, Any]:
    if name is None:
        return {str(index): one for index, one in enumerate(elements)}
    return {str(one[name]): one for one in elements}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
