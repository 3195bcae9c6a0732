"""How pip is told of another machine: the platforms whose wheels it may take, and what markers are true there."""

from collections.abc import Mapping
from typing import Final

from edgejoule.deploy.targets import Target

_OLDEST_MINOR: Final = 17  # manylinux2014


def pip_platform(target: Target) -> list[str]:
    """Return pip's options for a target's wheels, its C library's first."""
    newest = target.glibc_version[1]
    tags = [f"manylinux_2_{minor}_{target.arch}" for minor in range(newest, _OLDEST_MINOR - 1, -1)]
    tags += [f"manylinux2014_{target.arch}", f"linux_{target.arch}"]
    python = f"cp{target.python.replace('.', '')}"
    options = ["--only-binary=:all:", "--implementation", "cp", "--python-version", target.python]
    options += [word for abi in (python, "abi3", "none") for word in ("--abi", abi)]
    return options + [word for tag in tags for word in ("--platform", tag)]


def marker_environment(target: Target) -> Mapping[str, str]:
    """Return what the markers of requirements see on a target. A 32-bit system counts as armv7l there."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{target.python}.0",
        "os_name": "posix",
        "platform_machine": target.arch,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{target.python}.0",
        "python_version": target.python,
        "sys_platform": "linux",
        "extra": "",
    }
