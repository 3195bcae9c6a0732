"""WT310: numbers and answers of real meters, ranges and their limits, over-range, stale readings, wrong digits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.calibration import RECTANGULAR, power_u_w
from firmware_bridge.drivers.wt310 import DRIVER, Wt310Decoder
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.wt310.encoder import AutoRange
from firmware_bridge.protocol.wt310.format import (
    CURRENT_RANGES_A,
    OFFSETS_W_PER_A,
    POLL,
    VOLTAGE_RANGES_V,
    format_number,
    parse_number,
    parse_reading,
    range_index,
)
from firmware_bridge.samples import Event, MeterIdentity, SampleFlag
from tests.fakes.events import blocks_of, details_of, errors_of
from tests.fakes.meter_talk import Conversation, steady

IDENTITY = b"YOKOGAWA,WT310,C2PH13047V,F1.03\r\n"  # as in the log of a real PTDaemon run (mlcommons/power-dev)
CHECKED = b"8;250.0E-03;RMS;3\r\n"


def answer(
    watts: float = 23.0,
    *,
    volts: float = 230.0,
    amperes: float = 0.1,
    events: int = 1,
    ranges: str = "300.0E+00;200.0E-03",
    integrator: str = "RESET;",
    energy: str = "NAN",
) -> bytes:
    apparent = volts * amperes
    values = (volts, amperes, watts, apparent, max(apparent**2 - watts**2, 0.0) ** 0.5, watts / apparent, 50.0)
    numbers = ",".join(format_number(value) for value in values)
    return f"{events};{numbers},{energy};{ranges};{integrator.strip(';')}\r\n".encode()


def listen(data: bytes, **options: str | float | bool) -> list[Event]:
    return Wt310Decoder(options).feed(data, 1.0)


def polled(**options: str | float | bool) -> Wt310Decoder:
    """A decoder that has asked its first question at 1.0 s."""
    decoder = Wt310Decoder(options)
    assert decoder.bytes_to_send(0.0) == b":COMM:REM ON\n"
    assert decoder.bytes_to_send(0.2) == b"*IDN?\n"
    (identity,) = decoder.feed(IDENTITY, 0.3)
    assert identity == MeterIdentity("WT310", "C2PH13047V", "F1.03", {"update_s": 0.25})
    assert decoder.bytes_to_send(0.4).endswith(b":NUM:NORM:NUM?;:RATE?;:INP:MODE?;:INP:CFAC?\n")
    assert decoder.feed(CHECKED, 0.5) == []
    assert decoder.bytes_to_send(1.0) == POLL
    return decoder


# 103.79E+00 and 1.0143E+00: the form of the manual; 1.000E+00 and 300.0E+00: the log of a real run of PTDaemon.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("103.79E+00", 103.79),
        ("1.0143E+00", 1.0143),
        ("-0.38E+00", -0.38),
        ("1.000E+00", 1.0),
        ("300.0E+00", 300.0),
        ("500.0E-03", 0.5),
        ("INF", math.inf),
    ],
)
def test_numbers_of_real_meters(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text", ["", "12", "1.0", "1e5", "1.0E5", "0x10E+00", "1.0E+0", "inf", "--1.0E+00", "1 .0E+00"]
)
def test_what_is_no_number(text: str) -> None:
    assert parse_number(text) is None


@given(st.floats(1e-6, 9e5), st.sampled_from([4, 5, 6]))
def test_numbers_survive_being_written(value: float, digits: int) -> None:
    assert parse_number(format_number(value, digits)) == pytest.approx(value, rel=0.6 * 10.0 ** (1 - digits))


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (103.79, 5, "103.79E+00"),
        (1.0143, 5, "1.0143E+00"),
        (300.0, 4, "300.0E+00"),
        (1.0, 4, "1.000E+00"),
        (0.5, 4, "500.0E-03"),
        (0.0, 5, "0.0000E+00"),
        (999.996, 5, "1.0000E+03"),
        (math.inf, 5, "INF"),
        (math.nan, 5, "NAN"),
    ],
)
def test_numbers_as_the_meter_writes_them(value: float, digits: int, text: str) -> None:
    assert format_number(value, digits) == text


def test_a_reading() -> None:
    decoder = polled()
    (block,) = blocks_of(decoder.feed(answer(20.0), 1.05))
    assert block.t_device_s.tolist() == [1.05]
    assert (block.voltage_v[0], block.current_a[0], block.power_w[0]) == pytest.approx((230.0, 0.1, 20.0))
    assert block.flags is None
    assert block.counter_j is None
    fields = decoder.last_fields()
    assert fields["apparent_power_va"] == pytest.approx(23.0)
    assert fields["power_factor"] == pytest.approx(20 / 23, rel=1e-4)
    assert fields["frequency_hz"] == pytest.approx(50.0)
    assert (fields["voltage_range_v"], fields["current_range_a"]) == (300.0, 0.2)
    assert fields["energy_wh"] is None
    assert fields["measuring_mode"] == "RMS"


def test_what_is_set_up() -> None:
    sent = b""
    decoder = Wt310Decoder({"update_s": 0.1, "integrator": True})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.2)
    decoder.feed(IDENTITY, 0.3)
    sent = decoder.bytes_to_send(0.4)
    assert b":NUM:NORM:ITEM3 P,1" in sent
    assert b":RATE 100MS;:STAT:FILT1 FALL\n" in sent
    assert b":INTEG:STAR\n" in sent
    assert b"RANG" not in sent  # the ranges are the user's


def test_no_update_since_the_last_question_is_stale() -> None:
    decoder = polled()
    decoder.feed(answer(), 1.05)
    assert decoder.bytes_to_send(1.25) == POLL
    (block,) = blocks_of(decoder.feed(answer(events=0), 1.3))
    assert block.flags is not None
    assert block.flags.tolist() == [SampleFlag.STALE]


def test_a_peak_over_range_is_marked() -> None:
    (block,) = blocks_of(listen(answer(events=1 | 0x100)))
    assert block.flags is not None
    assert block.flags.tolist() == [SampleFlag.SATURATED]


def test_beyond_the_range_there_is_no_sample() -> None:
    line = b"1;230.00E+00,INF,INF,INF,INF,INF,50.000E+00,NAN;300.0E+00;20.00E+00;RESET\r\n"
    assert errors_of(listen(line)) == [("overrange", 1)]
    assert not blocks_of(listen(line))


def test_no_data_is_no_sample() -> None:
    line = b"1;NAN,NAN,NAN,NAN,NAN,NAN,NAN,NAN;300.0E+00;20.00E+00;RESET\r\n"
    assert errors_of(listen(line)) == [("stale", 1)]
    assert not blocks_of(listen(line))


def test_without_current_the_power_factor_is_an_error_and_the_sample_good() -> None:
    line = b"1;230.00E+00,0.0000E+00,0.0020E+00,0.0000E+00,0.0000E+00,INF,50.000E+00,NAN;300.0E+00;5.000E-03;RESET\r\n"
    (block,) = blocks_of(listen(line))
    assert block.power_w[0] == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (answer(23.0).replace(b",23.000E+00,", b",93.000E+00,", 1), "P is above U x I"),
        (answer(15.0).replace(b",15.000E+00,", b",11.000E+00,", 1), "P and Q do not make S"),
        (answer(23.0).replace(b"1;230.00E+00", b"1;270.00E+00"), "S is not U x I"),
        (answer(23.0).replace(b"1;230.00E+00", b"1;530.00E+00"), "U is above its range"),
        (answer(23.0).replace(b"200.0E-03", b"10.00E-03"), "I is above its range"),
        (answer(23.0).replace(b"200.0E-03", b"210.0E-03"), "no ranges of this meter: 300 V, 0.21 A"),
        (answer(23.0).replace(b",1.0000E+00,50", b",0.8000E+00,50"), "the power factor does not make P"),
    ],
)
def test_values_that_contradict_each_other_are_no_sample(changed: bytes, reason: str) -> None:
    assert changed != answer(23.0)
    events = listen(changed)
    assert not blocks_of(events)
    assert errors_of(events) == [("implausible", 1)]
    assert details_of(events) == [reason]


@pytest.mark.parametrize("coupling", ["ac", "dc"])
@pytest.mark.parametrize("volts", VOLTAGE_RANGES_V)
@pytest.mark.parametrize("amperes", CURRENT_RANGES_A)
def test_the_limit_on_power_is_that_of_both_ranges(coupling: str, volts: float, amperes: float) -> None:
    """The maker's limits: 0.1 % of reading + 0.05 % of range (AC), 0.2 % of range (DC); range = volts x amperes."""
    ranges = f"{format_number(volts, 4)};{format_number(amperes, 4)}"
    reading_w = 0.5 * volts * 0.5 * amperes
    line = answer(reading_w, volts=0.5 * volts, amperes=0.5 * amperes, ranges=ranges)
    (block,) = blocks_of(listen(line, coupling=coupling))
    part = 0.0005 if coupling == "ac" else 0.002
    limit_u_w = RECTANGULAR * math.hypot(0.001 * reading_w, part * volts * amperes)
    assert power_u_w(DRIVER.data_sheet, block)[0] == pytest.approx(limit_u_w, rel=1e-3)


def test_every_range_has_a_place_that_fits_eight_bits() -> None:
    assert len(DRIVER.data_sheet.ranges) == len(CURRENT_RANGES_A) * len(OFFSETS_W_PER_A) <= 127


def test_with_crest_factor_6_a_range_counts_as_the_whole() -> None:
    half = parse_reading(answer(ranges="150.0E+00;100.0E-03").decode().strip())
    whole = parse_reading(answer(ranges="300.0E+00;200.0E-03").decode().strip())
    assert half is not None
    assert whole is not None
    assert range_index(half, 6, 0.0005) == range_index(whole, 3, 0.0005)
    assert range_index(whole, 6, 0.0005) is None  # there is no range of 0.2 A then


def test_a_raw_file_may_hold_the_handshake() -> None:
    events = listen(IDENTITY + CHECKED.replace(b";3", b";6") + answer(9.0, ranges="150.0E+00;100.0E-03", volts=100.0))
    (block,) = blocks_of(events)
    assert errors_of(events) == []
    assert block.range_index is not None
    assert DRIVER.data_sheet.ranges[block.range_index[0]].power_offset_limit_w == pytest.approx(0.0005 * 300 * 0.2)


def test_watt_hours_count_only_while_the_integrator_runs() -> None:
    running = answer(energy="12.3456E+00", integrator="START")
    (block,) = blocks_of(listen(running))
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx(12.3456 * 3600)
    for state in ("STOP", "RESET", "TIMEUP"):
        (block,) = blocks_of(listen(answer(energy="12.3456E+00", integrator=state)))
        assert block.counter_j is None


def test_the_integrator_counts_what_was_drawn() -> None:
    talk = Conversation(DRIVER.for_options({"integrator": True}), {"integrator": True})
    assert talk.driver.data_sheet.counter_step_j == 36.0
    talk.run_until_samples(steady(230.0, 1.0))
    decoded = talk.run(10.0, steady(230.0, 1.0))
    counted_j = decoded.column("counter_j")
    assert counted_j[-1] - counted_j[0] == pytest.approx(2300.0, rel=0.06)
    assert decoded.errors() == {}


@pytest.mark.parametrize(("update_s", "per_s"), [(0.1, 10), (0.25, 4), (0.5, 2)])
def test_one_sample_for_each_update(update_s: float, per_s: int) -> None:
    options = {"update_s": update_s}
    talk = Conversation(DRIVER.for_options(options), options)
    talk.run_until_samples(steady(230.0, 0.4))
    before = len(talk.decoded.column("power_w"))
    decoded = talk.run(10.0, steady(230.0, 0.4))
    assert len(decoded.column("power_w")) - before == pytest.approx(10 * per_s, abs=2)
    assert decoded.errors() == {}


def test_polled_faster_than_it_measures_most_readings_are_stale() -> None:
    options = {"update_s": 0.5, "poll_interval_s": 0.1}
    talk = Conversation(DRIVER.for_options(options), options)
    talk.run_until_samples(steady(230.0, 0.4))
    decoded = talk.run(10.0, steady(230.0, 0.4))
    flags = [0 if block.flags is None else int(block.flags[0]) for block in decoded.blocks()]
    assert len(flags) == pytest.approx(100, abs=3)
    assert flags.count(0) == pytest.approx(20, abs=2)


def test_the_emulated_meter_changes_its_range_and_says_inf_above_it() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(230.0, 0.004))
    assert talk.decoder.last_fields()["current_range_a"] == 5e-3
    talk.run(1.0, steady(230.0, 3.0))
    assert talk.decoder.last_fields()["current_range_a"] == 5.0
    assert talk.decoder.last_fields()["voltage_range_v"] == 300.0
    talk.run(1.0, steady(230.0, 40.0))
    assert talk.decoded.errors()["overrange"] >= 3
    assert talk.decoded.column("current_a").max() < 28.0


def test_auto_range_has_hysteresis() -> None:
    one = AutoRange(CURRENT_RANGES_A)
    for value, expected in ((0.9, 1.0), (1.29, 1.0), (1.31, 2.0), (0.7, 2.0), (0.59, 1.0), (0.29, 0.5)):
        one.follow(value)
        assert one.value == expected


def test_an_unanswered_question_is_asked_again() -> None:
    decoder = polled()
    assert decoder.bytes_to_send(1.5) == b""
    assert decoder.bytes_to_send(2.01) == POLL
    events = decoder.feed(answer(), 2.1)
    assert errors_of(events) == [("stale", 1)]
    assert len(blocks_of(events)) == 1


def test_an_answer_that_comes_twice_counts_once() -> None:
    decoder = polled()
    events = decoder.feed(answer() * 2, 1.1)
    assert len(blocks_of(events)) == 1
    assert errors_of(events) == [("stale", 1)]


def test_a_rate_that_the_meter_did_not_take_is_told() -> None:
    decoder = Wt310Decoder({})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.2)
    decoder.feed(IDENTITY, 0.3)
    decoder.bytes_to_send(0.4)
    events = decoder.feed(b"8;1.000E+00;RMS;3\r\n", 0.5)
    assert details_of(events) == ["the meter did not take its settings: it says '8;1.000E+00;RMS;3'"]


def test_crest_factor_6a_is_refused_with_the_remedy() -> None:
    decoder = Wt310Decoder({})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.2)
    decoder.feed(IDENTITY, 0.3)
    decoder.bytes_to_send(0.4)
    events = decoder.feed(b"8;250.0E-03;RMS;A6\r\n", 0.5)
    assert details_of(events) == ["crest factor A6 is not covered; set it to 3 or 6 at the meter"]


@pytest.mark.parametrize("model", ["WT310EH", "WT310HC", "WT333E", "WT210"])
def test_a_meter_with_other_ranges_is_refused(model: str) -> None:
    decoder = Wt310Decoder({})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.2)
    events = decoder.feed(f"YOKOGAWA,{model},C2,F1.03\n".encode(), 0.3)
    assert errors_of(events) == [("protocol", 1)]
    assert model in details_of(events)[0]


def test_what_was_left_of_an_answer_does_not_spoil_the_next_handshake() -> None:
    decoder = polled()
    decoder.feed(b"8;250.0E-03;RMS;", 1.1)
    t_s, sent = 1.1, b""
    while sent != b"*IDN?\n":
        t_s += 0.25
        sent = decoder.bytes_to_send(t_s)
    events = decoder.feed(IDENTITY, t_s)
    assert [kind for kind, _ in errors_of(events)] == ["stale"]
    assert len(events) == 1  # the same meter as before is no news
    assert b":RATE" in decoder.bytes_to_send(t_s)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update_s": 0.2}, "give one of 0.1, 0.25, 0.5"),
        ({"update_s": 0.1, "poll_interval_s": 0.2}, "poll_interval_s"),
        ({"baud_hz": 14_400}, "give one of 1200"),
        ({"coupling": "both"}, "ac, dc"),
    ],
)
def test_options_that_the_meter_cannot_do(options: dict[str, float | str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Wt310Decoder(options)


def test_the_port_opens_at_the_rate_of_the_option() -> None:
    assert DRIVER.serial_settings({}).baud_hz == 9600
    assert DRIVER.for_options({}).data_sheet.boundaries == ("ac_wall",)
    assert DRIVER.for_options({"coupling": "dc"}).data_sheet.boundaries == ("dc_input",)
    assert DRIVER.serial_settings({"baud_hz": 57_600}).baud_hz == 57_600


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 300), max_size=12),
    junk=st.one_of(st.binary(max_size=400), st.sampled_from([b"\n" * 9, b";;;;\r\n", b"1;NAN", b"1" * 700])),
)
def test_damaged_bytes_mean_the_same_however_they_are_cut(sizes: list[int], junk: bytes) -> None:
    data = answer(21.0) + junk + b"\n" + answer(22.0) + answer(23.0)
    whole = listen(data)
    decoder, pieces, at = Wt310Decoder({}), [], 0
    for size in [*sizes, len(data)]:
        pieces += decoder.feed(data[at : at + size], 1.0)
        at += size
    assert [block.power_w[0] for block in blocks_of(pieces)] == [block.power_w[0] for block in blocks_of(whole)]
    np.testing.assert_allclose([block.power_w[0] for block in blocks_of(whole)][-2:], [22.0, 23.0])
