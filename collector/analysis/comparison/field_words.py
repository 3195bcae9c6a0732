"""What a field of the scenario is called in a sentence, its path in brackets."""

from typing import Final

_OF_TABLE: Final = {
    "unit": "", "prices": "", "edge": " of the edge", "cloud": " of the cloud", "network": " of the network",
    "thin_client": " of the thin client",
}  # fmt: skip
_FIELDS: Final = {
    "inferences_per_day": "number of inferences a day",
    "grid": "grid",
    "attribution": "attribution",
    "hardware": "hardware",
    "sd_card_gb": "memory card",
    "embodied_kgco2e": "embodied carbon",
    "bench": "bench record",
    "device_id": "measured device",
    "model_id": "measured model",
    "from": "start of the measurements",
    "to": "end of the measurements",
    "j_per_inference": "energy per inference",
    "j_per_inference_u": "uncertainty of the energy per inference",
    "active_power_w": "power while busy",
    "max_power_w": "power while busy",
    "idle_power_w": "power while waiting",
    "other_power_w": "power of the rest of the machine",
    "time_per_inference_s": "time per inference",
    "time_per_batch_s": "time per batch",
    "inferences_per_s": "number of inferences a second",
    "batch": "batch size",
    "accuracy_ratio": "accuracy",
    "latency_s": "latency",
    "sent_bytes": "traffic per inference",
    "lifetime_years": "life in years",
    "policy": "policy of charging what was made",
    "lifetime_uses": "life in inferences",
    "year": "year of life",
    "decline_ratio": "yearly decline of the charge",
    "pue": "PUE",
    "utilisation_ratio": "utilisation",
    "accelerator_embodied_kgco2e": "embodied carbon of an accelerator",
    "accelerator_count": "number of accelerators",
    "embodied_share_ratio": "share of the machine",
    "wue_l_per_kwh": "cooling water",
    "access": "type of access",
    "payload_up_bytes": "payload up",
    "payload_down_bytes": "payload down",
    "round_trip_s": "round trip",
    "bandwidth_up_bps": "bandwidth up",
    "bandwidth_down_bps": "bandwidth down",
    "average_kwh_per_gb": "average energy per gigabyte",
    "marginal_kwh_per_gb": "marginal energy per gigabyte",
    "same_board": "board",
    "price_per_device": "price",
    "price_per_hour": "price per hour",
    "price_per_1000": "price per 1 000 inferences",
    "price_per_gb": "price per gigabyte",
    "electricity_per_kwh": "price of electricity",
}


def field_words(path: str) -> str:
    """Return for example "The grid of the edge (edge.grid)". Raises KeyError for what is no field of a scenario."""
    table, _, key = path.rpartition(".")
    side, _, candidate = table.partition(".")
    of = f" of {candidate}" if candidate else _OF_TABLE[side]
    return f"The {_FIELDS[key]}{of} ({path})"
