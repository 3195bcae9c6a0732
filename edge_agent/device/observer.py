"""What the device was like over one window: a look at it about once a second, and one at the end.

A look costs some 20 us with four cores, so about 0.002 % of one of them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_agent.device.cpu import CpuClock, CpuRatios, cpu_ratios
from edge_agent.device.state import DeviceReader, DeviceSample, read_governor

SAMPLE_INTERVAL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ObservedState:
    """One window's device; None where unknown.

    ``soc_temp_c`` and ``governor``: at its end. ``freq_mhz``: mean over cores and looks; ``freq_min_mhz``,
    ``freq_max_mhz``: the slowest and the fastest core at any look. ``throttled``: at any time in it.
    """

    soc_temp_c: float | None = None
    soc_temp_max_c: float | None = None
    freq_mhz: float | None = None
    freq_min_mhz: float | None = None
    freq_max_mhz: float | None = None
    throttled: bool | None = None
    governor: str | None = None
    cpu: CpuRatios = field(default_factory=CpuRatios)


class DeviceObserver:
    """Looks at the device when it is time, and sums up. Not thread-safe."""

    def __init__(self, t_first_s: float, sys_root: Path = Path("/sys"), proc_root: Path = Path("/proc")) -> None:
        """Begin at host time ``t_first_s``."""
        self._sys_root = sys_root
        self._reader = DeviceReader(sys_root)
        self._cpu = CpuClock(proc_root)
        self._before = self._cpu.read(t_first_s, 0.0)
        self._samples: list[DeviceSample] = []
        self._t_next_s = t_first_s + SAMPLE_INTERVAL_S

    def tend(self, now_s: float) -> None:
        """Look at the device if the last look is a second ago."""
        if now_s >= self._t_next_s:
            self._t_next_s = now_s + SAMPLE_INTERVAL_S
            self._samples.append(self._reader.sample(now_s))

    def end_window(self, now_s: float, inference_s: float | None) -> ObservedState:
        """Return what was seen since the window before; ``inference_s``: CPU seconds inside inference so far."""
        samples, self._samples = [*self._samples, self._reader.sample(now_s)], []
        before, self._before = self._before, self._cpu.read(now_s, inference_s)
        return summarise(samples, read_governor(self._sys_root), cpu_ratios(before, self._before))

    def close(self) -> None:
        """Close the files."""
        self._reader.close()
        self._cpu.close()


def summarise(samples: list[DeviceSample], governor: str | None, cpu: CpuRatios) -> ObservedState:
    """Sum up at least one look, in order of time. Pure."""
    temps_c = [sample.soc_temp_c for sample in samples if sample.soc_temp_c is not None]
    freqs_mhz = [sample.freq_mhz for sample in samples if sample.freq_mhz is not None]
    throttled = [sample.throttled for sample in samples if sample.throttled is not None]
    return ObservedState(
        soc_temp_c=samples[-1].soc_temp_c,
        soc_temp_max_c=max(temps_c, default=None),
        freq_mhz=sum(freqs_mhz) / len(freqs_mhz) if freqs_mhz else None,
        freq_min_mhz=min((one.freq_min_mhz for one in samples if one.freq_min_mhz is not None), default=None),
        freq_max_mhz=max((one.freq_max_mhz for one in samples if one.freq_max_mhz is not None), default=None),
        throttled=any(throttled) if throttled else None,
        governor=governor,
        cpu=cpu,
    )
