"""Which devices the demo plays, and the configuration files that they and the collector get."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FLEET: Final = "demo"


@dataclass(frozen=True, slots=True)
class DemoDevice:
    """One simulated device: real agent, emulated meter. Powers are at the meter, for one core idle and busy.

    The powers are round figures of the order that reviews report for these boards, not measurements: whatever comes
    out is labelled simulated.
    """

    device_id: str
    device_class: str
    hardware: str
    model_id: str
    zone: str
    site: str
    meter_driver: str
    boundary: str
    voltage_v: float
    idle_w: float
    busy_w: float
    noise_w: float
    duty_ratio: float
    meter_options: tuple[tuple[str, str | float], ...] = ()


DEVICES: Final = (
    DemoDevice("pi4-berlin", "raspberry-pi-4", "raspberry-pi-4b-4gb", "ds_cnn_int8", "DEU", "berlin", "tc66c",
               "usb_dc", 5.1, 2.7, 4.1, 0.03, 0.30),
    DemoDevice("zero2w-lyon", "raspberry-pi-zero-2w", "raspberry-pi-zero-2-w", "autoencoder_int8", "FRA", "lyon",
               "ppk2", "dc_input", 5.0, 0.70, 1.35, 0.02, 0.15, (("mode", "source"), ("voltage_mv", 5000))),
    DemoDevice("orin-gdansk", "jetson-orin-nano", "jetson-orin-nano-8gb", "streaming_ds_cnn_int8", "POL", "gdansk",
               "powersensor3", "dc_input", 19.0, 5.2, 7.9, 0.10, 0.20),
)  # fmt: skip


def agent_toml(device: DemoDevice, root: Path, broker_url: str, window_s: float) -> str:
    """Return the agent's configuration file for one demo device."""
    options = "".join(f"{key} = {json.dumps(value)}\n" for key, value in device.meter_options)
    return f"""\
[device]
id = "{device.device_id}"
fleet = "{FLEET}"
device_class = "{device.device_class}"
state_dir = {json.dumps(str(root / "agents" / device.device_id))}
pid_file = {json.dumps(str(pid_file(device, root)))}

[meter]
driver = "{device.meter_driver}"
port = {json.dumps(str(meter_link(device, root)))}
boundary = "{device.boundary}"
meter_id = "simulated-{device.meter_driver}-{device.device_id}"
simulated = true

[meter.options]
{options}
[model]
id = "{device.model_id}"

[workload]
kind = "paced"
duty_ratio = {device.duty_ratio}

[window]
window_s = {window_s}
baseline_s = 3.0

[align]
method = "none"

[publish]
clock_wait_s = 0.0

[health]
interval_s = 2.0

[broker]
url = "{broker_url}"
"""


def collector_toml(root: Path, broker_url: str, influxdb_url: str | None) -> str:
    """Return the collector's configuration file. ``influxdb_url`` ends in the database's name."""
    influxdb = ""
    if influxdb_url is not None:
        server, _, database = influxdb_url.rpartition("/")
        influxdb = f'\n[influxdb]\napi = "v1"\nurl = {json.dumps(server)}\ndatabase = {json.dumps(database)}\n'
    return f"""\
state_dir = {json.dumps(str(root / "collector"))}
fleet = "{FLEET}"
client_id = "edgejoule-demo-collector"

[broker]
url = "{broker_url}"

[lake]
enabled = true
max_wait_s = 5.0

[inventory]
file = {json.dumps(str(root / "inventory.toml"))}
{influxdb}"""


def inventory_toml(model_rows: Sequence[str]) -> str:
    """Return the inventory: what each device is made of and where it draws its power, and its models' making."""
    lines = ["[defaults]", "lifetime_years = 5.0", ""]
    for device in DEVICES:
        lines += [
            "[[device]]",
            f'id = "{device.device_id}"',
            f'hardware = "{device.hardware}"',
            f'zone = "{device.zone}"',
            f'site = "{device.site}"',
            f'device_class = "{device.device_class}"',
            "",
        ]
    return "\n".join([*lines, *model_rows])


def emulator_words(device: DemoDevice, root: Path, seed: int, gain_error_ratio: float | None) -> list[str]:
    """Return the sub-command that emulates the device's meter, its load following the agent's CPU time."""
    words = ["meter", "emulate", device.meter_driver, "--link", str(meter_link(device, root))]
    words += ["--voltage-v", str(device.voltage_v), "--idle-w", str(device.idle_w), "--busy-w", str(device.busy_w)]
    words += ["--noise-w", str(device.noise_w), "--cpu-of-pid-file", str(pid_file(device, root))]
    words += ["--truth", str(truth_file(device, root)), "--seed", str(seed + DEVICES.index(device))]
    for key, value in device.meter_options:
        words += ["--option", f"{key}={value}"]
    return words if gain_error_ratio is None else [*words, "--gain-error", str(gain_error_ratio)]


def collector_config_file(root: Path) -> Path:
    """Return where the collector's configuration lies."""
    return root / "collector.toml"


def meter_link(device: DemoDevice, root: Path) -> Path:
    """Return the path under which the device's emulated serial port appears."""
    return root / "dev" / f"tty-{device.device_id}"


def pid_file(device: DemoDevice, root: Path) -> Path:
    """Return where the agent writes its process id, for the emulator to follow its CPU use."""
    return root / "run" / f"{device.device_id}.pid"


def truth_file(device: DemoDevice, root: Path) -> Path:
    """Return where the emulator writes the energy that its load really drew."""
    return root / "truth" / f"{device.device_id}.csv"
