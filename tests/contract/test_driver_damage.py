"""What damage on the line may do to any driver, found by the registry: never raise, never make up samples."""

from functools import cache

import numpy as np
import pytest

from firmware_bridge.driver import MeterDriver
from firmware_bridge.registry import driver_names, get_driver
from tests.fakes.meter_talk import Conversation, Said, decode_again, levels_a, steady

every_driver = pytest.mark.parametrize("driver", driver_names(), indirect=True)


@pytest.fixture(scope="session")
def driver(request: pytest.FixtureRequest) -> MeterDriver:
    return get_driver(str(request.param))


@cache
def transcript(name: str) -> tuple[Said, ...]:
    """A handshake and a short stretch of samples."""
    talk = Conversation(get_driver(name))
    sheet = talk.driver.data_sheet
    load = steady(sheet.nominal_voltage_v, levels_a(sheet)[1])
    talk.run_until_samples(load)
    talk.run(max(0.04, min(10 * sheet.sample_interval_s, 10.0)), load)
    return tuple(talk.said)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, lose, double or insert a few bytes."""
    at = int(rng.integers(len(data)))
    length = int(rng.integers(1, 40))
    kind = rng.integers(5)
    if kind == 0:
        return data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[at + length :]
    if kind == 2:
        return data[: at + length] + data[at:]
    if kind == 3:
        return data[:at] + rng.bytes(length) + data[at:]
    return data[:at] + rng.bytes(length) + data[at + length :]


@every_driver
def test_damage_never_raises_and_never_makes_up_samples(driver: MeterDriver) -> None:
    said = transcript(driver.name)
    clean = decode_again(driver, said)
    for seed in range(250):
        rng = np.random.default_rng(seed)
        hit = set(rng.choice(len(said), size=min(3, len(said)), replace=False).tolist())
        worse = [
            Said(one.t_host_s, from_meter=True, data=damaged(one.data, rng)) if i in hit and one.from_meter else one
            for i, one in enumerate(said)
        ]
        decoded = decode_again(driver, worse)
        decoded.check_blocks()
        assert len(decoded.column("power_w")) <= len(clean.column("power_w")) + 30
