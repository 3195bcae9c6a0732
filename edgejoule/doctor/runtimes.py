"""Python, the inference engine and the packages of each extra.

Which wheel of LiteRT needs which C library stands in ``edge_agent.inference.litert``: pip installs some where they
cannot load. tflite-runtime 2.14.0 needs numpy below 2 but does not say so.
"""

import importlib.util
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module, metadata

import msgspec

from edge_agent.inference.litert import FIRST_FOR_NEW_GLIBC, GLIBC_REMEDY, NEW_GLIBC
from edgejoule.doctor.finding import Finding, failure, ok, warning

Version = tuple[int, ...]

OLDEST_PYTHON: Version = (3, 11)
ARM_32 = ("armv6l", "armv7l")
ONNX_REMEDY = "pip install 'edgejoule[onnx]'"
EXTRAS: Mapping[str, Sequence[str]] = {
    "serial": ("serial", "cryptography", "pymodbus"),
    "site": ("dsmr_parser", "smllib"),
    "agent": ("paho", "psutil"),
    "collector": ("iotcore", "pyarrow", "influxdb_client", "starlette", "uvicorn"),
    "analysis": ("matplotlib", "jinja2"),
}


class EngineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether a model can run. ``*_error``: why an installed package cannot be imported."""

    machine: str
    python: Version
    glibc: Version | None = None
    litert: str | None = None
    litert_error: str = ""
    tflite_runtime: str | None = None
    tflite_runtime_error: str = ""
    onnxruntime: str | None = None
    onnxruntime_error: str = ""
    numpy: str | None = None


def gather_engine_facts() -> EngineFacts:
    """Read versions and try the imports."""
    name, libc_version = platform.libc_ver()
    litert, tflite, onnx = (_installed(name) for name in ("ai-edge-litert", "tflite-runtime", "onnxruntime"))
    return EngineFacts(
        machine=platform.machine(),
        python=sys.version_info[:3],
        glibc=parse_version(libc_version) if name == "glibc" else None,
        litert=litert,
        litert_error=_import_error("ai_edge_litert.interpreter") if litert else "",
        tflite_runtime=tflite,
        tflite_runtime_error=_import_error("tflite_runtime.interpreter") if tflite else "",
        onnxruntime=onnx,
        onnxruntime_error=_import_error("onnxruntime") if onnx else "",
        numpy=_installed("numpy"),
    )


def missing_packages() -> dict[str, list[str]]:
    """Return, for each extra, its packages that cannot be found."""
    return {
        extra: [name for name in names if importlib.util.find_spec(name) is None] for extra, names in EXTRAS.items()
    }


def parse_version(text: str) -> Version:
    """Return the leading numbers of a version: "2.1.0rc1" gives (2, 1, 0)."""
    numbers: list[int] = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def check_python(version: Version) -> Finding:
    """Judge the interpreter's version."""
    shown = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return failure("python", f"Python {shown} is too old", "install Python 3.11 or later")
    return ok("python", f"Python {shown}")


def check_engine(facts: EngineFacts, *, required: bool, suffix: str = ".tflite") -> list[Finding]:
    """Judge the inference engines for files that end in ``suffix``.

    Without any, a machine that runs no agent is only warned (``required`` false).
    """
    if suffix == ".onnx":
        return [_check_onnxruntime(facts, required=required)]
    of_onnx = [] if facts.onnxruntime is None else [_check_onnxruntime(facts, required=False)]
    return [*_check_tflite_engines(facts, required=required), *of_onnx]


def _check_onnxruntime(facts: EngineFacts, *, required: bool) -> Finding:
    judge = failure if required else warning
    if facts.onnxruntime is None:
        text = f"ONNX Runtime, which runs .onnx models, is not installed for {facts.machine}"
        remedy = "there is no wheel for 32-bit Arm: use a .tflite model" if facts.machine in ARM_32 else ONNX_REMEDY
        return judge("engine", text, remedy)
    if facts.onnxruntime_error:
        text = f"ONNX Runtime {facts.onnxruntime} is installed but cannot be imported: {facts.onnxruntime_error}"
        return judge("engine", text, f"{ONNX_REMEDY} --force-reinstall")
    return ok("engine", f"ONNX Runtime {facts.onnxruntime}, for .onnx models")


def _check_tflite_engines(facts: EngineFacts, *, required: bool) -> list[Finding]:
    if facts.litert is not None:
        return [_check_litert(facts)]
    if facts.tflite_runtime is not None:
        return [_check_tflite_runtime(facts)]
    text = f"no inference engine for {facts.machine}; an agent cannot run a model here"
    judge = failure if required else warning
    return [judge("engine", text, _how_to_get_an_engine(facts))]


def check_packages(missing: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Judge each extra: what is missing only matters to whoever uses that part."""
    return [
        warning(
            f"extra [{extra}]", f"missing: {', '.join(names)}", f"if needed here: pip install 'edgejoule[{extra}]'"
        )
        if names
        else ok(f"extra [{extra}]", "installed")
        for extra, names in missing.items()
    ]


def _check_litert(facts: EngineFacts) -> Finding:
    version = facts.litert or ""
    if not facts.litert_error:
        return ok("engine", f"LiteRT {version}")
    old_glibc = facts.glibc is not None and facts.glibc < NEW_GLIBC
    if facts.machine == "aarch64" and old_glibc and parse_version(version) >= FIRST_FOR_NEW_GLIBC:
        need, have = (".".join(map(str, one or ())) for one in (NEW_GLIBC, facts.glibc))
        return failure("engine", f"LiteRT {version} needs glibc {need}, this system has {have}", GLIBC_REMEDY)
    return failure(
        "engine",
        f"LiteRT {version} is installed but cannot be imported: {facts.litert_error}",
        "pip install --force-reinstall ai-edge-litert",
    )


def _check_tflite_runtime(facts: EngineFacts) -> Finding:
    version = facts.tflite_runtime
    if facts.numpy is not None and parse_version(facts.numpy) >= (2,):
        return failure("engine", f"tflite-runtime {version} breaks with numpy {facts.numpy}", "pip install 'numpy<2'")
    if facts.tflite_runtime_error:
        return failure(
            "engine",
            f"tflite-runtime {version} is installed but cannot be imported: {facts.tflite_runtime_error}",
            "use Python 3.11 and pip install --force-reinstall 'tflite-runtime==2.14.0' 'numpy<2'",
        )
    if facts.machine == "armv7l":
        return ok("engine", f"tflite-runtime {version}, the only engine for 32-bit Arm")
    return warning(
        "engine",
        f"tflite-runtime {version}: it does not give int8 models to XNNPACK and can be ten times slower than LiteRT",
        "pip install ai-edge-litert",
    )


def _how_to_get_an_engine(facts: EngineFacts) -> str:
    if facts.machine == "armv6l":
        return "no engine exists for armv6 (Pi Zero, Pi 1): use a Pi Zero 2 W or later"
    if facts.machine == "armv7l" and facts.python[:2] != (3, 11):
        return "on 32-bit Arm only Python 3.11 has an engine: use Raspberry Pi OS bookworm, or a 64-bit system"
    return "pip install 'edgejoule[agent]'"


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _import_error(module: str) -> str:
    try:
        import_module(module)
    except (ImportError, SystemError, AttributeError) as error:  # numpy 2 under tflite-runtime gives the latter two
        return (str(error).splitlines() or [type(error).__name__])[0]
    return ""
