"""The Modbus host: rhythm, time-outs, refusals, echoes, and finding answers between other bytes."""

import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.modbus.encoder import framed
from firmware_bridge.protocol.modbus.poller import (
    ANY_ADDRESS,
    Answer,
    Block,
    Heard,
    Missing,
    ModbusPoller,
    read_address,
)
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.samples import FrameError

SETTINGS = Block("settings", 3, 0x0001, 2, optional=True)
COUNTERS = Block("counters", 4, 0x0046, 6)
VALUES = Block("values", 4, 0x0000, 10)
ASK_SETTINGS = framed(bytes.fromhex("010300010002"))
ASK_COUNTERS = framed(bytes.fromhex("010400460006"))
ASK_VALUES = framed(bytes.fromhex("01040000000a"))


def answer(block: Block, *registers: int, address: int = 1) -> bytes:
    padded = (*registers, *(0,) * (block.count - len(registers)))
    body = b"".join(register.to_bytes(2, "big") for register in padded)
    return framed(bytes((address, block.function, len(body))) + body)


def poller(*first: Block, cycle: tuple[Block, ...] = (VALUES,), address: int = 1) -> ModbusPoller:
    return ModbusPoller(address, first, cycle, poll_interval_s=0.5, timeout_s=0.3, pause_s=0.1)


def errors(heard: list[Heard]) -> list[tuple[str, int]]:
    return [(one.kind, one.count) for one in heard if isinstance(one, FrameError)]


def blocks(heard: list[Heard]) -> list[str]:
    return [one.block.name for one in heard if isinstance(one, Answer)]


def test_questions_are_the_bytes_that_documents_print() -> None:
    """Peacefair's ten registers, and the first example of Eastron's manuals."""
    assert poller().bytes_to_send(0.0) == bytes.fromhex("01040000000a700d")
    voltage = Block("voltage", 4, 0, 2)
    assert poller(cycle=(voltage,)).bytes_to_send(0.0) == bytes.fromhex("01040000000271cb")
    assert poller(cycle=(Block("voltage", 4, 0, 8),)).bytes_to_send(0.0) == bytes.fromhex("010400000008f1cc")


def test_settings_once_then_the_cycle_in_order_and_in_time() -> None:
    host = poller(SETTINGS, cycle=(COUNTERS, VALUES))
    said: list[tuple[float, bytes]] = []
    for step in range(150):
        t_s = step * 0.01
        question = host.bytes_to_send(t_s)
        if question:
            said.append((t_s, question))
            block = {ASK_SETTINGS: SETTINGS, ASK_COUNTERS: COUNTERS, ASK_VALUES: VALUES}[question]
            assert blocks(host.feed(answer(block, 1, 2), t_s + 0.02)) == [block.name]
    assert [question for _, question in said] == [ASK_SETTINGS, *(ASK_COUNTERS, ASK_VALUES) * 3]
    times_s = [t_s for t_s, _ in said]
    assert times_s[1:] == pytest.approx([0.12, 0.24, 0.62, 0.74, 1.12, 1.24], abs=0.011)


def test_registers_come_as_they_were_sent() -> None:
    host = poller()
    host.bytes_to_send(0.0)
    heard = host.feed(answer(VALUES, *range(65_526, 65_536)), 0.1)
    assert heard == [Answer(VALUES, tuple(range(65_526, 65_536)), 1)]


def test_silence_is_asked_again_after_the_time_out_and_counted() -> None:
    host = poller()
    assert host.bytes_to_send(10.0) == ASK_VALUES
    assert host.bytes_to_send(10.29) == b""
    assert host.bytes_to_send(10.3) == ASK_VALUES
    assert host.bytes_to_send(10.6) == ASK_VALUES
    heard = host.feed(answer(VALUES), 10.65)
    assert errors(heard) == [("stale", 2)]
    assert blocks(heard) == ["values"]


def test_what_was_cut_short_is_counted_when_it_is_asked_again() -> None:
    host = poller()
    host.bytes_to_send(0.0)
    assert host.feed(answer(VALUES)[:20], 0.1) == []
    assert host.bytes_to_send(0.3) == ASK_VALUES
    heard = host.feed(answer(VALUES), 0.4)
    assert errors(heard) == [("stale", 1), ("desync", 20)]
    assert blocks(heard) == ["values"]


def test_a_wrong_crc_is_asked_again_after_the_pause_not_the_time_out() -> None:
    host = poller()
    host.bytes_to_send(0.0)
    damaged = bytearray(answer(VALUES, 2300))
    damaged[4] ^= 0x10
    assert errors(host.feed(bytes(damaged), 0.05)) == [("checksum", 1)]
    assert host.bytes_to_send(0.14) == b""
    assert host.bytes_to_send(0.15) == ASK_VALUES
    heard = host.feed(answer(VALUES, 2300), 0.2)
    assert (errors(heard), blocks(heard)) == ([], ["values"])


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("018402c2c1", "refuses registers 0x0000 to 0x0009 (function 4): illegal register, exception 2"),  # recorded
        ("01840442c3", "refuses registers 0x0000 to 0x0009 (function 4): device failure, exception 4"),
    ],
)
def test_a_refusal_says_what_was_refused_and_why(frame: str, says: str) -> None:
    host = poller()
    host.bytes_to_send(0.0)
    (error,) = host.feed(bytes.fromhex(frame), 0.1)
    assert isinstance(error, FrameError)
    assert error.kind == "protocol"
    assert says in error.detail
    assert host.bytes_to_send(0.4) == b""
    assert host.bytes_to_send(0.5) == ASK_VALUES


def test_a_refusal_with_a_wrong_crc_is_no_refusal() -> None:
    host = poller()
    host.bytes_to_send(0.0)
    assert errors(host.feed(bytes.fromhex("018402c2c0"), 0.1)) == [("checksum", 1)]


def test_an_optional_block_may_be_refused() -> None:
    host = poller(SETTINGS)
    assert host.bytes_to_send(0.0) == ASK_SETTINGS
    assert host.feed(framed(bytes.fromhex("018302")), 0.05) == [Missing(SETTINGS)]
    assert host.bytes_to_send(0.15) == ASK_VALUES


def test_an_optional_block_may_stay_unanswered() -> None:
    host = poller(SETTINGS)
    assert [host.bytes_to_send(t_s) for t_s in (0.0, 0.3, 0.6)] == [ASK_SETTINGS, ASK_SETTINGS, ASK_VALUES]
    heard = host.feed(answer(VALUES), 0.7)
    assert errors(heard) == [("stale", 2)]
    assert Missing(SETTINGS) in heard
    assert blocks(heard) == ["values"]


def test_the_echo_of_the_own_question_is_skipped_in_silence() -> None:
    host = poller()
    question = host.bytes_to_send(0.0)
    assert host.feed(question[:5], 0.001) == []
    heard = host.feed(question[5:] + answer(VALUES), 0.05)
    assert (errors(heard), blocks(heard)) == ([], ["values"])


def test_other_meters_on_the_line_are_no_answer() -> None:
    host = poller()
    host.bytes_to_send(0.0)
    other = answer(VALUES, 2300, address=2)
    assert errors(host.feed(other, 0.05)) == [("desync", len(other))]
    assert blocks(host.feed(answer(VALUES), 0.1)) == ["values"]


def test_the_general_address_takes_any_meters_answer() -> None:
    host = poller(address=ANY_ADDRESS)
    assert host.bytes_to_send(0.0) == framed(bytes.fromhex("f8040000000a"))
    for address in (0xF8, 5):
        assert host.feed(answer(VALUES, address=address), 0.1) == [Answer(VALUES, (0,) * 10, address)]


def test_answers_are_told_apart_by_length_even_when_nothing_was_asked() -> None:
    recorded = ASK_COUNTERS + answer(COUNTERS) + ASK_VALUES + answer(VALUES)
    heard = poller(cycle=(COUNTERS, VALUES)).feed(recorded, 1.0)
    assert (errors(heard), blocks(heard)) == ([], ["counters", "values"])


def test_an_answer_that_comes_twice_does_not_move_the_cycle() -> None:
    host = poller(cycle=(COUNTERS, VALUES))
    host.bytes_to_send(0.0)
    host.feed(answer(COUNTERS) * 2, 0.05)
    assert host.bytes_to_send(0.15) == ASK_VALUES
    host.feed(answer(VALUES) * 2, 0.2)
    assert host.bytes_to_send(0.5) == ASK_COUNTERS


def test_a_plan_with_two_blocks_alike_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="same function and length"):
        poller(Block("other", 4, 0x0100, 10))


@given(junk=st.binary(max_size=60), cuts=st.lists(st.integers(1, 9), max_size=30))
def test_an_answer_is_found_behind_junk_in_any_pieces(junk: bytes, cuts: list[int]) -> None:
    wanted = answer(VALUES, 2428, 13_211)
    host, whole = poller(), poller()
    host.bytes_to_send(0.0)
    whole.bytes_to_send(0.0)
    data, at = junk + wanted, 0
    heard: list[Heard] = []
    for cut in [*cuts, len(data)]:
        heard += host.feed(data[at : at + cut], 0.1)
        at += cut
    expected = whole.feed(data, 0.1)
    assert blocks(heard) == blocks(expected)
    assert sum(count for _, count in errors(heard)) == sum(count for _, count in errors(expected))
    if not any(header in junk for header in (b"\x01\x04", b"\x01\x84")) and not junk.endswith(b"\x01"):
        assert blocks(heard) == ["values"]
        assert errors(expected) == ([("desync", len(junk))] if junk else [])


@given(flips=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 7)), min_size=1, max_size=1))
def test_one_flipped_bit_is_never_an_answer(flips: list[tuple[int, int]]) -> None:
    frame = bytearray(answer(VALUES, 2428, 13_211, 0, 29_946))
    for at, bit in flips:
        frame[at] ^= 1 << bit
    host = poller()
    host.bytes_to_send(0.0)
    assert blocks(host.feed(bytes(frame), 0.1)) == []


def test_a_header_that_never_ends_holds_little_memory() -> None:
    host = poller(cycle=(COUNTERS, VALUES))
    tracemalloc.start()
    try:
        for step in range(150):
            host.feed(b"\x01\x04\x14" * 100, step * 0.01)
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 20_000


def test_a_host_clock_that_goes_back_does_not_stop_the_questions() -> None:
    host = poller()
    host.bytes_to_send(5000.0)
    assert host.bytes_to_send(1000.0) == ASK_VALUES
    host.feed(answer(VALUES), 1000.1)
    assert host.bytes_to_send(1000.2) == b""
    assert host.bytes_to_send(1000.6) == ASK_VALUES


@pytest.mark.parametrize("address", [0, 248, 1.5, "x", True])
def test_an_address_that_no_meter_can_have_is_refused(address: float | str) -> None:
    with pytest.raises(ConfigurationError, match="address"):
        read_address(OptionReader("m", {"address": address}, {"address": ""}))


def test_the_general_address_only_where_there_is_one() -> None:
    assert read_address(OptionReader("m", {"address": "248"}, {"address": ""}), any_address=True) == ANY_ADDRESS


def run_python(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_listing_the_meters_does_not_load_pymodbus() -> None:
    script = (
        "import sys\nfrom firmware_bridge.registry import get_driver\n"
        "print([get_driver(n).name for n in ('pzem004t', 'pzem017', 'sdm120', 'sdm630')], 'pymodbus' in sys.modules)"
    )
    assert run_python(script) == "['pzem004t', 'pzem017', 'sdm120', 'sdm630'] False\n"


def test_without_pymodbus_the_remedy_is_named() -> None:
    script = (
        "import sys; sys.modules['pymodbus'] = None\n"
        "from firmware_bridge.registry import get_driver\nfrom firmware_bridge.errors import ConfigurationError\n"
        "try: get_driver('sdm120').make_decoder({})\n"
        "except ConfigurationError as error: sys.exit(str(error))\n"
    )
    assert run_python(script) == "pymodbus is not installed; pip install 'edgejoule[serial]'\n"
