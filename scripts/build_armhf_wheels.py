#!/usr/bin/env python3
"""Build what bookworm-armhf has no published wheel of: ``.venv/bin/python scripts/build_armhf_wheels.py DIR``.

Cross-compiles the source archives that ``deploy/board/constraints/bookworm-armhf.txt`` pins, on any PC with the Debian
package gcc-arm-linux-gnueabihf and the Python of that target, so that no board needs a compiler. The headers of the
board's Python are taken from Debian's libpython3.11-dev for armhf, fetched by apt into a folder of its own; or from
``--headers``, a folder with usr/include. The same compiler and setuptools make the same bytes. Then:
``edgejoule deploy bundle --target bookworm-armhf --wheelhouse DIR``.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

REPOSITORY: Final = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from edge_agent.wire.errors import ConfigurationError  # noqa: E402
from edgejoule.deploy.locks import Locked, lock_path, read_lock  # noqa: E402
from edgejoule.deploy.targets import Target, find_target  # noqa: E402
from scripts.debian_packages import MIRROR, fetch_packages, run, unpack  # noqa: E402

COMPILER: Final = "arm-linux-gnueabihf-gcc"
TARGET: Final = "bookworm-armhf"
SAME_TIME: Final = "315532800"


def main() -> int:
    """Build every wheel that is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, metavar="DIR", help="where the wheels go")
    parser.add_argument("--headers", type=Path, metavar="ROOT", help="a folder with usr/include of the board's Python")
    parser.add_argument("--mirror", default=MIRROR, metavar="URL", help="Debian's, for headers")
    arguments = parser.parse_args()
    target = find_target(TARGET)
    try:
        _check_tools(target)
        with TemporaryDirectory() as folder:
            headers = arguments.headers or _fetch_headers(Path(folder), target, arguments.mirror)
            for one in read_lock(lock_path(TARGET)):
                if one.built:
                    _build(one, headers, target, arguments.out)
    except ConfigurationError as error:
        sys.stderr.write(f"build_armhf_wheels: {error}\n")
        return 2
    return 0


def _check_tools(target: Target) -> None:
    if shutil.which(COMPILER) is None:
        raise ConfigurationError(
            f"{COMPILER} is not installed; sudo apt-get install gcc-{COMPILER.removesuffix('-gcc')}"
        )
    start = subprocess.run([COMPILER, "-print-file-name=crti.o"], capture_output=True, text=True, check=False).stdout
    if not Path(start.strip()).is_absolute():  # apt-get --no-install-recommends leaves it out
        raise ConfigurationError(f"{COMPILER} has no C library; sudo apt-get install libc6-dev-armhf-cross")
    here = ".".join(platform.python_version_tuple()[:2])
    if here != target.python:
        raise ConfigurationError(f"this is Python {here}, the wheels are for {target.python}; run it with that one")


def _fetch_headers(folder: Path, target: Target, mirror: str) -> Path:
    """Fetch the headers' package and return the folder that it is unpacked in."""
    packages = fetch_packages(
        folder / "apt", "armhf", [f"libpython{target.python}-dev"], mirror=mirror, dependencies=False
    )
    root = folder / "root"
    root.mkdir()
    unpack(packages, root)
    return root


def _build(one: Locked, headers: Path, target: Target, out: Path) -> None:
    """Have pip build one wheel with the cross compiler."""
    include = headers.resolve() / "usr" / "include"
    if not (include / f"python{target.python}" / "Python.h").is_file():
        raise ConfigurationError(f"{include}: has no headers of Python {target.python}; name another with --headers")
    environment = os.environ | {
        "CC": COMPILER,
        "LDSHARED": f"{COMPILER} -shared",
        "CFLAGS": f"-O2 -g0 -fPIC -DNDEBUG -I{include}/python{target.python} -I{include}",
        "_PYTHON_HOST_PLATFORM": f"linux-{target.arch}",
        "SETUPTOOLS_EXT_SUFFIX": f".cpython-{target.python.replace('.', '')}-arm-linux-gnueabihf.so",
        "SOURCE_DATE_EPOCH": SAME_TIME,
    }
    with TemporaryDirectory() as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text(f"{one.line}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir", "--require-hashes"]
        command += ["--no-binary", one.name, "--wheel-dir", str(out.resolve()), "--requirement", str(wanted)]
        run(command, Path(folder), environment)
    for wheel in sorted(out.glob(f"{one.name}-{one.version}-*{target.arch}.whl")):
        sys.stderr.write(f"{wheel}\n")


if __name__ == "__main__":
    sys.exit(main())
