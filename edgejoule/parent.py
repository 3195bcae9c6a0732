"""A child that must not outlive the process that started it, even when that one is killed outright."""

import ctypes
import os
import signal
from typing import Final

_VARIABLE: Final = "EDGEJOULE_DIE_WITH_PARENT"
_PR_SET_PDEATHSIG: Final = 1


def environment_of_child() -> dict[str, str]:
    """Return this process's environment with the wish added, for ``subprocess.Popen(env=...)``."""
    return {**os.environ, _VARIABLE: str(os.getpid())}


def die_with_parent_if_asked() -> None:
    """Have the kernel send SIGTERM to this process when its parent dies, if the parent wished so (Linux only)."""
    parent = os.environ.pop(_VARIABLE, "")
    if not parent:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != int(parent):  # it died before the kernel was told
        os.kill(os.getpid(), signal.SIGTERM)
