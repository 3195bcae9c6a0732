"""The emulated register meter: refreshes, its counter, and what it answers to whom."""

import numpy as np
import pytest

from firmware_bridge.protocol.modbus.encoder import ModbusMeterEncoder, RegisterTable, Shown, framed

READ_THREE = framed(bytes.fromhex("010400000003"))


def layout(shown: Shown) -> dict[int, RegisterTable]:
    return {4: {0: round(shown.voltage_v), 1: round(shown.power_w), 2: round(shown.import_j)}, 3: {7: 42}}


def meter(**more: float | bool) -> ModbusMeterEncoder:
    return ModbusMeterEncoder(layout, address=1, refresh_s=1.0, **more)  # type: ignore[arg-type]


def fed(encoder: ModbusMeterEncoder, from_s: float, to_s: float, power_w: float) -> ModbusMeterEncoder:
    t_s = np.arange(round(from_s * 1000) + 1, round(to_s * 1000) + 1) / 1000
    encoder.emit(t_s, np.full(len(t_s), 230.0), np.full(len(t_s), power_w / 230.0))
    return encoder


def registers(reply: bytes) -> list[int]:
    return [int.from_bytes(reply[at : at + 2], "big") for at in range(3, len(reply) - 2, 2)]


def test_registers_change_once_in_a_refresh_and_show_its_mean() -> None:
    encoder = fed(meter(), 0.0, 0.5, 100.0)
    assert registers(encoder.receive(READ_THREE, 0.5)) == [230, 100, 0]
    fed(encoder, 0.5, 1.0, 200.0)
    assert registers(encoder.receive(READ_THREE, 1.0)) == [230, 100, 0]
    fed(encoder, 1.0, 1.01, 200.0)
    assert registers(encoder.receive(READ_THREE, 1.01)) == [230, 150, 150]


def test_its_energy_does_not_depend_on_how_samples_are_fed() -> None:
    whole, pieces = fed(meter(), 0.0, 10.002, 500.0), meter()
    for step in range(501):
        fed(pieces, step * 0.02, (step + 1) * 0.02, 500.0)
    assert registers(whole.receive(READ_THREE, 10.0)) == registers(pieces.receive(READ_THREE, 10.0))
    assert registers(whole.receive(READ_THREE, 10.0))[2] == pytest.approx(5000, abs=2)


def test_below_its_starting_power_it_shows_and_counts_nothing() -> None:
    encoder = fed(meter(starting_power_w=5.0), 0.0, 3.5, 4.9)
    assert registers(encoder.receive(READ_THREE, 3.5)) == [230, 0, 0]


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("010300070001", "010302002a"),
        ("010300060002", "018302"),  # one of the two does not exist
        ("010400010003", "018402"),
        ("010400000000", "018403"),
        ("01040000007e", "018403"),
        ("010600070001", "018601"),
        ("010100000001", "018101"),
    ],
)
def test_answers_and_refusals(question: str, reply: str) -> None:
    encoder = fed(meter(), 0.0, 0.1, 1.0)
    assert encoder.receive(framed(bytes.fromhex(question)), 0.1) == framed(bytes.fromhex(reply))


@pytest.mark.parametrize(
    "frame",
    [framed(bytes.fromhex("020400000003")), READ_THREE[:-1] + b"\0", framed(bytes.fromhex("f80400000003"))],
    ids=["another address", "wrong CRC", "the general address of another maker"],
)
def test_it_is_silent(frame: bytes) -> None:
    assert fed(meter(), 0.0, 0.1, 1.0).receive(frame, 0.1) == b""


def test_it_is_silent_before_it_measures() -> None:
    assert meter().receive(READ_THREE, 0.0) == b""


def test_a_question_may_come_in_pieces_but_not_with_a_pause() -> None:
    encoder = fed(meter(), 0.0, 0.1, 1.0)
    assert encoder.receive(READ_THREE[:3], 0.1) == b""
    assert encoder.receive(READ_THREE[3:], 0.11) != b""
    assert encoder.receive(READ_THREE[:3], 0.2) == b""
    assert encoder.receive(READ_THREE[3:], 0.3) == b""
    assert encoder.receive(b"\xff\x00" + READ_THREE, 1.0) != b""


def test_peacefairs_reset_puts_the_counter_to_zero() -> None:
    encoder = fed(meter(peacefair=True), 0.0, 2.01, 500.0)
    assert registers(encoder.receive(READ_THREE, 2.01))[2] == pytest.approx(1000, abs=2)
    reset = framed(b"\x01\x42")
    assert encoder.receive(reset, 2.1) == reset
    assert registers(encoder.receive(READ_THREE, 2.2)) == [230, 500, 0]
    assert encoder.receive(framed(bytes.fromhex("f80400000003")), 2.3)[:1] == b"\xf8"


def test_other_meters_do_not_know_that_function() -> None:
    assert fed(meter(), 0.0, 0.1, 1.0).receive(framed(b"\x01\x42"), 0.1) == framed(b"\x01\xc2\x01")
