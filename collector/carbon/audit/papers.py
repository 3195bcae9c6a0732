"""Strubell et al. 2019, Wright et al. 2023, Gupta 2021 and Prakash et al. 2023: the figures that are passed on."""

import math
from functools import partial
from typing import Final

from collector.carbon.audit.claim import Claim, Input, Publication, remarks
from collector.carbon.audit.formulas import embodied_percent, use_kgco2e, use_kwh
from collector.carbon.units import G_PER_KG, GCO2E_PER_KWH_PER_LB_PER_MWH

STRUBELL: Final = Publication(
    id="strubell-2019",
    name="Strubell et al. 2019, as cited by Clemm, Wright and Gupta",
    reference="Strubell et al.: Energy and Policy Considerations for Deep Learning in NLP (arXiv:1906.02243)",
)
WRIGHT: Final = Publication(
    id="wright-2023",
    name="Wright et al. 2023, and the authors' blog",
    reference="Wright, Igel, Samuel, Selvan: Efficiency is Not Enough (arXiv:2309.02065)",
)
GUPTA: Final = Publication(
    id="gupta-2021",
    name="Gupta 2021",
    reference="A. Gupta: The Imperative for Sustainable AI Systems, The Gradient, 2021",
)
PRAKASH: Final = Publication(
    id="prakash-2023",
    name="Prakash et al. 2023",
    reference="Prakash et al.: Is TinyML Sustainable?, Communications of the ACM 66(11), 2023 (arXiv:2301.11899)",
)
PUBLICATIONS: Final = (STRUBELL, WRIGHT, GUPTA, PRAKASH)

_NAS_KWH: Final = 1515.43 * 1.58 * 274_120.0 / G_PER_KG
_TINY_LIFE_KWH: Final = use_kwh(0.001, 3.0)
_USE: Final = 0.01
_DESIGNS: Final[dict[str, tuple[float, tuple[float, ...]]]] = {
    "keyword spotting, best": (0.89, (0.1, 0.04, 0.06, 0.13, 0.25, 0.08, 0.01, 0.18, 0.03, _USE)),
    "keyword spotting, typical": (2.66, (0.1, 0.27, 0.11, 0.16, 1.36, 0.17, 0.02, 0.40, 0.06, _USE)),
    "anomaly detection": (2.67, (0.1, 0.27, 0.11, 0.16, 1.36, 0.17, 0.03, 0.40, 0.06, _USE)),
    "image classification": (3.41, (0.1, 0.27, 0.11, 0.16, 1.36, 0.17, 0.77, 0.40, 0.06, _USE)),
    "worst": (7.06, (0.1, 0.63, 0.14, 0.24, 2.71, 0.29, 1.47, 1.35, 0.12, _USE)),
}
_PARTS: Final = (
    "training", "casing", "others", "circuit board", "power supply", "processing", "sensing", "transport",
    "user interface", "use",
)  # fmt: skip

_strubell = partial(Claim, publication=STRUBELL.id, where="search for an architecture", expected="agrees")
_wright = partial(Claim, publication=WRIGHT.id, where="text", expected="agrees")
_gupta = partial(Claim, publication=GUPTA.id, where="text", expected="agrees")
_prakash = partial(Claim, publication=PRAKASH.id, where="calculator", unit="kgCO2e", expected="agrees")


def claims() -> tuple[Claim, ...]:
    """Return the figures, publication by publication."""
    return (*_search(), *_passed_on(), *_sustainable(), *_tiny())


def _search() -> tuple[Claim, ...]:
    energy = Input("energy", _NAS_KWH, "kWh")
    kg_per_kwh = 954.0 * GCO2E_PER_KWH_PER_LB_PER_MWH / G_PER_KG
    return (
        _strubell(
            id="strubell-energy", what="energy", formula="power x PUE x hours", unit="kWh", exact=_NAS_KWH,
            printed=656_347.0,
            inputs=(Input("power", 1515.43, "W"), Input("PUE", 1.58, "1"), Input("time", 274_120.0, "h")),
        ),
        _strubell(
            id="strubell-284t", what="carbon", formula="energy x grid", unit="tCO2e", printed=284.0,
            inputs=(energy, Input("grid", 0.4327, "kgCO2e/kWh")), exact=use_kgco2e(_NAS_KWH, 0.4327) / G_PER_KG,
        ),
        _strubell(
            id="strubell-pounds", what="carbon in pounds", formula="energy x grid", unit="lbCO2e", printed=626_155.0,
            inputs=(energy, Input("grid", 0.954, "lb/kWh")), exact=_NAS_KWH * 0.954,
            note=f"0.954 lb/kWh is {kg_per_kwh:.4f} kg/kWh, the factor above",
        ),
        _strubell(
            id="strubell-five-cars", what="cars over their life", formula="carbon / carbon", unit="cars",
            inputs=(Input("search", 626_155.0, "lb"), Input("a car with its fuel", 126_000.0, "lb")),
            exact=626_155.0 / 126_000.0, printed=5.0,
        ),
    )  # fmt: skip


def _passed_on() -> tuple[Claim, ...]:
    parts = (24.69, 14.6, 11.2)
    inputs = tuple(map(Input, ("dynamic", "idle", "embodied"), parts, ("tCO2e",) * 3))
    return (
        _wright(
            id="wright-bloom", what="BLOOM, in all", formula="dynamic + idle + embodied", unit="tCO2e",
            inputs=inputs, exact=math.fsum(parts), expected="derived here",
        ),
        _wright(
            id="wright-bloom-share", what="BLOOM, embodied share", formula="embodied / all", unit="%", inputs=inputs,
            exact=embodied_percent(11.2, 24.69 + 14.6), printed=22.0,
        ),
        _wright(
            id="wright-88x", what="estimate to the later figure", formula="estimate / later figure", unit="times",
            inputs=(Input("estimate", 284.0, "tCO2e"), Input("later figure", 3.2, "tCO2e")), exact=284.0 / 3.2,
            as_printed_steps=float(284 * 10 // 32), printed=88.0, expected="rounded on the way",
            note="cut, not rounded; what rounds to 3.2 t gives 87.4 to 90.2",
        ),
        _wright(
            id="wright-iea", what="electricity, by the IEA", formula="2 x half", unit="PWh", printed=65.0,
            inputs=(Input("half", 32.5, "PWh"),), exact=2.0 * 32.5,
        ),
    )  # fmt: skip


def _sustainable() -> tuple[Claim, ...]:
    grids = {"IN": 614.0, "ZA": 712.0, "SE": 23.0}
    unit = "gCO2e/kWh"
    return (
        _gupta(
            id="gupta-doubling", what="growth of computing in a year", formula="2 ^ (12 / 3.4)", unit="times",
            inputs=(Input("doubling", 3.4, "months"),), exact=2.0 ** (12.0 / 3.4), expected="derived here",
        ),
        _gupta(
            id="gupta-region", what="dirtiest to cleanest region", formula="ZA / SE", unit="times", printed=30.0,
            inputs=(Input("ZA, 2024", grids["ZA"], unit), Input("SE, 2024", grids["SE"], unit)),
            exact=grids["ZA"] / grids["SE"], says="about", expected="loose",
            note="yearly means of Electricity Maps, four years after the text",
        ),
        _gupta(
            id="gupta-region-in", what="the same from India", formula="IN / SE", unit="times", printed=30.0,
            inputs=(Input("IN, 2024", grids["IN"], unit), Input("SE, 2024", grids["SE"], unit)),
            exact=grids["IN"] / grids["SE"], says="about", expected="loose",
        ),
    )  # fmt: skip


def _tiny() -> tuple[Claim, ...]:
    sums = tuple(
        _prakash(
            id=f"prakash-{number}", what=name, formula="sum of the parts", printed=printed, step=0.01,
            inputs=tuple(Input(part, mass, "kgCO2e") for part, mass in zip(_PARTS, masses, strict=True)),
            exact=math.fsum(masses),
        )
        for number, (name, (printed, masses)) in enumerate(_DESIGNS.items(), 1)
    )  # fmt: skip
    life = Input("use, 1 mW for 3 years", _TINY_LIFE_KWH, "kWh")
    typical, best = (math.fsum(_DESIGNS[name][1]) for name in ("keyword spotting, typical", "keyword spotting, best"))
    use = Input("use", _USE, "kgCO2e")
    return (
        *sums,
        _prakash(
            id="prakash-use-energy", what="energy of the life", formula="1 mW x 3 a", unit="kWh",
            inputs=(Input("power", 0.001, "W"), Input("life", 3.0, "a")), exact=_TINY_LIFE_KWH,
            expected="derived here",
        ),
        _prakash(
            id="prakash-use", what="use over the life", formula="energy x grid", printed=_USE, step=0.01,
            inputs=(life, Input("grid", 0.4, "kgCO2e/kWh")), exact=use_kgco2e(_TINY_LIFE_KWH, 0.4),
            note="0.4 kg/kWh is put in here; any grid from 0.19 to 0.57 rounds to the printed figure",
        ),
        _prakash(
            id="prakash-embodied", what="embodied share, typical", formula="(all - use) / all", unit="%",
            inputs=(Input("all", typical, "kgCO2e"), use), exact=embodied_percent(typical - _USE, _USE),
            printed=99.0, says="more than",
        ),
        _prakash(
            id="prakash-embodied-best", what="embodied share, smallest design", formula="(all - use) / all", unit="%",
            inputs=(Input("all", best, "kgCO2e"), use), exact=embodied_percent(best - _USE, _USE),
            expected="derived here", note="here the share is just below 99 %",
        ),
    )  # fmt: skip


REMARKS: Final = (
    *remarks(
        WRIGHT,
        ("conflict", "the blog says that regions differ by a factor of 10, Gupta says 30"),
        ("slip", 'the host of the Danish data is spelt "energidaservice.dk"; it is energidataservice.dk'),
        ("conflict", "embodied: 10 % in data centres, 40 to 80 % at the edge: a matter of grid, duty and life"),
        ("not derived", "700,000 L of water for GPT-3, and 423,624 models of EC-NAS: no inputs are given"),
    ),
    *remarks(GUPTA, ("not derived", "half of the emissions for the last 0.3 of word error rate: no inputs are given")),
)
