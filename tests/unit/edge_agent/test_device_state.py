import time
from pathlib import Path

import pytest

from edge_agent.clock import ClockReading, read_clock, stamp
from edge_agent.device.cpu import CpuShare
from edge_agent.device.kernel import STA_UNSYNC, TIME_ERROR, clock_synchronised, is_synchronised, kernel_boot_id
from edge_agent.device.state import read_device_state
from edge_agent.wire.errors import ConfigurationError
from firmware_bridge.stream import host_time_s


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_a_raspberry_pi_as_its_kernel_shows_it(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "class/thermal/thermal_zone0/temp": "51121\n",
            "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
            "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "600000\n",
            "devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        },
    )
    state = read_device_state(root)
    assert state.soc_temp_c == pytest.approx(51.121)
    assert state.freq_mhz == pytest.approx(1050.0)
    assert state.throttled is True


def test_throttling_in_the_past_is_not_throttling_now(tmp_path: Path) -> None:
    root = write(tmp_path, {"devices/platform/soc/soc:firmware/get_throttled": "50000\n"})
    assert read_device_state(root).throttled is False


def test_the_zone_that_names_the_processor_wins(tmp_path: Path) -> None:
    zones = {0: ("gpu-thermal", "40000"), 1: ("CPU-therm", "47500"), 10: ("soc2-thermal", "30000")}
    files = {f"class/thermal/thermal_zone{n}/type": kind for n, (kind, _) in zones.items()}
    files |= {f"class/thermal/thermal_zone{n}/temp": temp for n, (_, temp) in zones.items()}
    assert read_device_state(write(tmp_path, files)).soc_temp_c == 47.5


def test_without_a_named_zone_the_first_that_can_be_read(tmp_path: Path) -> None:
    files = {
        "class/thermal/thermal_zone0/type": "acpitz",
        "class/thermal/thermal_zone0/temp": "broken",
        "class/thermal/thermal_zone1/type": "board",
        "class/thermal/thermal_zone1/temp": "-5000",
    }
    assert read_device_state(write(tmp_path, files)).soc_temp_c == -5.0


def test_what_the_kernel_does_not_show_is_unknown(tmp_path: Path) -> None:
    state = read_device_state(tmp_path)
    assert (state.soc_temp_c, state.freq_mhz) == (None, None)


def test_boot_id(tmp_path: Path) -> None:
    root = write(tmp_path, {"sys/kernel/random/boot_id": "0b5c2a8e\n"})
    assert kernel_boot_id(root) == "0b5c2a8e"
    with pytest.raises(ConfigurationError, match="boot_id"):
        kernel_boot_id(tmp_path / "absent")


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [(0, 0x2001, True), (0, STA_UNSYNC, False), (TIME_ERROR, 0, False), (5, 0x2041, False), (1, 0x2001, True)],
)
def test_adjtimex_words(state: int, status: int, expected: bool) -> None:  # noqa: FBT001
    assert is_synchronised(state, status) is expected


def test_adjtimex_of_this_kernel_answers() -> None:
    assert clock_synchronised() in {True, False, None}


def test_cpu_share_sees_work_and_rest() -> None:
    share = CpuShare()
    until_s = time.process_time() + 0.1
    while time.process_time() < until_s:
        pass
    busy = share.ratio()
    time.sleep(0.1)
    idle = share.ratio()
    assert busy is not None
    assert idle is not None
    assert idle < 0.5 * busy


def test_the_clock_reading_turns_boot_time_into_utc() -> None:
    clock = read_clock()
    unix_ns, _ = stamp(host_time_s(), clock, clock)
    assert unix_ns == pytest.approx(time.time_ns(), abs=50_000_000)


def test_a_stamp_says_what_the_clock_was_worth() -> None:
    lost, found = ClockReading(0, synchronised=False), ClockReading(10**18, synchronised=True)
    assert stamp(5.0, lost, lost) == (5_000_000_000, "unsynchronised")
    assert stamp(5.0, lost, found) == (10**18 + 5_000_000_000, "rebased")
    assert stamp(5.0, found, found) == (10**18 + 5_000_000_000, "synchronised")
    assert stamp(5.0, found, ClockReading(10**18 + 1_000_000, synchronised=True))[1] == "synchronised"
