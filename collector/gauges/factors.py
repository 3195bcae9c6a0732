"""The factors that grams rest on now: of the hardware, the grids and the models that are in use."""

from collections.abc import Collection, Iterable
from typing import Final

from collector.assess import NS_PER_S, Assessor
from collector.carbon.development import Development
from collector.carbon.factors import Factor
from collector.intensity.stored import StoredIntensity
from collector.sinks.points import FactorPoint

RECENT_NS: Final = 86_400 * NS_PER_S
"""Of a time-resolved intensity: the stretch whose mean is its value."""


def factors_in_use(
    assessor: Assessor,
    heard: Collection[str],
    providers: Iterable[StoredIntensity],
    made: Iterable[Development],
    now_unix_ns: int,
) -> list[Factor]:
    """Return each factor once, by its id: of the devices that were ever ``heard``, and of the models that were made.

    Raises ConfigurationError when stored intensities cannot be read.
    """
    devices = [device_id for device_id in assessor.device_ids if device_id in heard]
    zones = dict.fromkeys(zone for device_id in devices if (zone := assessor.describe(device_id).zone))
    found: list[Factor] = []
    for provider in providers:
        for zone in zones:
            found += provider.passports(zone, now_unix_ns - RECENT_NS, now_unix_ns)
            yearly = provider.yearly(zone)
            found += () if yearly is None else (yearly.factor,)
    found += [water for zone in zones if (water := assessor.water(zone)) is not None]
    found += [factor for device_id in devices for part in assessor.hardware(device_id) for factor in part.factors]
    found += [factor for one in made for factor in one.factors]
    return list({factor.id: factor for factor in reversed(found)}.values())[::-1]


def factor_points(factors: Iterable[Factor], collector: str = "") -> list[FactorPoint]:
    """Return them as points."""
    return [
        FactorPoint(
            factor=one.id,
            collector=collector,
            value=one.estimate.value,
            low=one.estimate.low,
            high=one.estimate.high,
            unit=one.estimate.unit,
            source=one.source,
            licence=one.licence,
            vintage=one.vintage,
            scope=one.scope,
        )
        for one in factors
    ]
