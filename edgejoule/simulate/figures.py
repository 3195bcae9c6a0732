"""What a simulated window says: a function of (seed, device, boot, seq), so that anybody can say what must be stored.

Energies are whole multiples of 1/1024 J. Sums of such numbers have no rounding error in a double, in any order, below
8e12 J: a store's sum equals a device's own to the last bit, or something is wrong.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from edge_agent.wire.records import Birth, Boundary, ClockState, InferenceWindow, RuntimeIdentity
from edgejoule import __version__

ENERGY_STEPS_PER_J: Final = 1024
MODEL_ID: Final = "simulated_mlp_int8"
MODEL_SHA256: Final = "51" * 32
RUNTIME: Final = RuntimeIdentity(runtime="simulated", version="0", delegate="none", threads=1)
METER_DRIVER: Final = "simulated"
BOUNDARY: Final[Boundary] = "usb_dc"
DEVICE_CLASS: Final = "simulated"
_U_SYSTEMATIC_RATIO: Final = 0.0035
_U_INDEPENDENT_RATIO: Final = 0.002
_MASK: Final = (1 << 64) - 1
_U53: Final = 1 / (1 << 53)


class Figures(NamedTuple):
    """The figures of one window that sums are made of."""

    energy_j: float
    inference_count: int


class Stamp(NamedTuple):
    """When a window began: the device's UTC clock, boot time, and what the clock was worth."""

    t_start_unix_ns: int
    t_start_boot_ns: int
    clock_state: ClockState = "synchronised"
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Whose windows these are: one boot of one device. ``window_s``: how long a window says that it lasted."""

    seed: int
    device: int
    boot: int
    window_s: float
    device_id: str = "sim"

    def figures(self, seq: int) -> Figures:
        """Return the figures of window ``seq``: a power of its device, 1 to 9 W, scattered by some percent."""
        power_w = 1.0 + 8.0 * _unit(self.seed, self.device, 0, 0)
        scatter = _unit(self.seed, self.device, self.boot, seq)
        energy_j = power_w * (0.9 + 0.2 * scatter) * self.window_s
        steps = max(1, round(energy_j * ENERGY_STEPS_PER_J))
        return Figures(steps / ENERGY_STEPS_PER_J, round(100.0 * power_w * self.window_s * (0.8 + 0.4 * scatter)))

    def window(self, seq: int, stamp: Stamp) -> InferenceWindow:
        """Return window ``seq``, as it goes on the wire."""
        energy_j, inference_count = self.figures(seq)
        systematic_j, independent_j = energy_j * _U_SYSTEMATIC_RATIO, energy_j * _U_INDEPENDENT_RATIO
        return InferenceWindow(
            seq=seq,
            t_start_unix_ns=stamp.t_start_unix_ns,
            t_start_boot_ns=stamp.t_start_boot_ns,
            clock_state=stamp.clock_state,
            duration_s=self.window_s,
            energy_j=energy_j,
            energy_u_j=(systematic_j * systematic_j + independent_j * independent_j) ** 0.5,
            energy_u_systematic_j=systematic_j,
            gap_s=0.0,
            inference_count=inference_count,
            busy_s=0.6 * self.window_s,
            model_id=MODEL_ID,
            model_sha256=MODEL_SHA256,
            runtime=RUNTIME,
            meter_id=f"meter-of-{self.device_id}",
            meter_driver=METER_DRIVER,
            boundary=BOUNDARY,
            sync_method="arrival_fit",
            sync_residual_s=0.004,
            simulated=True,
            latency_p50_s=0.00021,
            latency_p95_s=0.00034,
            latency_max_s=0.0019,
            sample_count=10.0 * self.window_s,
            soc_temp_c=51.5,
            freq_mhz=1500.0,
            throttled=False,
            systematic_id=f"meter-of-{self.device_id}",
            flags=("clock_step",) if stamp.stepped else (),
        )


def make_birth(device_id: str, boot_id: str, t_unix_ns: int, window_s: float, held_boots: tuple[str, ...]) -> Birth:
    """Return who a simulated device is."""
    return Birth(
        device_id=device_id,
        boot_id=boot_id,
        agent_version=__version__,
        device_class=DEVICE_CLASS,
        t_unix_ns=t_unix_ns,
        model_id=MODEL_ID,
        model_sha256=MODEL_SHA256,
        runtime=RUNTIME,
        meter_id=f"meter-of-{device_id}",
        meter_driver=METER_DRIVER,
        boundary=BOUNDARY,
        window_s=window_s,
        python_version="simulated",
        platform="edgejoule fleet simulate",
        simulated=True,
        held_boots=held_boots,
    )


def _unit(*key: int) -> float:
    """Return a number in [0, 1) that depends on all of ``key`` and on nothing else.

    The mixing steps and constants are those of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
    Generators, OOPSLA 2014).
    """
    state = 0
    for number in key:
        state = (state + number + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ state >> 27) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return (state >> 11) * _U53
