"""A board's own sensors: real file layouts, and the known mistakes answered by a named warning and no number."""

import ctypes
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.internal import nvml
from firmware_bridge.internal.jetson_ina import HwmonIna
from firmware_bridge.internal.pi5_pmic import Pi5Pmic, parse_pmic
from firmware_bridge.internal.reading import (
    InternalReading,
    NoInputCurrentWarning,
    NotReadableWarning,
    NotSupportedWarning,
    Rail,
    SummedRailsWarning,
    total_rail,
)
from firmware_bridge.internal.registry import all_kinds, find_sensors
from firmware_bridge.internal.sampler import InternalSampler


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def orin_nano(root: Path) -> None:
    folder = "sys/class/hwmon/hwmon3/"
    write_tree(
        root,
        {
            folder + "name": "ina3221",
            **{folder + f"in{n}_label": label for n, label in enumerate(("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"), 1)},
            **{folder + f"in{n}_input": "5000" for n in (1, 2, 3)},
            **{folder + f"curr{n}_input": str(mA) for n, mA in ((1, 1320), (2, 400), (3, 280))},
            "sys/class/hwmon/hwmon0/name": "cpu_thermal",
        },
    )


def test_every_kind_says_what_it_sees_and_where_that_is_written() -> None:
    assert [kind.name for kind in all_kinds()] == ["jetson_ina", "nvml", "pi5_pmic", "rapl"]
    assert all(kind.scope and kind.source and kind.title for kind in all_kinds())


def test_a_machine_without_sensors_has_none(tmp_path: Path) -> None:
    assert find_sensors(tmp_path) == []


def test_the_orin_nano_has_a_rail_that_holds_the_whole(tmp_path: Path) -> None:
    orin_nano(tmp_path)
    ((kind, sensor),) = find_sensors(tmp_path)
    assert kind.name == "jetson_ina"
    reading = sensor.read(1.0)
    assert reading is not None
    assert [rail.name for rail in reading.rails] == ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"]
    rail = total_rail(reading)
    assert rail is not None
    assert (rail.power_w, rail.voltage_v, rail.current_a) == pytest.approx((6.6, 5.0, 1.32))


def test_the_agx_orin_has_no_total_and_its_rails_are_not_added_up(tmp_path: Path) -> None:
    folder = "sys/class/hwmon/hwmon1/"
    labels = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
    write_tree(
        tmp_path,
        {folder + "name": "ina3221"}
        | {folder + f"in{n}_label": label for n, label in enumerate(labels, 1)}
        | {folder + f"in{n}_input": "20000" for n in (1, 2, 3)}
        | {folder + f"curr{n}_input": "100" for n in (1, 2, 3)},
    )
    reading = find_sensors(tmp_path)[0][1].read(1.0)
    assert reading is not None
    with pytest.warns(SummedRailsWarning, match="VIN_SYS_5V0.*not added up"):
        assert total_rail(reading) is None


def test_the_nano_of_l4t_32_is_read_in_milliwatts(tmp_path: Path) -> None:
    folder = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/"
    names = ("POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU")
    write_tree(
        tmp_path,
        {folder + f"rail_name_{n}": name for n, name in enumerate(names)}
        | {folder + f"in_power{n}_input": str(mw) for n, mw in enumerate((2100, 300, 800))},
    )
    reading = find_sensors(tmp_path)[0][1].read(1.0)
    assert reading is not None
    rail = total_rail(reading)
    assert rail is not None
    assert (rail.name, rail.voltage_v) == ("POM_5V_IN", None)
    assert rail.power_w == pytest.approx(2.1)


def test_thor_reads_power_itself_in_microwatts(tmp_path: Path) -> None:
    folder = "sys/class/hwmon/hwmon2/"
    write_tree(tmp_path, {folder + "name": "ina238", folder + "in1_label": "VIN", folder + "power1_input": "41500000"})
    reading = find_sensors(tmp_path)[0][1].read(1.0)
    assert reading is not None
    (rail,) = reading.rails
    assert rail.name == "VIN"
    assert rail.power_w == pytest.approx(41.5)


def test_a_chip_that_refuses_is_a_warning_and_no_zero(tmp_path: Path) -> None:
    with pytest.warns(NotReadableWarning, match="no channel answers"):
        assert HwmonIna(tmp_path, "ina3221").read(1.0) is None


# Layout of the firmware's answer: Raspberry Pi documentation, "vcgencmd pmic_read_adc"; the values are made up.
PMIC = """\
   3V7_WL_SW_A current(0)=0.10000000A
     VDD_CORE_A current(7)=1.00000000A
  3V7_WL_SW_V volt(8)=3.70000000V
     VDD_CORE_V volt(15)=0.80000000V
       EXT5V_V volt(24)=5.10000000V
        BATT_V volt(25)=0.00600000V
"""


def test_the_pmic_has_rails_a_modelled_input_and_no_total() -> None:
    with pytest.warns(NoInputCurrentWarning, match="input current is not measured"):
        reading = Pi5Pmic(lambda: PMIC).read(2.0)
    assert reading is not None
    assert {rail.name: rail.power_w for rail in reading.rails} == {
        "3V7_WL_SW": pytest.approx(0.37),
        "VDD_CORE": pytest.approx(0.8),
        "EXT5V": None,
        "BATT": None,
    }
    assert reading.modelled_power_w == pytest.approx(1.1451 * 1.17 + 0.5879)
    with pytest.warns(SummedRailsWarning):
        assert total_rail(reading) is None


@pytest.mark.parametrize("text", ["", "error=1 error_msg='Command not registered'", "VDD_CORE_A current(7)=nonsenseA"])
def test_a_board_without_the_pmic_is_a_warning(text: str) -> None:
    with pytest.warns(NotSupportedWarning, match="only the Raspberry Pi 5"):
        assert Pi5Pmic(lambda: text).read(1.0) is None


def test_a_vcgencmd_that_fails_is_a_warning() -> None:
    def fails() -> str:
        raise subprocess.CalledProcessError(255, "vcgencmd")

    with pytest.warns(NotReadableWarning, match="group 'video'"):
        assert Pi5Pmic(fails).read(1.0) is None


def test_a_number_with_two_points_is_no_number() -> None:
    assert parse_pmic("X_A current(0)=1.2.3A\nX_V volt(1)=1.0V") == (Rail("X", None, 1.0),)


def rapl_tree(root: Path, energy_uj: int) -> None:
    zones = {"intel-rapl:0": "package-0", "intel-rapl:0/intel-rapl:0:0": "core", "intel-rapl:1": "psys"}
    for folder, name in zones.items():
        base = f"sys/class/powercap/{folder}/"
        write_tree(
            root,
            {base + "name": name, base + "energy_uj": str(energy_uj), base + "max_energy_range_uj": "262143328850"},
        )


def test_rapl_zones_are_apart_and_their_cores_inside_them(tmp_path: Path) -> None:
    rapl_tree(tmp_path, 5_000_000)
    sensors = [sensor for _, sensor in find_sensors(tmp_path)]
    assert [sensor.name for sensor in sensors] == ["intel-rapl:0", "intel-rapl:1"]
    reading = sensors[0].read(1.0)
    assert reading is not None
    assert [rail.name for rail in reading.rails] == ["package-0", "core"]
    rail = total_rail(reading)
    assert rail is not None
    assert rail.energy_j == pytest.approx(5.0)


def test_rapl_that_only_root_may_read_is_a_warning(tmp_path: Path) -> None:
    rapl_tree(tmp_path, 1)
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    with pytest.warns(NotReadableWarning, match="needs root"):
        assert find_sensors(tmp_path)[0][1].read(1.0) is None


def rapl(energy_j: float) -> InternalReading:
    return InternalReading(
        "r", 0.0, (Rail("package-0", None, energy_j=energy_j, counter_period_j=65_532.0),), "package-0"
    )


def test_a_counter_that_wraps_goes_on() -> None:
    sampler = InternalSampler()
    for second, energy_j in enumerate((65_522.0, 65_529.0, 4.0)):
        sampler.add(rapl(energy_j), float(second))
    total = sampler.total()
    assert (total.energy_j, total.covered_s, total.gap_s) == pytest.approx((14.0, 2.0, 0.0))
    assert total.from_counter


def test_a_counter_that_may_have_wrapped_unseen_leaves_a_gap() -> None:
    for last_j in (4.0, 90.0, 900.0):
        sampler = InternalSampler()
        sampler.add(rapl(90.0), 0.0)
        sampler.add(rapl(last_j), 500.0)
        total = sampler.total()
        assert (total.energy_j, total.covered_s, total.gap_s) == (0.0, 0.0, 500.0)


def test_a_counter_goes_on_across_silence_that_is_too_short_for_it_to_wrap() -> None:
    sampler = InternalSampler()
    sampler.add(rapl(65_000.0), 0.0)
    sampler.add(None, 1.0)
    sampler.add(rapl(65_100.0), 2.0)
    sampler.add(rapl(468.0), 22.0)
    total = sampler.total()
    assert (total.energy_j, total.covered_s, total.gap_s) == (900.0, 20.0, 2.0)


def test_a_counter_that_began_anew_did_not_wrap() -> None:
    """After a suspended machine wakes up: a whole period in one second would be 40 kW."""
    sampler = InternalSampler()
    for second, energy_j in enumerate((20_000.0, 20_010.0, 5.0, 15.0)):
        sampler.add(rapl(energy_j), float(second))
    total = sampler.total()
    assert (total.energy_j, total.covered_s, total.gap_s) == (20.0, 2.0, 1.0)


def test_a_reading_that_is_no_later_takes_no_joule_away_and_adds_none() -> None:
    counted, sampled = InternalSampler(), InternalSampler()
    for t_s in (0.0, 1.0, 1.0, 0.5, 2.0):
        counted.add(rapl(10.0 * t_s), t_s)
        sampled.add(powered(10.0), t_s)
    counted.add(rapl(25.0), 2.0)
    counted.add(rapl(40.0), 3.0)
    assert (counted.total().energy_j, counted.total().covered_s) == (40.0, 3.0)
    assert (sampled.total().energy_j, sampled.total().covered_s) == (20.0, 2.0)


def powered(power_w: float) -> InternalReading:
    return InternalReading("i", 0.0, (Rail("VDD_IN", power_w),), "VDD_IN")


def test_power_is_integrated_by_trapezoid_and_never_across_silence() -> None:
    sampler = InternalSampler()
    for t_s, power_w in ((0.0, 2.0), (1.0, 4.0)):
        sampler.add(powered(power_w), t_s)
    sampler.add(None, 1.5)
    sampler.add(powered(4.0), 2.0)
    sampler.add(powered(4.0), 3.0)
    total = sampler.total()
    assert (total.energy_j, total.covered_s, total.gap_s) == pytest.approx((3.0 + 4.0, 2.0, 1.0))
    assert total.readings == 4
    assert not total.from_counter


class FakeNvml:
    """NVML's functions with chosen answers, as the Jetson's or a desktop driver gives them."""

    def __init__(self, *, power: tuple[int, int], energy: tuple[int, int], count: int = 1) -> None:
        self._power, self._energy, self._count = power, energy, count

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return nvml.SUCCESS

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self._count
        return nvml.SUCCESS

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:  # noqa: N802
        handle._obj.value = 1 + index
        return nvml.SUCCESS

    def nvmlDeviceGetPowerUsage(self, handle: Any, value: Any) -> int:  # noqa: N802
        assert handle.value == 1
        value._obj.value = self._power[1]
        return self._power[0]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, value: Any) -> int:  # noqa: N802
        assert handle.value == 1
        value._obj.value = self._energy[1]
        return self._energy[0]

    def nvmlDeviceGetName(self, handle: Any, text: Any, size: int) -> int:  # noqa: N802
        assert handle.value == 1
        assert size >= 12
        ctypes.memmove(text, b"NVIDIA H100\0", 12)
        return nvml.SUCCESS


def test_a_card_gives_power_and_its_counter() -> None:
    (card,) = nvml.cards(FakeNvml(power=(0, 71_500), energy=(0, 2_000_000_123)))
    reading = card.read(1.0)
    assert reading is not None
    (rail,) = reading.rails
    assert rail.name == "NVIDIA H100"
    assert rail.power_w == pytest.approx(71.5)
    assert rail.energy_j == pytest.approx(2_000_000.123)


def test_nvml_on_a_jetson_is_a_named_warning_and_no_energy() -> None:
    (card,) = nvml.cards(FakeNvml(power=(nvml.NOT_SUPPORTED, 0), energy=(nvml.NOT_SUPPORTED, 0)))
    with pytest.warns(NotSupportedWarning, match="on a Jetson use jetson_ina"):
        assert card.read(1.0) is None


def test_an_older_card_without_a_counter_still_has_power() -> None:
    (card,) = nvml.cards(FakeNvml(power=(0, 10_000), energy=(nvml.NOT_SUPPORTED, 0)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reading = card.read(1.0)
    assert reading is not None
    assert reading.rails[0].power_w == pytest.approx(10.0)
    assert reading.rails[0].energy_j is None


@pytest.mark.gpu
def test_a_real_card_answers() -> None:
    sensors = nvml.find(Path("/"))
    if not sensors:
        pytest.skip("this machine has no NVIDIA card")
    reading = sensors[0].read(1.0)
    assert reading is not None
    assert (reading.rails[0].power_w or 0.0) > 1.0
