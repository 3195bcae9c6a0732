"""This project's own worked figures: where the embodied part rules, what pays back, and what the network costs."""

from functools import partial
from typing import Final

from collector.carbon.audit.claim import Claim, Input, Publication
from collector.carbon.audit.formulas import break_even_gco2e_per_kwh, embodied_percent, use_kgco2e, use_kwh
from collector.carbon.units import BYTES_PER_GB, G_PER_KG, J_PER_KWH, kwh_from_j

PUBLICATION: Final = Publication(
    id="edgejoule",
    name="edgejoule's worked figures",
    reference="this package: screening masses in docs/embodied.md, yearly grids of 2024, network figures in its table",
)
_LIFE: Final = Input("life", 5.0, "a")
_BOARDS: Final = {
    "Raspberry Pi 4B": (4.0, ((2.3, 13.0), (9.3, 53.0), (25.6, 146.0))),
    "Jetson Orin Nano": (10.0, ((9.2, 21.0), (27.7, 63.0), (64.5, 147.0))),
    "ESP32": (0.25, ((0.6, 55.0), (2.3, 210.0), (5.7, 521.0))),
}
_SHARES: Final = {"SE": (23.0, 70.0), "FR": (33.0, 62.0), "DK": (136.0, 28.0), "DE": (341.0, 13.0), "IN": (614.0, 8.0)}
_PAYBACKS: Final = {"SE": (23.0, 17.2, 0.1), "DE": (341.0, 1.16, 0.01), "IN": (614.0, 0.64, 0.01)}
_PAYLOAD_GB: Final = 50_000.0 / BYTES_PER_GB
_NETWORK: Final = {
    "average, fixed": (0.0065, 3.3e-7), "average, mobile": (0.1, 5.0e-6),
    "marginal, fixed": (0.05 / 450.0, 5.6e-9), "marginal, mobile": (1.53 / 450.0, 1.7e-7),
}  # fmt: skip

_own = partial(Claim, publication=PUBLICATION.id, where="worked figures", expected="agrees")


def claims() -> tuple[Claim, ...]:
    """Return the figures of the regimes."""
    return (*_break_evens(), *_shares(), *_paybacks(), *_network())


def _break_evens() -> tuple[Claim, ...]:
    return tuple(
        _own(
            id=f"break-even-{board.rpartition(' ')[2].lower()}-{name}", what=f"break-even grid, {board}, {name}",
            formula="mass / (life x power)", unit="gCO2e/kWh",
            inputs=(Input("embodied", mass_kg, "kgCO2e"), Input("power", power_w, "W"), _LIFE),
            exact=break_even_gco2e_per_kwh(mass_kg, power_w, _LIFE.value), printed=printed,
        )
        for board, (power_w, masses) in _BOARDS.items()
        for name, (mass_kg, printed) in zip(("low", "middle", "high"), masses, strict=True)
    )  # fmt: skip


def _shares() -> tuple[Claim, ...]:
    kwh = use_kwh(4.0, _LIFE.value)
    return tuple(
        _own(
            id=f"embodied-share-{zone.lower()}", what=f"embodied share, Raspberry Pi 4B at 4 W in {zone}", unit="%",
            formula="mass / (mass + life x power x grid)",
            inputs=(Input("embodied", 9.3, "kgCO2e"), _LIFE, Input("grid", grid, "gCO2e/kWh")),
            exact=embodied_percent(9.3, use_kgco2e(kwh, grid / G_PER_KG)), printed=printed,
        )
        for zone, (grid, printed) in _SHARES.items()
    )  # fmt: skip


def _paybacks() -> tuple[Claim, ...]:
    saved_kwh = use_kwh(15.0) - use_kwh(7.0)
    return tuple(
        _own(
            id=f"payback-{zone.lower()}", what=f"payback of 27.7 kg by 15 W to 7 W in {zone}", unit="a", step=step,
            formula="mass / (saved energy x grid)",
            inputs=(Input("embodied", 27.7, "kgCO2e"), Input("saved", saved_kwh, "kWh/a"),
                    Input("grid", grid, "gCO2e/kWh")),
            exact=27.7 / use_kgco2e(saved_kwh, grid / G_PER_KG), printed=printed,
        )
        for zone, (grid, printed, step) in _PAYBACKS.items()
    )  # fmt: skip


def _network() -> tuple[Claim, ...]:
    payload = Input("payload", 50_000.0, "bytes")
    return (
        _own(
            id="network-slope", what="1 W per Mbit/s", formula="8000 J/GB", unit="kWh/GB",
            inputs=(Input("slope", 1.0, "W/(Mbit/s)"),), exact=8.0 * BYTES_PER_GB / 1e6 / J_PER_KWH,
            printed=1.0 / 450.0, step=1e-9,
        ),
        *(
            _own(
                id=f"network-{name.replace(', ', '-')}", what=f"sending 50 kB, {name}", formula="payload x factor",
                unit="kWh", inputs=(payload, Input(name, per_gb, "kWh/GB")), exact=_PAYLOAD_GB * per_gb,
                printed=printed, step=10.0 ** _exponent(printed),
            )
            for name, (per_gb, printed) in _NETWORK.items()
        ),
        _own(
            id="cloud-inference", what="5 ms of a T4 at 70 W, PUE 1.15", formula="time x power x PUE", unit="kWh",
            inputs=(Input("time", 0.005, "s"), Input("power", 70.0, "W"), Input("PUE", 1.15, "1")),
            exact=kwh_from_j(0.005 * 70.0 * 1.15), printed=1.12e-7, step=1e-9,
        ),
        _own(
            id="edge-inference", what="50 ms of a board at 4 W", formula="time x power", unit="kWh",
            inputs=(Input("time", 0.05, "s"), Input("power", 4.0, "W")), exact=kwh_from_j(0.05 * 4.0),
            printed=5.6e-8, step=1e-9,
        ),
    )  # fmt: skip


def _exponent(printed: float) -> int:
    """Return the power of ten of the second digit, which is the last that is printed."""
    return int(f"{printed:e}".partition("e")[2]) - 1
