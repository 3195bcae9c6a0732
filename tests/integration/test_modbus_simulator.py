"""Our meters' drivers against registers that pymodbus's own simulator serves: bytes that none of our code made."""

import random
import time

import pytest
from pymodbus.simulator import DataType, SimData

from firmware_bridge.driver import Options
from firmware_bridge.energy import energy_limits_j
from firmware_bridge.errors import MeterUnavailableError
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from tests.fakes.metered import measure
from tests.fakes.modbus_device import cable, device, serving

FAST: Options = {"poll_interval_s": 0.1}
SDM_SERIAL = [SimData(0xFC00, values=20_123_456, datatype=DataType.UINT32)]


def floats(by_address: dict[int, float], count: int) -> list[SimData]:
    """Registers from 0: pymodbus lays the numbers out; what is not named is zero."""
    values = [by_address.get(2 * i, 0.0) for i in range(count // 2)]
    return [SimData(0, values=values, datatype=DataType.FLOAT32)]


SDM120 = floats(
    {
        0x00: 230.2,
        0x06: 1.25,
        0x0C: 250.5,
        0x12: 287.75,
        0x18: -141.5,
        0x1E: 0.875,
        0x46: 49.98,
        0x48: 355.601,
        0x4A: 0.25,
    },
    0x60,
)
SDM630_VALUES = {0x00: 231.68, 0x02: 229.5, 0x04: 230.0, 0x06: 1.0, 0x08: 2.0, 0x0A: 3.0, 0x0C: 200.0, 0x0E: 400.0}
SDM630 = floats(SDM630_VALUES | {0x10: 600.5, 0x30: 6.0, 0x34: 1200.5, 0x46: 50.02, 0x48: 1234.5}, 0x60)
# 242.8 V, 13.211 A, 2994.6 W, 7970 Wh, 50.0 Hz, 0.93; 70,000 Wh would need the second word.
PZEM = [SimData(0, values=[2428, 13211, 0, 29946, 0, 7970, 1, 500, 93, 0], datatype=DataType.REGISTERS)]
PZEM_SETTINGS = [SimData(1, values=[23_000, 1], datatype=DataType.REGISTERS)]


def test_an_sdm120_is_read_field_by_field() -> None:
    with cable() as (port, other), serving(device(1, SDM120, SDM_SERIAL), other):
        meter = Meter(get_driver("sdm120"), port, options=FAST)
        with meter:
            delta, _, _ = measure(meter, 0.6)
            block, identity = meter.latest_block(), meter.health().identity
    assert block is not None
    assert block.voltage_v[0] == pytest.approx(230.2, rel=1e-6)
    assert block.current_a[0] == 1.25
    assert block.power_w[0] == 250.5
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx(355.601 * 3.6e6, rel=1e-6)
    assert identity is not None
    assert (identity.model, identity.serial_number) == ("SDM120", "20123456")
    assert delta.mean_power_w == pytest.approx(250.5)
    assert delta.gap_s == 0.0
    assert meter.health().frame_errors == {}


def test_an_sdm630_sums_its_phases() -> None:
    with (
        cable() as (port, other),
        serving(device(7, SDM630, SDM_SERIAL), other),
        Meter(get_driver("sdm630"), port, options={**FAST, "address": 7}) as meter,
    ):
        delta, _, _ = measure(meter, 0.6)
        block = meter.latest_block()
    assert block is not None
    assert (block.power_w[0], block.current_a[0]) == (1200.5, 6.0)
    assert block.voltage_v[0] == pytest.approx((231.68 + 229.5 + 230.0) / 3, rel=1e-6)
    assert delta.mean_power_w == pytest.approx(1200.5)


def test_a_pzem_with_its_low_word_first_and_a_counter_that_bounds_the_joules() -> None:
    """The load grows while it is measured; each read finds the registers as a meter of 1 s refresh shows them."""
    began_s = time.monotonic()

    def refresh(function: int, registers: list[int]) -> None:
        if function == 4:
            elapsed_s = int(time.monotonic() - began_s)
            registers[3:5] = [(70_000 + 1000 * elapsed_s) & 0xFFFF, (70_000 + 1000 * elapsed_s) >> 16]
            registers[5:7] = [7970 + 2 * elapsed_s, 1]

    driver = get_driver("pzem004t")
    with cable() as (port, other), serving(device(1, PZEM, PZEM_SETTINGS, refresh), other):
        with Meter(driver, port) as meter:
            delta, _, _ = measure(meter, 2.5)
            block = meter.latest_block()
        health = meter.health()
    assert block is not None
    assert block.voltage_v[0] == pytest.approx(242.8)
    assert block.current_a[0] == pytest.approx(13.211)
    assert delta.mean_power_w == pytest.approx(7250.0, abs=200.0)
    assert delta.counter_j is not None
    assert abs(delta.counter_j - delta.energy_j) < 7200.0 + 0.05 * delta.energy_j, "a step of it, and how it is read"
    low_j, high_j = energy_limits_j(delta, driver.data_sheet)
    assert low_j <= delta.energy_j <= high_j
    assert delta.sample_count < 2.5 / 0.5 + 1
    assert health.frame_errors == {}


@pytest.mark.parametrize("name", ["sdm120", "sdm630", "pzem004t"])
def test_an_adapter_that_echoes_is_not_noticed(name: str) -> None:
    inputs, holding = (PZEM, PZEM_SETTINGS) if name == "pzem004t" else (SDM630, SDM_SERIAL)
    with cable(echo=True) as (port, other), serving(device(1, inputs, holding), other):
        with Meter(get_driver(name), port, options=FAST) as meter:
            delta, _, _ = measure(meter, 0.5)
        health = meter.health()
    assert delta.gap_s == 0.0
    assert health.frame_errors == {}


def test_a_line_that_damages_and_loses_answers_is_counted_and_asked_again() -> None:
    rng = random.Random(3)

    def bad(data: bytes) -> bytes:
        kind = rng.random()
        if kind < 0.15:
            return b""
        if kind < 0.3:
            at = rng.randrange(len(data))
            return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        return data

    options = {**FAST, "timeout_s": 0.1}
    with cable(to_host=bad) as (port, other), serving(device(1, PZEM, PZEM_SETTINGS), other):
        with Meter(get_driver("pzem004t"), port, options=options) as meter:
            delta, _, _ = measure(meter, 4.0)
        errors = meter.health().frame_errors
    assert delta.mean_power_w == pytest.approx(2994.6)
    assert delta.gap_s == 0.0
    assert errors["stale"] > 0
    assert errors["checksum"] > 0


def test_a_unit_without_a_serial_number_is_known_all_the_same() -> None:
    holding = [SimData(0, values=[0, 0], datatype=DataType.REGISTERS)]
    with (
        cable() as (port, other),
        serving(device(1, SDM120, holding), other),
        Meter(get_driver("sdm120"), port, options=FAST) as meter,
    ):
        identity, errors = meter.health().identity, meter.health().frame_errors
    assert identity is not None
    assert (identity.model, identity.serial_number) == ("SDM120", "")
    assert errors == {}


def test_a_device_with_other_registers_is_one_line_with_the_exception() -> None:
    """A PZEM-017 asked as a PZEM-004T: it has eight registers, ten are refused."""
    inputs = [SimData(0, values=[1173, 0, 0, 0, 2, 0, 0, 0], datatype=DataType.REGISTERS)]
    with cable() as (port, other), serving(device(1, inputs, PZEM_SETTINGS), other):
        meter = Meter(get_driver("pzem004t"), port)
        with pytest.raises(MeterUnavailableError, match=r"answers, but: .* illegal register, exception 2"):
            meter.open(timeout_s=0.5)


def test_two_meters_share_a_line_by_address() -> None:
    other_inputs = [SimData(0, values=[2300, 100, 0, 230, 0, 5, 0, 500, 100, 0], datatype=DataType.REGISTERS)]
    both = [device(1, PZEM, PZEM_SETTINGS), device(9, other_inputs, PZEM_SETTINGS)]
    with cable() as (port, other), serving(both, other):
        powers_w = []
        for address in (1, 9):
            with Meter(get_driver("pzem004t"), port, options={**FAST, "address": address}) as meter:
                powers_w.append(meter.latest_power_w())
    assert powers_w == [pytest.approx(2994.6), pytest.approx(23.0)]


def test_an_action_sees_every_read_of_its_function() -> None:
    """The test's own tool: else the load of the counter test would not have grown."""
    seen: list[int] = []
    what = device(1, PZEM, PZEM_SETTINGS, lambda function, _registers: seen.append(function))
    with cable() as (port, other), serving(what, other), Meter(get_driver("pzem004t"), port, options=FAST) as meter:
        measure(meter, 0.3)
    assert seen[0] == 3
    assert set(seen[1:]) == {4}
