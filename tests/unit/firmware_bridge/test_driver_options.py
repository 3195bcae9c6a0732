"""Every option of every meter refuses what it cannot take in one line, from a command line and from TOML alike."""

from collections.abc import Callable

import pytest

from firmware_bridge.driver import MeterDriver, Options, OptionValue
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.registry import all_drivers

VALUES: list[OptionValue] = ["", "x", "-1", "1e99", "nan", "inf", ",", "a:b", "R0: 1", "MLX10,x", "9" * 400, "\u00e9"]
VALUES += [10**400, -1, True, float("nan")]


def refusal(take: Callable[[Options], object], given: Options) -> str:
    try:
        take(given)
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("driver", all_drivers(), ids=lambda driver: driver.name)
def test_a_value_is_taken_or_refused_in_one_line(driver: MeterDriver) -> None:
    takers = [
        driver.make_decoder,
        lambda given: driver.make_encoder(given, 1),
        driver.serial_settings,
        driver.for_options,
    ]
    for option in driver.options:
        for value in VALUES:
            assert not any("\n" in refusal(take, {option: value}) for take in takers)
