"""The text files beside models: written in one step, and without what a terminal or a TOML reader trips over."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from edge_agent.wire.errors import ConfigurationError

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and line feed, and halves of a character, which stand for bytes that are no UTF-8."""


def toml_text(text: str) -> str:
    """Return a string as TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def refuse_control_characters(value: Any, where: str) -> None:
    """Raise ConfigurationError if a text in ``value``, a struct or a list of them, could do things to a terminal."""
    found = next((text for text in _texts(msgspec.to_builtins(value)) if _CONTROL.search(text)), None)
    if found is not None:
        raise ConfigurationError(f"{where}: {found[:80]!r} holds control characters; take them out")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def write_in_one_step(path: Path, text: str) -> None:
    """Write ``text`` so that the file is as before or whole. Raises ConfigurationError if it cannot be written."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> ConfigurationError:
    """Return what to say of a file or folder that could not be written."""
    reason = error.strerror
    if isinstance(error, shutil.Error):  # of a tree; what is said of its first file
        reason = re.sub(r"^\[Errno \d+\] ([^:]*).*", r"\1", error.args[0][0][2])
    return ConfigurationError(f"{path}: cannot be written: {reason}; make room, or name a folder of yours")
