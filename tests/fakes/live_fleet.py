"""An invented fleet in the JSON of the live page: figures that add up, with unknown ones among them."""

import math
import random
from typing import Any

Json = dict[str, Any]

T0_UNIX_NS = 1_796_000_000_000_000_000
_CLASSES = (
    ("raspberry-pi-4", "raspberry-pi-4b-4gb", "hall-a", "DE", 3.1, 0.0041),
    ("raspberry-pi-5", "raspberry-pi-5-8gb", "hall-b", "FR", 4.6, 0.0029),
    ("jetson-orin-nano", "jetson-orin-nano-8gb", "lab", "SE", 7.9, 0.0011),
)
_MODELS = ("kws-dscnn-int8", "vww-mobilenet-int8", "ad-autoencoder-int8")


def estimate(value: float, spread_ratio: float) -> Json:
    """Return value with low and high."""
    return {"value": value, "low": value * (1 - spread_ratio), "high": value * (1 + spread_ratio)}


def make_device(index: int, *, simulated: bool = False, tick: int = 0, unknown: bool = False) -> Json:
    """Return one device after ``tick`` windows more; ``unknown``: outside of the inventory, no sensor, never ready."""
    source = random.Random(f"{index}/{tick}")
    device_class, hardware, site, zone, base_w, base_j = _CLASSES[index % 3]
    windows = 360 + tick
    power_w = base_w * (1 + 0.05 * math.sin((tick + index) / 7)) + source.uniform(-0.03, 0.03)
    rate = power_w / base_j
    duration_s, gap_s = 10.0 * windows, 0.2 * (index % 5)
    energy_j = power_w * (duration_s - gap_s)
    grams = None if unknown else estimate(energy_j / 3.6e6 * (340.0, 44.0, 25.0)[index % 3], 0.08)
    embodied = None if unknown else estimate(duration_s / (5 * 365.25 * 86_400) * (31_000 + 9_000 * (index % 3)), 0.3)
    end_unix_ns = T0_UNIX_NS + int(tick * 1e10)
    return {
        "fleet": "bench",
        "device_id": f"{device_class.replace('raspberry-pi-', 'pi').replace('jetson-', '')}-{index:03}",
        "site": "" if unknown else site,
        "zone": "" if unknown else zone,
        "device_class": device_class,
        "hardware": "" if unknown else hardware,
        "models": [_MODELS[index % 3]],
        "meters": ["ina228-usb"],
        "boundaries": ["usb_dc"],
        "online": index % 11 != 7,
        "last_seen_unix_ns": end_unix_ns - (600_000_000_000 if index % 11 == 7 else 0),
        "clock_state": "unsynchronised" if index % 13 == 5 else "synchronised",
        "outbox_windows": 12 if index % 11 == 7 else index % 2,
        "meter_connected": index % 17 != 16,
        "birth": _birth(index, device_class, simulated=simulated),
        "account": _account(windows, duration_s, gap_s, energy_j, rate, grams, embodied, simulated=simulated),
        "latest": {
            "t_unix_ns": end_unix_ns - (600_000_000_000 if index % 11 == 7 else 0),
            "duration_s": 10.0,
            "power_w": power_w,
            "j_per_inference": power_w / rate,
            "inferences_per_s": rate,
            "latency_p50_s": 0.7 / rate,
            "latency_p95_s": 0.93 / rate,
            "soc_temp_c": None if unknown else 51.0 + 10 * math.sin(index) + source.uniform(-1, 1),
            "freq_mhz": None if unknown else 1500.0,
            "throttled": None if unknown else index % 19 == 4,
            "gap_s": 0.2 if index % 5 == 1 and tick % 3 == 0 else 0.0,
            "energy_u_ratio": 0.006,
            "flags": ["gap"] if index % 5 == 1 and tick % 3 == 0 else [],
            "model_id": _MODELS[index % 3],
            "simulated": simulated,
        },
    }


def _birth(index: int, device_class: str, *, simulated: bool) -> Json:
    return {
        "schema_version": 1,
        "device_id": f"device-{index:03}",
        "boot_id": f"4f1c{index:04x}",
        "agent_version": "0.3.0",
        "device_class": device_class,
        "t_unix_ns": T0_UNIX_NS - 3_600_000_000_000,
        "model_id": _MODELS[index % 3],
        "model_sha256": "9f" * 32,
        "runtime": {"runtime": "litert", "version": "2.3.0", "delegate": "cpu", "threads": 1},
        "meter_id": f"ina228-{index:03}",
        "meter_driver": "ina228-usb",
        "boundary": "usb_dc",
        "window_s": 10.0,
        "python_version": "3.11.7",
        "platform": "Linux-6.6-aarch64",
        "simulated": simulated,
        "clock_state": "synchronised",
    }


def _account(
    windows: int,
    duration_s: float,
    gap_s: float,
    energy_j: float,
    rate: float,
    operational: Json | None,
    embodied: Json | None,
    *,
    simulated: bool,
) -> Json:
    count = round(rate * duration_s)
    total = None
    if operational is not None and embodied is not None:
        total = {key: operational[key] + embodied[key] for key in ("value", "low", "high")}
    return {
        "windows": windows,
        "simulated_windows": windows if simulated else 0,
        "duration_s": duration_s,
        "gap_s": gap_s,
        "coverage_ratio": (duration_s - gap_s) / duration_s,
        "energy_j": energy_j,
        "energy_u_j": 0.004 * energy_j,
        "power_w": energy_j / (duration_s - gap_s),
        "inference_count": count,
        "inferences_per_s": rate,
        "j_per_inference": energy_j / (duration_s - gap_s) / rate,
        "j_per_inference_u": 0.004 * energy_j / (duration_s - gap_s) / rate,
        "operational_gco2e": operational,
        "operational_yearly_gco2e": None if operational is None else estimate(operational["value"] * 1.07, 0.1),
        "embodied_gco2e": embodied,
        "total_gco2e": total,
        "embodied_share_ratio": None if total is None or embodied is None else embodied["value"] / total["value"],
        "intensity_ratio": {} if operational is None else {"actual": 0.8, "estimated": 0.12, "yearly": 0.08},
    }


def total_of(devices: list[Json]) -> Json:
    """Return the account of several devices; what is unknown of one is unknown of all."""
    accounts = [device["account"] for device in devices]

    def summed(name: str) -> float:
        return math.fsum(account[name] for account in accounts)

    def estimates(name: str) -> Json | None:
        parts = [account[name] for account in accounts]
        if not parts or any(part is None for part in parts):
            return None
        return {key: sum(part[key] for part in parts) for key in ("value", "low", "high")}

    duration_s, energy_j, rate = summed("duration_s"), summed("energy_j"), summed("inferences_per_s")
    total, embodied = estimates("total_gco2e"), estimates("embodied_gco2e")
    power_w = summed("power_w") if accounts else None
    return {
        "windows": int(summed("windows")),
        "simulated_windows": int(summed("simulated_windows")),
        "duration_s": duration_s,
        "gap_s": summed("gap_s"),
        "coverage_ratio": (duration_s - summed("gap_s")) / duration_s if duration_s else 0.0,
        "energy_j": energy_j,
        "energy_u_j": math.hypot(*(account["energy_u_j"] for account in accounts)) if accounts else 0.0,
        "power_w": power_w,
        "inference_count": int(summed("inference_count")),
        "inferences_per_s": rate if accounts else None,
        "j_per_inference": power_w / rate if power_w is not None else None,
        "j_per_inference_u": 0.003 * power_w / rate if power_w is not None else None,
        "operational_gco2e": estimates("operational_gco2e"),
        "operational_yearly_gco2e": estimates("operational_yearly_gco2e"),
        "embodied_gco2e": embodied,
        "total_gco2e": total,
        "embodied_share_ratio": embodied["value"] / total["value"] if total and embodied else None,
        "intensity_ratio": {"actual": 0.8, "estimated": 0.12, "yearly": 0.08} if total else {},
    }


def ledger_line(device: Json) -> Json:
    """Return a device's line of the ledger."""
    stored, pending = device["account"]["windows"], device["outbox_windows"]
    counts = dict.fromkeys(("dropped", "refused", "missing", "duplicates", "late", "dead_letters"), 0)
    names = {"fleet": device["fleet"], "device_id": device["device_id"]}
    return names | counts | {"sent": stored + pending, "stored": stored, "pending": pending}


def make_fleet(devices: list[Json], *, simulated: bool = False, tick: int = 0, whole: bool = True) -> Json:
    """Return the answer of /api/fleet; not ``whole``: what a change of these devices says."""
    lines = [ledger_line(device) for device in devices]
    names = ("sent", "stored", "dropped", "refused", "pending", "missing")
    ledger: Json = {name: sum(line[name] for line in lines) for name in names} | {"adds_up": True}
    fleet = {
        "t_unix_ns": T0_UNIX_NS + int(tick * 1e10),
        "total": total_of(devices),
        "devices": devices,
        "ledger": ledger,
        "simulated": simulated,
    }
    if not whole:
        return fleet
    return fleet | {
        "title": "Bench fleet",
        "since_unix_ns": T0_UNIX_NS - 3_600_000_000_000,
        "ledger": ledger | {"devices": lines},
        "factors": [_factor("grid-de-2024", 340.0, "gCO2e/kWh"), _factor("pi-4b-4gb", 31.0, "kgCO2e")],
        "notes": ["Devices without hardware in the inventory have no embodied grams."],
        "sinks": [{"sink": "influxdb", "rows": 3, "lag_s": 1.4}, {"sink": "lake", "rows": 0, "lag_s": 0.0}],
        "dead_letters": {"undecodable": 2},
        "report": None,
        "intensities": [
            _intensity("DE", "average", 321.0, "actual", 1500.0),
            _intensity("DE", "marginal", 655.0, "estimated", 900.0),
            _intensity("FR", "average", 44.0, "yearly", None),
        ],
    }


def _factor(name: str, value: float, unit: str) -> Json:
    return {
        "id": name,
        "name": f"The factor {name}",
        "estimate": {**estimate(value, 0.1), "unit": unit, "source": "invented"},
        "scope": "life cycle",
        "source": "invented for this page",
        "licence": "CC0-1.0",
        "vintage": "2024",
        "method": "none",
        "label": "screening estimate, not a product footprint" if unit == "kgCO2e" else "",
    }


def _intensity(zone: str, kind: str, gco2e_per_kwh: float, quality: str, age_s: float | None) -> Json:
    return {
        "zone": zone,
        "kind": kind,
        "source": "invented",
        "gco2e_per_kwh": gco2e_per_kwh,
        "quality": quality,
        "age_s": age_s,
    }


def fleet_series(points: int) -> Json:
    """Return /api/series: a wave with one hole."""
    hole = range(points // 2, points // 2 + points // 20)
    steps = range(points)
    return {
        "bin_s": 10.0,
        "t_unix_ns": [T0_UNIX_NS - (points - i) * 10_000_000_000 for i in steps],
        "power_w": [None if i in hole else 15.4 + 0.6 * math.sin(i / 9) for i in steps],
        "operational_gco2e": [None if i in hole else 0.0061 + 0.0004 * math.sin(i / 9) for i in steps],
        "embodied_gco2e": [None if i in hole else 0.0071 for i in steps],
        "inference_count": [None if i in hole else 96_000 for i in steps],
    }


def device_series(device: Json, points: int) -> Json:
    """Return a device's series: the columns of its latest windows, oldest first."""
    latest = device["latest"] or {}
    points = points if latest else 0
    columns: Json = {name: [] for name in make_device(0)["latest"]}
    for i in range(points):
        wave = 1 + 0.05 * math.sin((i - points) / 9)
        for name, value in latest.items():
            scaled = name in {"power_w", "j_per_inference", "latency_p50_s", "latency_p95_s", "soc_temp_c"}
            columns[name].append(value * wave if scaled and value is not None else value)
        columns["t_unix_ns"][-1] = latest["t_unix_ns"] - (points - 1 - i) * 10_000_000_000
    return columns
