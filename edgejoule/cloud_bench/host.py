"""What the machine is, as its kernel and the person who measures say it."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collector.analysis.cloud_record import CloudHost
from edgejoule.making.cpu_power import processor_name
from firmware_bridge.internal.nvml import CardFacts


@dataclass(frozen=True, slots=True)
class Place:
    """Whose machine it is, as a person names it; "" for unknown."""

    provider: str = ""
    instance: str = ""
    region: str = ""


NOWHERE_SAID: Final = Place()


def host_facts(place: Place, card: CardFacts | None, card_index: int | None, root: Path = Path("/")) -> CloudHost:
    """Return the facts; ``root``: where proc and sys are."""
    cpu = _text(root / "proc/cpuinfo")
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return CloudHost(
        processor=processor_name(root),
        cores_count=os.cpu_count() or 1,
        memory_bytes=int(memory[1]) * 1024 if memory else None,
        accelerator="" if card is None else card.title,
        accelerator_index=card_index,
        driver_version="" if card is None else card.driver_version,
        power_limit_w=None if card is None else card.power_limit_w,
        virtual=is_virtual(cpu),
        platform=platform.platform(),
        python_version=platform.python_version(),
        provider=place.provider,
        instance=place.instance,
        region=place.region,
    )


def is_virtual(cpu_text: str) -> bool | None:
    """Return whether /proc/cpuinfo names a hypervisor (x86); None where it has no flags to say so."""
    flags = re.search(r"^flags\s*:(.*)$", cpu_text, re.MULTILINE)
    return None if flags is None else "hypervisor" in flags[1].split()


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return how much memory a process can have without swapping, None where the kernel does not say."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def usable_threads() -> int:
    """Return how many hardware threads this process may use."""
    return len(os.sched_getaffinity(0))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
