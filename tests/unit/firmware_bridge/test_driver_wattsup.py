"""Watts Up?: recorded lines of public projects, units, records that are not live, damage, the handshake."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.drivers.wattsup import DRIVER, NAMES, WattsUpDecoder, parse_packet
from firmware_bridge.samples import Event, MeterIdentity
from tests.fakes.events import blocks_of, errors_of
from tests.fakes.meter_talk import Conversation, steady

RECORD = b"#d,-,18,610,1186,545,45,_,_,_,610,_,_,_,_,_,94,_,_,_,_;\r\n"
HEADER = b"#h,-,18,W,V,A,WH,Cost,WH/Mo,Cost/Mo,Wmax,Vmax,Amax,Wmin,Vmin,Amin,PF,DC,PC,Hz,VA;\r\n"
VERSION = b"#v,-,8,1,1048576,5,2,1,8,20090824120000,77;\r\n"


def listen(data: bytes) -> list[Event]:
    return WattsUpDecoder({}).feed(data, 1.0)


def streaming() -> WattsUpDecoder:
    """A decoder whose handshake is done at 1.0 s."""
    decoder = WattsUpDecoder({})
    assert decoder.bytes_to_send(0.0) == b"#L,R,0;"
    assert decoder.bytes_to_send(0.5) == b"#V,R,0;"
    events = decoder.feed(VERSION, 0.6)
    assert [type(event) for event in events] == [MeterIdentity]
    assert decoder.bytes_to_send(0.7) == b"#H,R,0;"
    assert decoder.feed(HEADER, 0.8) == []
    assert decoder.bytes_to_send(1.0) == b"#L,W,3,E,,1;"
    return decoder


def record(watts: float = 60.0, *, counted: str = "45", cycles: str = "0") -> bytes:
    fields = ["_"] * 18
    fields[0], fields[1], fields[2], fields[3] = str(round(watts * 10)), "2300", str(round(watts / 0.23)), counted
    fields[NAMES.index("PC")] = cycles
    return f"#d,-,18,{','.join(fields)};\r\n".encode()


# Lines that public projects show as sent by their meters, with what they read from them.
@pytest.mark.parametrize(
    ("line", "power_w", "voltage_v", "current_a", "energy_wh"),
    [
        (RECORD, 61.0, 118.6, 0.545, 4.5),
        (b"#d,-,18,124,1191,97,0,_,_,_,124,_,_,_,_,_,100,_,_,_,_;", 12.4, 119.1, 0.097, 0.0),
        (b"#d,-,18,972,2277,433,5,0,70035,5602,973,2280,435,972,2274,432,95,0,0,500,1020;", 97.2, 227.7, 0.433, 0.5),
        (b"#d,-,18,965,1204,792,1,0,69384,5550,965,1205,833,965,1203,779,100,0,0,500,965;", 96.5, 120.4, 0.792, 0.1),
        (b"#d,-,18,0,1201,0,0,0,2,0,0,1202,0,0,1201,0,100,0,0,600,0;", 0.0, 120.1, 0.0, 0.0),
        (b"#d,-,18,356,2300,186,_,_,_,_,_,_,_,_,_,_,_,_,_,_,_;", 35.6, 230.0, 0.186, None),
    ],
)
def test_lines_of_real_meters(
    line: bytes, power_w: float, voltage_v: float, current_a: float, energy_wh: float | None
) -> None:
    (block,) = blocks_of(listen(line))
    assert block.power_w[0] == pytest.approx(power_w)
    assert block.voltage_v[0] == pytest.approx(voltage_v)
    assert block.current_a[0] == pytest.approx(current_a)
    assert block.counter_j is not None
    assert block.counter_j[0] == pytest.approx(np.nan if energy_wh is None else energy_wh * 3600.0, nan_ok=True)


def test_the_watt_hours_per_month_are_those_of_the_power() -> None:
    """A recorded line gives the unit away: 97.2 W for a month of 30 days is 70 kWh, the field says 70035."""
    decoder = WattsUpDecoder({})
    decoder.feed(b"#d,-,18,972,2277,433,5,0,70035,5602,973,2280,435,972,2274,432,95,0,0,500,1020;", 1.0)
    fields = decoder.last_fields()
    assert fields["energy_per_month_wh"] == pytest.approx(97.2 * 24 * 30, rel=0.001)
    assert fields["apparent_power_va"] == 102.0
    assert fields["frequency_hz"] == 50.0
    assert fields["power_factor_percent"] == 95.0
    assert fields["power_min_w"] == 97.2
    assert fields["energy_wh"] == 0.5
    assert "cost_mils" in fields


def test_an_absent_field_is_not_in_the_fields() -> None:
    decoder = WattsUpDecoder({})
    decoder.feed(RECORD, 1.0)
    assert set(decoder.last_fields()) == {
        "power_w",
        "voltage_v",
        "current_a",
        "energy_wh",
        "power_max_w",
        "power_factor_percent",
    }


def test_the_handshake_names_the_meter() -> None:
    decoder = WattsUpDecoder({})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.5)
    (identity,) = decoder.feed(VERSION, 0.6)
    assert identity == MeterIdentity(
        "Watts Up? PRO",
        firmware="1.8",
        calibration={"hardware": "5.2", "memory_bytes": "1048576", "built": "20090824120000"},
    )


def test_fields_may_come_in_another_order() -> None:
    decoder = WattsUpDecoder({})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.5)
    decoder.feed(VERSION, 0.6)
    decoder.bytes_to_send(0.7)
    decoder.feed(b"#h,-,4,V,A,W,Hz;", 0.8)
    decoder.bytes_to_send(1.0)
    (block,) = blocks_of(decoder.feed(b"#d,-,4,2300,100,230,500;", 2.0))
    assert (block.power_w[0], block.voltage_v[0], block.current_a[0]) == pytest.approx((23.0, 230.0, 0.1))


def test_a_raw_file_names_its_meter_and_its_fields() -> None:
    events = listen(VERSION + b"#h,-,4,V,A,W,Hz;\r\n#d,-,4,2300,100,230,500;\r\n")
    assert isinstance(events[0], MeterIdentity)
    assert blocks_of(events)[0].power_w[0] == pytest.approx(23.0)


def test_a_meter_that_records_no_watts_is_told() -> None:
    decoder = WattsUpDecoder({})
    decoder.bytes_to_send(0.0)
    decoder.bytes_to_send(0.5)
    decoder.feed(VERSION, 0.6)
    events = decoder.feed(b"#h,-,2,V,Hz;", 0.8)
    assert errors_of(events) == [("protocol", 1)]


def test_what_came_before_the_log_was_started_is_not_live() -> None:
    decoder = WattsUpDecoder({})
    decoder.bytes_to_send(0.0)
    assert decoder.feed(record() * 20, 0.1) == []


@pytest.mark.parametrize("count", [1, 5])
def test_a_dump_of_the_memory_is_not_live(count: int) -> None:
    decoder = streaming()
    assert len(blocks_of(decoder.feed(record(60.0), 2.0))) == 1
    dump = b"#n,-,3,_,1,%d;\r\n" % count + b"".join(record(10.0 + k) for k in range(count)) + b"#l,-,2,_,1;\r\n"
    events = decoder.feed(dump, 2.4)
    assert not blocks_of(events)
    assert errors_of(events) == [("stale", 1)] * count
    (block,) = blocks_of(decoder.feed(record(61.0), 3.0))
    assert block.power_w[0] == pytest.approx(61.0)


@pytest.mark.parametrize("end", [b"#l,-,2,_,1;\r\n", b""])
def test_a_dump_in_a_raw_file_is_known_by_its_announcement(end: bytes) -> None:
    dump = b"#n,-,3,_,1,3;\r\n" + b"".join(record(10.0 + k) for k in range(3)) + end
    events = listen(record(50.0) + dump + record(51.0))
    assert [block.power_w[0] for block in blocks_of(events)] == pytest.approx([50.0, 51.0])
    assert errors_of(events) == [("stale", 1)] * 3


def test_records_faster_than_one_a_second_are_not_live() -> None:
    decoder = streaming()
    events = [event for k in range(30) for event in decoder.feed(record(10.0 + k), 2.0 + 0.01 * k)]
    assert len(blocks_of(events)) == 1
    assert errors_of(events) == [("stale", 1)] * 29
    assert len(blocks_of(decoder.feed(record(50.0), 3.2))) == 1


def test_a_record_that_came_twice_counts_once() -> None:
    decoder = streaming()
    events = decoder.feed(record() * 2, 2.0)
    assert len(blocks_of(events)) == 1
    assert errors_of(events) == [("stale", 1)]


def test_equal_records_a_second_apart_both_count() -> None:
    decoder = streaming()
    assert len(blocks_of([*decoder.feed(record(), 2.0), *decoder.feed(record(), 3.0)])) == 2


def test_a_false_count_of_stored_records_does_not_silence_the_meter() -> None:
    decoder = streaming()
    decoder.feed(b"#n,-,3,_,1,4000000000;\r\n", 2.0)
    assert len(blocks_of([*decoder.feed(record(), 3.0), *decoder.feed(record(), 4.0)])) == 2


@pytest.mark.parametrize(
    "bad",
    [
        RECORD[:40],  # cut
        RECORD.replace(b",45,", b","),  # one field less than announced
        RECORD.replace(b",45,", b",45,45,"),
        b"#d,-,17," + b",".join([b"1"] * 17) + b";\r\n",  # counts itself right, but is not what the meter records
        RECORD.replace(b"#d,-,18", b"#d,-,1x"),
        RECORD.replace(b"#d,-,18", b"#d,-,19"),
    ],
)
def test_a_record_that_is_not_whole_is_an_error(bad: bytes) -> None:
    events = listen(bad + RECORD)
    assert len(blocks_of(events)) == 1
    assert [kind for kind, _ in errors_of(events)] == ["desync"]


@pytest.mark.parametrize(
    "bad",
    [
        RECORD.replace(b",610,1186", b",9610,1186"),  # more watts than volts times amperes
        RECORD.replace(b",1186,", b",186,"),
        RECORD.replace(b",545,", b",54500,"),
        RECORD.replace(b",610,1186", b",-610,1186"),
        RECORD.replace(b",610,1186", b",6.1,1186"),
        RECORD.replace(b",610,1186", b",_,1186"),
    ],
)
def test_what_cannot_be_is_no_sample(bad: bytes) -> None:
    assert errors_of(listen(bad)) == [("implausible", 1)]
    assert not blocks_of(listen(bad))


def test_a_power_cycle_of_the_meter_is_a_reset() -> None:
    decoder = streaming()
    decoder.feed(record(cycles="3"), 2.0)
    events = decoder.feed(record(cycles="4", counted="0"), 3.0)
    assert errors_of(events) == [("reset", 1)]
    assert len(blocks_of(events)) == 1
    assert errors_of(decoder.feed(record(cycles="4", counted="0"), 4.0)) == []


def test_after_silence_the_log_is_started_again_and_it_is_a_reset() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(230.0, 0.2))
    talk.encoder = DRIVER.make_encoder({}, 1)
    decoded = talk.run(10.0, steady(230.0, 0.2))
    assert decoded.errors() == {"reset": 1}
    assert len(decoded.column("power_w")) >= 4


def test_the_own_counter_moves_by_whole_steps() -> None:
    talk = Conversation(DRIVER)
    talk.run_until_samples(steady(230.0, 1.0))
    counted_j = talk.run(20.0, steady(230.0, 1.0)).column("counter_j")
    steps_j = np.diff(counted_j)
    assert set(np.round(steps_j).tolist()) <= {0.0, 360.0}
    assert counted_j[-1] - counted_j[0] == pytest.approx(230.0 * (len(counted_j) - 1), abs=360.0)


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 320), max_size=20),
    junk=st.one_of(st.binary(max_size=400), st.sampled_from([b"#" * 400, b";" * 9, b"#d,-,18,1" * 50, b"x" * 299])),
)
def test_damaged_bytes_mean_the_same_however_they_are_cut(sizes: list[int], junk: bytes) -> None:
    data = RECORD + junk + RECORD + RECORD[:30] + RECORD
    whole = listen(data)
    decoder = WattsUpDecoder({})
    pieces = [event for piece in cut(data, sizes) for event in decoder.feed(piece, 1.0)]
    assert [block.power_w[0] for block in blocks_of(pieces)] == [block.power_w[0] for block in blocks_of(whole)]
    assert sum(count for _, count in errors_of(pieces)) == sum(count for _, count in errors_of(whole))


def test_a_packet_without_an_end_is_given_up() -> None:
    decoder = WattsUpDecoder({})
    events = [event for _ in range(50) for event in decoder.feed(b"#" + b"d" * 99, 1.0)]
    events += [event for _ in range(50) for event in decoder.feed(b"d" * 100, 1.0)]
    assert sum(count for _, count in errors_of(events)) >= 9700


@given(st.binary(max_size=60))
def test_packets_of_any_bytes(body: bytes) -> None:
    packet = parse_packet(body)
    if packet is not None:
        assert body.split(b",")[2] == b"%d" % len(packet.arguments) or int(body.split(b",")[2]) == len(
            packet.arguments
        )
