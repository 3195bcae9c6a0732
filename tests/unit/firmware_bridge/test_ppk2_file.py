"""Saved sessions of Nordic's application: built here by its documented layout, read back, damaged in every way."""

import json
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.calibration import power_u_w
from firmware_bridge.energy import EnergyRegister, energy_between
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.ppk2_file import BLOCK_SAMPLES, is_ppk2_file, open_ppk2_file, read_ppk2_file
from firmware_bridge.protocol.bson import read_document
from firmware_bridge.samples import F64, SampleBlock

STARTED_UNIX_MS = 1_753_000_000_123


def session(path: Path, current_ua: F64, bits: list[int] | None = None, *, about: object = None) -> Path:
    """Write a .ppk2 as the application lays it out: little-endian floats, big-endian channels."""
    pairs = bits if bits is not None else [0x5555] * len(current_ua)
    raw = b"".join(
        struct.pack("<f", value) + struct.pack(">H", two) for value, two in zip(current_ua, pairs, strict=True)
    )
    metadata = {"metadata": {"samplesPerSecond": 10_000, "startSystemTime": STARTED_UNIX_MS}, "formatVersion": 2}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("session.raw", raw)
        archive.writestr("metadata.json", json.dumps(metadata if about is None else about))
        archive.writestr("minimap.raw", b"whatever")
    return path


def bson(values: Mapping[str, object]) -> bytes:
    body = b""
    for name, value in values.items():
        key = name.encode() + b"\0"
        if isinstance(value, bool):
            body += b"\x08" + key + bytes([value])
        elif isinstance(value, int):
            body += b"\x10" + key + struct.pack("<i", value)
        elif isinstance(value, float):
            body += b"\x01" + key + struct.pack("<d", value)
        elif isinstance(value, str):
            body += b"\x02" + key + struct.pack("<i", len(value) + 1) + value.encode() + b"\0"
        elif isinstance(value, Mapping):
            body += b"\x03" + key + bson(value)
        else:
            body += b"\x0a" + key
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def old_session(path: Path, documents: bytes, current_ua: F64, bits: list[int] | None = None) -> Path:
    """Write a .ppk: raw deflate of BSON, currents and, if there are any, channels."""
    raw = documents + struct.pack("<I", 4 * len(current_ua)) + current_ua.astype("<f4").tobytes()
    if bits is not None:
        raw += struct.pack("<I", 2 * len(bits)) + np.array(bits, dtype="<u2").tobytes()
    deflate = zlib.compressobj(wbits=-15)
    path.write_bytes(deflate.compress(raw) + deflate.flush())
    return path


def joined(blocks: list[SampleBlock], name: str) -> F64:
    return np.concatenate([np.asarray(getattr(block, name), dtype=np.float64) for block in blocks])


def test_a_frame_by_hand(tmp_path: Path) -> None:
    # 1000 uA is 00 00 7a 44 as a little-endian float; D0 high, D7 both, the rest low: 11 01 01 01 01 01 01 10
    path = tmp_path / "by-hand.ppk2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("session.raw", bytes.fromhex("00007a44 d556"))
        archive.writestr("metadata.json", '{"metadata":{"samplesPerSecond":100000},"formatVersion":2}')
    opened = open_ppk2_file(path, voltage_v=3.0)
    (block,) = opened.blocks()
    assert opened.sample_interval_s == 1e-5
    assert opened.started_unix_ns is None
    assert block.current_a.tolist() == [1e-3]
    assert block.power_w.tolist() == [3e-3]
    assert block.t_device_s.tolist() == [1e-5]
    assert block.logic is not None
    assert block.logic.tolist() == [0x81]


def test_an_averaged_session_has_its_own_interval_and_its_gaps_are_gaps(tmp_path: Path) -> None:
    current_ua = np.full(20_000, 100_000.0)
    current_ua[5000:6000] = np.nan
    opened = open_ppk2_file(session(tmp_path / "a.ppk2", current_ua), voltage_v=5.0)
    assert opened.started_unix_ns == STARTED_UNIX_MS * 1_000_000
    register = EnergyRegister(opened.data_sheet)
    for block in opened.blocks():
        register.add(block, power_u_w(opened.data_sheet, block))
    first = register.first()
    assert first is not None
    delta = energy_between(first, register.latest())
    assert delta.covered_s == pytest.approx(1.9)
    assert delta.gap_s == pytest.approx(0.1)
    assert delta.energy_j == pytest.approx(0.95)
    assert delta.gap_bound_j == pytest.approx(0.5)


def test_every_channel_is_where_it_belongs(tmp_path: Path) -> None:
    pairs = [sum((2 if channel == high else 1) << 2 * channel for channel in range(8)) for high in range(8)]
    blocks = list(read_ppk2_file(session(tmp_path / "a.ppk2", np.ones(8), pairs), voltage_v=1.0))
    assert joined(blocks, "logic").tolist() == [1 << channel for channel in range(8)]


def test_a_long_session_comes_in_bounded_blocks(tmp_path: Path) -> None:
    count = 10 * BLOCK_SAMPLES + 7
    path = session(tmp_path / "a.ppk2", np.arange(count, dtype=np.float64))
    tracemalloc.start()
    try:
        total = most = 0
        for block in read_ppk2_file(path, voltage_v=1.0):
            total, most = total + len(block), max(most, len(block))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (total, most) == (count, BLOCK_SAMPLES)
    assert peak_bytes < 12_000_000


def options(**more: object) -> bytes:
    return bson({"options": {"samplingTime": 10, **more}, "chartState": {"live": True}, "version": 1})


@pytest.mark.parametrize("bits", [None, [0x5556, 0x5555, 0x5559, 0x5555, 0x5555]])
def test_an_old_ring_begins_behind_its_last_sample(tmp_path: Path, bits: list[int] | None) -> None:
    path = old_session(tmp_path / "a.ppk", options(index=1), np.array([4.0, 5.0, 1.0, 2.0, 3.0]), bits)
    opened = open_ppk2_file(path, voltage_v=2.0)
    blocks = list(opened.blocks())
    assert opened.sample_interval_s == pytest.approx(1e-5)
    assert (1e6 * joined(blocks, "current_a")).tolist() == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0])
    assert joined(blocks, "t_device_s").tolist() == pytest.approx([1e-5 * i for i in range(1, 6)])
    logic = [None if block.logic is None else block.logic.tolist() for block in blocks]
    assert logic == ([None, None] if bits is None else [[2, 0, 0], [1, 0]])


def test_an_old_ring_that_is_not_full_begins_where_it_was_written(tmp_path: Path) -> None:
    current_ua = np.array([1.0, np.nan, 3.0, *[np.nan] * 100_000])
    documents = options(samplesPerSecond=1000.0, index=2)
    opened = open_ppk2_file(old_session(tmp_path / "a.ppk", documents, current_ua), voltage_v=2.0)
    assert joined(list(opened.blocks()), "t_device_s").tolist() == pytest.approx([0.001, 0.003])


def test_the_oldest_files_have_two_documents(tmp_path: Path) -> None:
    documents = bson({"samplingTime": 10, "currentPane": 1}) + bson({"windowBegin": 0.5})
    opened = open_ppk2_file(old_session(tmp_path / "a.ppk", documents, np.array([7.0])), voltage_v=1.0)
    assert (1e6 * joined(list(opened.blocks()), "current_a")).tolist() == pytest.approx([7.0])


def test_files_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    new = session(tmp_path / "new", np.ones(3))
    old = old_session(tmp_path / "old", options(), np.ones(3))
    other = tmp_path / "other.ppk2"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "text")
    text = tmp_path / "text.ppk"
    text.write_text("edgejoule-capture 1\n{}\n")
    assert [is_ppk2_file(path) for path in (new, old, other, text, tmp_path / "none", tmp_path)] == [
        True,
        True,
        *[False] * 4,
    ]


@pytest.mark.parametrize(
    ("about", "complaint"),
    [
        ({"metadata": {}, "formatVersion": 2}, "samplesPerSecond is None"),
        ({"metadata": {"samplesPerSecond": 0}, "formatVersion": 2}, "samplesPerSecond is 0"),
        ({"metadata": {"samplesPerSecond": True}, "formatVersion": 2}, "samplesPerSecond is True"),
        ({"metadata": {"samplesPerSecond": 10}, "formatVersion": 3}, "format version 3 is not known here"),
        ([], "metadata.json holds no metadata"),
    ],
)
def test_metadata_that_makes_no_sense_is_refused(tmp_path: Path, about: object, complaint: str) -> None:
    path = session(tmp_path / "a.ppk2", np.ones(3), about=about)
    with pytest.raises(ConfigurationError, match=complaint) as raised:
        open_ppk2_file(path, voltage_v=5.0)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("voltage_v", [0.0, -1.0, float("nan"), float("inf")])
def test_the_voltage_has_to_be_one(tmp_path: Path, voltage_v: float) -> None:
    with pytest.raises(ConfigurationError, match="the voltage of the supply is"):
        open_ppk2_file(session(tmp_path / "a.ppk2", np.ones(3)), voltage_v=voltage_v)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.ppk2: cannot read it: No such file"):
        open_ppk2_file(tmp_path / "none.ppk2", voltage_v=5.0)


@pytest.mark.parametrize("name", ["a.ppk2", "a.ppk"])
def test_damage_is_one_line_and_nothing_else(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(1)
    current_ua = rng.uniform(0, 1e6, 500)
    path = tmp_path / name
    if name == "a.ppk2":
        session(path, current_ua)
    else:
        old_session(path, options(index=100), current_ua, [0x5555] * 500)
    whole = path.read_bytes()
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        if rng.integers(2):
            del damaged[int(rng.integers(len(damaged))) :]
        else:
            damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            blocks = list(read_ppk2_file(path, voltage_v=5.0))
        except ConfigurationError as error:
            refused += "\n" not in str(error)
        else:
            assert sum(map(len, blocks)) <= 500
    assert refused > 150


@pytest.mark.parametrize("at", range(4, 54, 5))
def test_a_document_that_is_cut_off_is_a_value_error(at: int) -> None:
    whole = bson({"a": 1, "b": 2.5, "c": "text", "d": {"e": True, "f": None}})
    assert read_document(whole) == {"a": 1, "b": 2.5, "c": "text", "d": {"e": True, "f": None}}
    with pytest.raises(ValueError, match="BSON"):
        read_document(whole[:at])
