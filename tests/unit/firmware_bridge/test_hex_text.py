"""Hexadecimal text as people paste it; the first fault is named with line and column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.hex_text import looks_like_hex, parse_hex


@pytest.mark.parametrize(
    "text",
    [
        "01 04 ff 7A",
        "0104FF7a",
        "0x01 0x04,0xFF,\t0x7a",
        "01:04:ff:7a",
        "01-04-ff-7a",
        r"\x01\x04\xff\x7a",
        "# a reading\n0104  # address, function\n\nff 7a\n",
        "01\r\n04\r\nff7a",
        "\ufeff01 04 ff 7a;",
    ],
)
def test_every_usual_way_to_write_bytes(text: str) -> None:
    assert parse_hex(text, "x") == b"\x01\x04\xff\x7a"


@given(data=st.binary(max_size=200), separator=st.sampled_from(["", " ", ":", ", ", "\n", " 0x"]))
def test_reads_back_what_was_written(data: bytes, separator: str) -> None:
    assert parse_hex(separator.join(f"{byte:02x}" for byte in data), "x") == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01 02\n03 0g", "x: line 2, column 5: 'g' is no hexadecimal digit"),
        ("01 02 \u00e9", "x: line 1, column 7: '\u00e9' is no hexadecimal digit"),
        ("0102\n  345", "x: line 2, column 3: '345' has an odd number of digits"),
        ("0x1", "x: line 1, column 3: '1' has an odd number of digits"),
        ("x1", "x: line 1, column 1: 'x' is no hexadecimal digit"),
    ],
)
def test_the_first_fault_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_hex(text, "x")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("head", "expected"),
    [(b"01 0a ff\n", True), (b"# c\n0x01", True), (b"W 12.5\r\n", False), (b"\x01\x04\xff", False), (b"", False)],
)
def test_what_looks_like_hex(head: bytes, expected: bool) -> None:  # noqa: FBT001 a case
    assert looks_like_hex(head) == expected
