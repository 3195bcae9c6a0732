"""Work that is cut off before a given change of the file system, as by a power cut."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final


class PowerCutError(BaseException):
    """Ends the process's work in the middle of it."""


_CHANGES: Final = ("os.rename", "os.remove", "os.rmdir", "os.symlink", "os.mkdir", "shutil.rmtree")
_ACTIVE: Final[list[list[int]]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if not _ACTIVE or not (event in _CHANGES or (event == "open" and _writes(arguments))):
        return
    _ACTIVE[0][0] -= 1
    if _ACTIVE[0][0] < 0:
        _ACTIVE.clear()
        raise PowerCutError


def _writes(arguments: tuple[object, ...]) -> bool:
    return isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


sys.addaudithook(_audit)


def cut_before(number: int, work: Callable[[], object]) -> bool:
    """Do the work up to its change of this number; tell whether it came that far."""
    _ACTIVE[:] = [[number]]
    done = False
    with suppress(PowerCutError):
        work()
        done = True
    _ACTIVE.clear()
    return not done
