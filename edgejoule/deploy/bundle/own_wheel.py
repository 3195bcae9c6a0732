"""Our own wheel: a file that is named, or built from the checkout that this program runs from."""

import importlib.util
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.wire.errors import ConfigurationError

_CHECKOUT: Final = Path(__file__).parents[3]
_LAST_LINES: Final = 3


class OwnWheel(msgspec.Struct, frozen=True):
    """A wheel of edgejoule and the version that it says it is."""

    path: Path
    version: str


def read_own_wheel(path: Path) -> OwnWheel:
    """Return what a wheel says that it is. Raises ConfigurationError unless it is one of edgejoule."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [
                name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            ]
            metadata = HeaderParser().parsestr(archive.read(names[0]).decode()) if names else None
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is no wheel ({error}); name a wheel of edgejoule") from error
    name, version = (metadata["Name"], metadata["Version"]) if metadata else ("", "")
    if name != "edgejoule" or not path.name.startswith(f"edgejoule-{version}-"):
        raise ConfigurationError(f"{path}: is no wheel of edgejoule; name one with --wheel")
    return OwnWheel(path, version)


def build_own_wheel(folder: Path, checkout: Path = _CHECKOUT) -> OwnWheel:
    """Build the wheel of the checkout into ``folder``. Raises ConfigurationError where there is none."""
    if not (checkout / "pyproject.toml").is_file():
        raise ConfigurationError(
            "this edgejoule runs from no checkout that a wheel could be built from; name its wheel with --wheel FILE"
        )
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation, "--wheel-dir", str(folder)]
    outcome = subprocess.run([*command, str(checkout)], capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("edgejoule-*.whl"))
    if outcome.returncode != 0 or not wheels:
        said = " | ".join(outcome.stderr.strip().splitlines()[-_LAST_LINES:])
        raise ConfigurationError(f"{checkout}: the wheel cannot be built: {said}; build it and name it with --wheel")
    return read_own_wheel(wheels[0])
