import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.clock import ClockReading, read_clock, stamp
from edge_agent.device.cpu import CpuRatios, CpuShare, CpuTimes, busy_s, cpu_ratios
from edge_agent.device.kernel import STA_UNSYNC, TIME_ERROR, clock_synchronised, is_synchronised, kernel_boot_id
from edge_agent.device.observer import DeviceObserver
from edge_agent.device.state import DeviceReader, read_device_state, read_governor
from edge_agent.device.throttle import ThrottleWatch, is_throttled, throttled_word
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


def test_a_window_is_summed_up_over_its_looks(tmp_path: Path) -> None:
    zone, clock = "class/thermal/thermal_zone0", "devices/system/cpu/cpu{}/cpufreq/{}"
    firmware = "devices/platform/soc/soc:firmware/get_throttled"
    sys_root = write(
        tmp_path / "sys",
        {
            f"{zone}/type": "cpu-thermal",
            f"{zone}/temp": "50000",
            clock.format(0, "scaling_cur_freq"): "600000",
            clock.format(1, "scaling_cur_freq"): "1000000",
            clock.format(0, "scaling_governor"): "ondemand",
            clock.format(1, "scaling_governor"): "ondemand",
            firmware: "0",
        },
    )
    proc_root = write(tmp_path / "proc", {"stat": "cpu  100 0 100 5000 0 0 0 0 0 0\ncpu0 1 2 3\n"})
    with closing(DeviceObserver(10.0, sys_root, proc_root)) as observer:
        observer.tend(10.5)
        write(sys_root, {f"{zone}/temp": "61000", clock.format(1, "scaling_cur_freq"): "1500000", firmware: "50005"})
        observer.tend(11.0)
        write(sys_root, {f"{zone}/temp": "55000", firmware: "50000", clock.format(1, "scaling_governor"): "powersave"})
        write(proc_root, {"stat": "cpu  100000 0 100 6000 0 0 0 0 0 0\n"})
        seen = observer.end_window(12.0, None)
        assert (seen.soc_temp_c, seen.soc_temp_max_c) == (55.0, 61.0)
        assert (seen.freq_min_mhz, seen.freq_mhz, seen.freq_max_mhz) == (600.0, 1050.0, 1500.0)
        assert (seen.throttled, seen.governor) == (True, "mixed")
        assert seen.cpu.agent is not None
        assert seen.cpu.overhead is None
        assert seen.cpu.other == pytest.approx(999.0 / 2.0 - seen.cpu.agent)
        assert observer.end_window(13.0, None).throttled is False, "what was before is the window before's"


def test_throttling_between_two_looks_is_seen_by_what_stays_set() -> None:
    assert is_throttled(0x10000, before=0x0)
    assert not is_throttled(0x10000, before=0x10000)
    assert not is_throttled(0x10000)
    assert is_throttled(0x10002, before=0x10000)
    assert throttled_word("throttled=0x50005") == throttled_word("50005") == 0x50005
    assert throttled_word("no") is None


def test_an_events_counter_that_moves_is_throttling(tmp_path: Path) -> None:
    counter = "class/hwmon/hwmon2/oc1_event_cnt"
    watch = ThrottleWatch(write(tmp_path, {counter: "4"}))
    assert watch.poll(1.0) is False
    write(tmp_path, {counter: "5"})
    assert watch.poll(2.0) is True
    assert watch.poll(3.0) is False
    watch.close()


def test_processor_time_is_shared_out() -> None:
    before, after = CpuTimes(10.0, 1.0, 0.5, 100.0), CpuTimes(20.0, 4.0, 3.0, 108.0)
    assert cpu_ratios(before, after) == CpuRatios(agent=0.3, overhead=0.05, other=0.5)
    assert cpu_ratios(before, before) == CpuRatios()
    unknown = cpu_ratios(replace(before, machine_s=None), replace(after, inference_s=None))
    assert (unknown.agent, unknown.overhead, unknown.other) == (0.3, None, None)
    assert busy_s("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1", 100.0) == pytest.approx(0.19)
    assert busy_s("intr 5", 100.0) is None


def test_a_core_that_goes_off_line_is_left_out(tmp_path: Path) -> None:
    cores = {f"devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq": f"{n + 1}000000" for n in range(2)}
    reader = DeviceReader(write(tmp_path, cores))
    (tmp_path / "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq").write_text("")
    sample = reader.sample(0.0)
    reader.close()
    assert (sample.freq_mhz, sample.freq_max_mhz, sample.soc_temp_c, sample.throttled) == (1000.0, 1000.0, None, None)
    assert read_governor(tmp_path) is None
