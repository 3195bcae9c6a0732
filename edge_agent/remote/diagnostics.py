"""How this device is, for whoever is far away: flat figures, and the settings without secrets as one JSON text."""

import os
import platform
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from edge_agent.clock import HostClock
from edge_agent.config import AgentConfig
from edge_agent.device.kernel import clock_synchronised
from edge_agent.device.state import read_device_state
from edge_agent.outbox import Outbox
from edge_agent.remote.desk import ResultValue
from edge_agent.remote.settings import Settings, SettingsFile
from firmware_bridge.meter import Meter

PACKAGES: Final = ("edgejoule", "ai-edge-litert", "tflite-runtime", "onnxruntime", "numpy", "paho-mqtt", "pyserial")
LAST_LINES: Final = 40
MAX_LINE_CHARACTERS: Final = 500
MAX_DETAILS_CHARACTERS: Final = 100_000
_SECRET: Final = re.compile(r"key|pass|secret|token|pin\b|credential", re.IGNORECASE)


class LastWords:
    """Keeps the latest lines of the log while it is open. A processor of structlog."""

    def __init__(self, lines: int = LAST_LINES) -> None:
        self._lines: deque[str] = deque(maxlen=lines)
        self._before: list[Any] | None = None

    def open(self) -> None:
        """Listen from now on."""
        self._before = list(structlog.get_config()["processors"])
        structlog.configure(processors=[*self._before[:-1], self._keep, *self._before[-1:]])

    def close(self) -> None:
        """Listen no more."""
        if self._before is not None:
            structlog.configure(processors=self._before)
            self._before = None

    @property
    def lines(self) -> list[str]:
        """Return what was said last, oldest first."""
        return list(self._lines)

    def _keep(self, _logger: Any, _method: str, event: Any) -> Any:
        if isinstance(event, Mapping):
            text = " ".join(f"{name}={value}" for name, value in event.items())
            self._lines.append(" ".join(text.split())[:MAX_LINE_CHARACTERS])
        return event


@dataclass(frozen=True, slots=True)
class Examined:
    """What there is to look at. ``config``: as it holds now, with what orders have changed."""

    config: Callable[[], AgentConfig]
    meter: Meter
    outbox: Outbox
    settings: SettingsFile
    state_dir: Path
    last_words: LastWords


def diagnosed(device: Examined, sys_root: Path = Path("/sys")) -> dict[str, ResultValue]:
    """Return everything, flat; what cannot be found out is None."""
    config = device.config()
    result: dict[str, ResultValue] = {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "uptime_s": round(time.clock_gettime(time.CLOCK_BOOTTIME), 1),
        **{f"version_{name}": _version(name) for name in PACKAGES},
        **_meter(device.meter),
        **_outbox(device.outbox),
        **_machine(device.state_dir, sys_root),
        "model_id": config.model.id,
        "window_s": config.window.window_s,
        "changed_by_orders": device.settings.settings != Settings(),
        "on_trial": device.settings.trial is not None,
    }
    details = {
        "settings": without_secrets(msgspec.to_builtins(config)),
        "ordered": msgspec.to_builtins(device.settings.settings),
        "frame_errors": device.meter.health().frame_errors,
        "log": device.last_words.lines,
    }
    text = msgspec.json.encode(details).decode()
    result["details"] = text if len(text) <= MAX_DETAILS_CHARACTERS else None
    return result


def without_secrets(value: Any) -> Any:
    """Return settings with those left out whose names say that they are secret; the names of files stay."""
    if isinstance(value, dict):
        return {
            name: "(not said)" if _SECRET.search(name) and not name.endswith("_file") else without_secrets(inner)
            for name, inner in value.items()
        }
    return [without_secrets(one) for one in value] if isinstance(value, list | tuple) else value


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _meter(meter: Meter) -> dict[str, ResultValue]:
    health, identity, sync = meter.health(), meter.health().identity, meter.sync()
    return {
        "meter_driver": meter.driver.name,
        "meter_serial_number": identity.serial_number if identity else None,
        "meter_connected": health.connected,
        "meter_power_w": meter.latest_power_w(),
        "meter_last_sample_age_s": health.last_sample_age_s,
        "meter_reconnects": health.reconnects,
        "meter_frame_errors": sum(health.frame_errors.values()),
        "meter_last_error": health.last_error or None,
        "sync_method": sync.method,
        "sync_residual_s": sync.residual_s,
    }


def _outbox(outbox: Outbox) -> dict[str, ResultValue]:
    stats = outbox.stats()
    return {
        "boot_id": outbox.boot_id,
        "last_seq": stats.last_seq,
        "acked_seq": stats.acked_seq,
        "outbox_windows": stats.windows,
        "outbox_bytes": stats.bytes,
        "dropped_windows": stats.dropped_windows,
        "clock_state": HostClock().state(outbox.placing),
        "kernel_synchronised": clock_synchronised(),
    }


def _machine(state_dir: Path, sys_root: Path) -> dict[str, ResultValue]:
    disk, state = os.statvfs(state_dir), read_device_state(sys_root)
    return {
        "free_bytes": disk.f_bavail * disk.f_frsize,
        "load_1min": os.getloadavg()[0],
        "soc_temp_c": state.soc_temp_c,
        "freq_mhz": state.freq_mhz,
        "throttled": state.throttled,
    }
