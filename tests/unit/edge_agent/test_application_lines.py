from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.application.line_protocol import (
    MAX_LINE_BYTES,
    AskHelp,
    AskStatus,
    Command,
    Count,
    EndWindow,
    LineError,
    OpenWindow,
    error_line,
    parse,
    result_line,
)
from edge_agent.application.server import LineBuffer
from edge_agent.application.span import WindowResult

RESULT = WindowResult(
    model_id="mine",
    duration_s=12.5,
    energy_j=37.5,
    energy_u_j=0.25,
    energy_u_systematic_j=0.2,
    net_energy_j=None,
    net_energy_u_j=None,
    inference_count=150,
    gap_s=0.0,
    latency_p50_s=None,
    latency_p95_s=None,
    latency_max_s=None,
    meter_id="m 1",
    boundary="usb_dc",
    sync_method="host_clock",
    sync_residual_s=0.5,
    simulated=True,
    flags=("clock_step", "throttled"),
)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"window kws_01", OpenWindow("kws_01")),
        (b"count", Count(1, None)),
        (b"count 12", Count(12, None)),
        (b" count  3   0.0125 ", Count(3, 0.0125)),
        (b"end", EndWindow()),
        (b"status", AskStatus()),
        (b"help", AskHelp()),
        (b"", None),
        (b"  ", None),
    ],
)
def test_a_line_is_a_command(line: bytes, command: Command | None) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"begin kws", ["'begin'", "window, count, end, status, help"]),
        (b"window", ["window MODEL_ID"]),
        (b"window a b", ["window MODEL_ID"]),
        (b"count many", ["count [N] [LATENCY_S]"]),
        (b"count 1 2 3", ["count [N] [LATENCY_S]"]),
        (b"count 0", ["1 to 1000000"]),
        (b"count 1 -1", ["latency"]),
        (b"count 1 nan", ["latency"]),
        (b"end now", ["end takes nothing else"]),
        (b"\xff\xfe", ["no command"]),
    ],
)
def test_what_is_no_command_is_told_with_the_remedy(line: bytes, words: list[str]) -> None:
    with pytest.raises(LineError) as caught:
        parse(line)
    answer = error_line(str(caught.value))
    assert answer.startswith("error ")
    assert "\n" not in answer
    assert answer.isascii()
    assert all(word in answer for word in words), answer


def test_a_result_is_one_line_without_what_is_unknown() -> None:
    line = result_line(RESULT)
    assert line.startswith("ok energy_j=37.5 energy_u_j=0.25 inference_count=150 energy_per_inference_j=0.25 ")
    assert line.endswith("simulated=yes flags=clock_step,throttled")
    assert "net_energy" not in line
    assert "None" not in line
    words = dict(word.split("=") for word in line.split()[1:])
    assert (words["duration_s"], words["gap_s"], words["sync_residual_s"]) == ("12.5", "0", "0.5")


def test_with_joules_missing_the_answer_leaves_the_ratio_out() -> None:
    line = result_line(replace(RESULT, flags=("gap",), gap_s=3.0))
    assert line.startswith("ok energy_j=37.5 energy_u_j=0.25 inference_count=150 duration_s=")
    assert "per_inference" not in line


@given(st.lists(st.binary(max_size=2 * MAX_LINE_BYTES), max_size=8), st.data())
def test_lines_are_cut_the_same_however_the_bytes_arrive(lines: list[bytes], data: st.DataObject) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    buffer, found, at = LineBuffer(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, 2 * MAX_LINE_BYTES))
        found += buffer.feed(stream[at : at + size])
        at += size
    assert found == [None if len(line) > MAX_LINE_BYTES else line.rstrip(b"\r") for line in lines]


def test_an_endless_line_holds_no_memory() -> None:
    buffer = LineBuffer()
    for _ in range(100):
        assert buffer.feed(b"x" * 10_000) == []
    assert len(buffer._held) <= MAX_LINE_BYTES
    assert buffer.feed(b"\ncount\n") == [None, b"count"]
