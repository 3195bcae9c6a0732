"""The seeded fleet: who its devices are, and what one of them draws and does at a moment. No clock, no I/O.

Three classes, two fleets, two sites, three models. One device throttles, one has gaps, one dropped windows, one went
silent with windows pending, and one is not in the inventory, so that its grams are unknown.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from edge_agent.wire.records import Birth, InferenceWindow, RuntimeIdentity
from tests.fakes.windows import JETSON, PI4, PI_ZERO, DeviceProfile, make_window

HOUR_NS: Final = 3_600_000_000_000
SECOND_NS: Final = 1_000_000_000
WINDOW_S: Final = 10.0
HISTORY_WINDOW_S: Final = 3_600.0
LITERT: Final = RuntimeIdentity(runtime="litert", version="2.3.0", delegate="xnnpack", threads=1)
ONNX: Final = RuntimeIdentity(runtime="onnxruntime", version="1.22.0", delegate="cpu", threads=2)


@dataclass(frozen=True, slots=True)
class SeededModel:
    """A model as the fleet runs it. ``work``: how much one inference costs, of the digits model 1."""

    model_id: str
    sha256: str
    work: float
    accuracy_ratio: float
    macs: int
    parameters: int
    size_bytes: int
    runtime: RuntimeIdentity = LITERT


DIGITS_INT8: Final = SeededModel("digits_mlp_int8", "5d" * 32, 1.0, 0.9267, 50_432, 50_826, 63_120)
DIGITS_FLOAT: Final = SeededModel("digits_mlp_float", "5e" * 32, 1.9, 0.9306, 50_432, 50_826, 206_400, ONNX)
KEYWORDS: Final = SeededModel("kws_ds_cnn_int8", "6a" * 32, 14.0, 0.9080, 2_656_768, 23_756, 53_936)
MODELS: Final = (DIGITS_INT8, DIGITS_FLOAT, KEYWORDS)


@dataclass(frozen=True, slots=True)
class SeededDevice:
    """One device. ``models``: of the first and of the second half of the time. ``silent_s``: last heard so long ago.

    ``changes``: what its windows have besides while its fault lasts. ``scale``: how much more time and energy an
    inference takes meanwhile.
    """

    device_id: str
    fleet: str
    device_class: str
    hardware: str
    site: str
    zone: str
    profile: DeviceProfile
    models: tuple[SeededModel, SeededModel]
    age_days: int = 0
    listed: bool = True
    silent_s: float = 0.0
    scale: float = 1.0
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def meter_id(self) -> str:
        return f"{self.profile.meter_driver}:{self.device_id}"

    @property
    def model(self) -> SeededModel:
        return self.models[1]


_PI4: Final = ("raspberry-pi-4", "raspberry-pi-4b-4gb")
_ZERO: Final = ("raspberry-pi-zero-2-w", "raspberry-pi-zero-2-w")
_ORIN: Final = ("jetson-orin-nano", "jetson-orin-nano-8gb")
_THROTTLED: Final = {
    "throttled": True,
    "soc_temp_c": 82.5,
    "soc_temp_max_c": 84.0,
    "freq_mhz": 1000.0,
    "freq_min_mhz": 600.0,
    "flags": ("throttled",),
}
DEVICES: Final = (
    SeededDevice(
        "pi4-hall", "plant", *_PI4, "berlin", "DE", PI4, (DIGITS_FLOAT, DIGITS_INT8), age_days=935
    ),
    SeededDevice(
        *("pi4-roof", "plant", *_PI4, "berlin", "DE", PI4, (KEYWORDS, KEYWORDS)),
        age_days=660, scale=1.2, changes=_THROTTLED,
    ),
    SeededDevice(
        *("zero-gate", "plant", *_ZERO, "berlin", "DE", PI_ZERO, (DIGITS_INT8, DIGITS_INT8)),
        age_days=450, changes={"frame_error_count": 2, "lost_count": 4.0},
    ),
    SeededDevice(
        "zero-field", "farm", *_ZERO, "lyon", "FR", PI_ZERO, (KEYWORDS, KEYWORDS), age_days=1640
    ),
    SeededDevice(
        "orin-barn", "farm", *_ORIN, "lyon", "FR", JETSON, (DIGITS_FLOAT, DIGITS_FLOAT), age_days=690
    ),
    SeededDevice(
        *("orin-shed", "farm", *_ORIN, "lyon", "FR", JETSON, (KEYWORDS, KEYWORDS)),
        age_days=310, silent_s=1_500.0,
    ),
    SeededDevice("loaner", "farm", *_PI4, "", "", PI4, (DIGITS_INT8, DIGITS_INT8), listed=False),
)  # fmt: skip
LISTED: Final = tuple(device for device in DEVICES if device.listed)
THROTTLED: Final = DEVICES[1]
WITH_GAPS: Final = DEVICES[2]
DROPPING: Final = DEVICES[3]
SILENT: Final = DEVICES[5]


def window_at(
    device: SeededDevice,
    seq: int,
    start_unix_ns: int,
    duration_s: float = WINDOW_S,
    model: SeededModel | None = None,
    *,
    faulty: bool = False,
    **changes: Any,
) -> InferenceWindow:
    """Return what the device measured then: a daily rhythm, and a ripple that is its own.

    ``model``: which one it ran; None for the one of today. ``faulty``: with what is wrong with the device.
    """
    hour = start_unix_ns / HOUR_NS
    phase = sum(map(ord, device.device_id)) % 7
    load = 0.75 + 0.2 * math.sin((hour % 24.0 - 9.0) / 12.0 * math.pi) + 0.05 * math.sin(start_unix_ns / 97e9 + phase)
    profile = device.profile
    ran = model or device.model
    scale = device.scale if faulty else 1.0
    idle_w = profile.idle_power_w or 0.6 * profile.power_w
    power_w = idle_w + (profile.power_w - idle_w) * load * scale
    gap_s = changes.get("gap_s", 0.0)
    energy_j = power_w * (duration_s - gap_s)
    systematic_j, independent_j = energy_j * profile.u_systematic_ratio, energy_j * profile.u_independent_ratio
    latency_s = ran.work * scale * 0.8 / profile.inferences_per_s
    known: dict[str, Any] = {
        "t_start_unix_ns": start_unix_ns,
        "duration_s": duration_s,
        "energy_j": energy_j,
        "energy_u_j": math.hypot(systematic_j, independent_j),
        "energy_u_systematic_j": systematic_j,
        "inference_count": round(profile.inferences_per_s / ran.work * load * duration_s),
        "busy_s": 0.8 * load * duration_s,
        "model_id": ran.model_id,
        "model_sha256": ran.sha256,
        "runtime": ran.runtime,
        "meter_id": device.meter_id,
        "systematic_id": profile.meter_driver,
        "net_energy_j": None if profile.idle_power_w is None else energy_j - idle_w * (duration_s - gap_s),
        "net_energy_u_j": None if profile.idle_power_w is None else independent_j,
        "latency_p50_s": latency_s,
        "latency_p95_s": 1.3 * latency_s,
        "latency_max_s": 2.1 * latency_s,
        "sample_count": 10.0 * (duration_s - gap_s),
        "soc_temp_c": 45.0 + 12.0 * load,
        "soc_temp_max_c": 46.0 + 13.0 * load,
        "freq_min_mhz": 600.0,
        "freq_max_mhz": 1500.0,
        "governor": "ondemand",
        "agent_cpu_ratio": 0.8 * load,
        "overhead_cpu_ratio": 0.02,
        "other_cpu_ratio": 0.05,
        "t_start_boot_ns": start_unix_ns % 10**15,
    }
    return make_window(seq, profile=profile, **(known | (device.changes if faulty else {}) | changes))


def birth_of(device: SeededDevice, boot_id: str, t_unix_ns: int, held_boots: tuple[str, ...] = ()) -> Birth:
    """Return what the device says of itself when it connects."""
    model = device.model
    known = {"model_macs": model.macs, "model_parameters": model.parameters, "model_bytes": model.size_bytes}
    known["model_accuracy_ratio"] = model.accuracy_ratio  # type: ignore[assignment]
    birth = Birth(
        device_id=device.device_id,
        boot_id=boot_id,
        agent_version="0.3.0",
        device_class=device.device_class,
        t_unix_ns=t_unix_ns,
        model_id=model.model_id,
        model_sha256=model.sha256,
        runtime=model.runtime,
        meter_id=device.meter_id,
        meter_driver=device.profile.meter_driver,
        boundary=device.profile.boundary,
        window_s=WINDOW_S,
        python_version="3.11.2",
        platform="Linux-6.6-aarch64",
        simulated=True,
        held_boots=held_boots,
        load_s=0.004,
        first_invoke_s=0.012,
        clock_state="synchronised",
    )
    return msgspec.structs.replace(
        birth, **{name: value for name, value in known.items() if name in birth.__struct_fields__}
    )
