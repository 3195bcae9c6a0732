"""``edgejoule meter record``, ``replay`` and ``decode`` as a user types them, against an emulated meter."""

import csv
import io
import json
import os
import struct
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from edgejoule.cli import main
from firmware_bridge.capture_file import CaptureFrame, CaptureHeader, CaptureWriter, read_capture
from firmware_bridge.driver import Options
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.loads import ProfileLoad, ProfileRow
from firmware_bridge.registry import get_driver
from tests.fakes.meter_talk import Conversation, steady

KEYS = [
    *("driver", "samples", "t_first_s", "t_last_s", "mean_voltage_v", "mean_current_a", "mean_power_w", "energy_j"),
    *("gap_s", "frame_errors", "markers", "last"),
]
SAMPLE_KEYS = ("t_device_s", "voltage_v", "current_a", "power_w", "flags")


def make_capture(path: Path, driver_name: str, seconds: float = 2.0, options: Options | None = None) -> Path:
    """Write a capture of a talk in simulated time."""
    options = options or {}
    talk = Conversation(get_driver(driver_name).for_options(options), options)
    talk.run_until_samples(steady(5.0, 0.3))
    talk.run(seconds, steady(5.0, 0.5))
    with path.open("wb") as file:
        writer = CaptureWriter(
            file, CaptureHeader(driver_name, dict(options), "/dev/pts/9", 1, simulated=True, version="0")
        )
        for one in talk.said:
            writer.write(CaptureFrame(one.t_host_s, one.from_meter, one.data))
    return path


def said_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["meter", *words, "--json"]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


@pytest.mark.parametrize("name", ["tc66c", "ppk2", "powersensor3"])
def test_decode_and_replay_say_the_same(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_capture(tmp_path / "x.capture", name)
    decoded = said_json(capsys, "decode", name, str(path))
    assert list(decoded)[: len(KEYS)] == KEYS
    assert list(decoded["last"])[:4] == list(SAMPLE_KEYS[:4])
    assert set(SAMPLE_KEYS) <= set(decoded["last"])
    assert decoded["driver"] == name
    assert decoded["samples"] > 10
    assert decoded["mean_power_w"] == pytest.approx(2.5, rel=0.2)
    assert decoded["energy_j"] == pytest.approx(decoded["mean_power_w"] * decoded["total"]["covered_s"])
    assert decoded["simulated"] is True
    assert said_json(capsys, "replay", str(path), "--fast") == decoded
    assert said_json(capsys, "replay", str(path), "--speed", "20") == decoded


def test_replay_integrates_by_the_data_sheet_of_the_recorded_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A telegram every ten seconds is a gap for version 5, and none for version 4."""
    path = make_capture(tmp_path / "x.capture", "dsmr_p1", 60.0, {"version": "4"})
    decoded = said_json(capsys, "decode", "dsmr_p1", str(path))
    assert decoded["gap_s"] == 0.0
    assert said_json(capsys, "replay", str(path), "--fast") == decoded


def test_read_takes_a_recording_for_a_meter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_capture(tmp_path / "x.capture", "tc66c")
    decoded = said_json(capsys, "decode", "tc66c", str(path))
    rows = tmp_path / "x.csv"
    read = said_json(capsys, "read", "tc66c", f"capture://{path}?speed=20", "--csv", str(rows))
    assert read["simulated"] is True
    assert read["health"]["ended"] is True
    assert read["total"]["energy_j"] == pytest.approx(decoded["energy_j"])
    assert len(rows.read_text().splitlines()) == decoded["samples"] + 1


def test_replay_keeps_the_pace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_capture(tmp_path / "x.capture", "tc66c", seconds=4.0)
    begin_s = os.times().elapsed
    said_json(capsys, "replay", str(path), "--speed", "4")
    assert os.times().elapsed - begin_s == pytest.approx(1.0, abs=0.4)


def test_samples_go_to_csv_and_parquet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_capture(tmp_path / "x.capture", "powersensor3", seconds=0.3)
    table, rows = tmp_path / "x.parquet", tmp_path / "x.csv"
    decoded = said_json(capsys, "decode", "powersensor3", str(path), "--samples", str(table))
    said_json(capsys, "decode", "powersensor3", str(path), "--samples", str(rows))
    power_w = pyarrow.parquet.read_table(table)["power_w"].to_pylist()
    read = list(csv.DictReader(rows.read_text().splitlines()))
    assert [float(row["power_w"]) for row in read] == power_w
    assert len(power_w) == decoded["samples"]
    assert float(read[-1]["t_device_s"]) == decoded["t_last_s"]
    assert np.mean([float(row["voltage_v"]) for row in read]) == pytest.approx(decoded["mean_voltage_v"], rel=1e-9)


def test_decode_says_it_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_capture(tmp_path / "x.capture", "tc66c")
    path.write_bytes(path.read_bytes()[:-5])
    assert main(["meter", "decode", "tc66c", str(path)]) == 0
    said = capsys.readouterr()
    for word in ("SIMULATED", "energy", "mean power", "last temperature_c", "arrival at the recording host"):
        assert word in said.out
    assert "ends inside a frame" in said.err


def test_decode_reads_hex_from_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(get_driver("tc66c"))
    talk.run_until_samples(steady(9.0, 1.5))
    text = b"".join(one.data for one in talk.said if one.from_meter).hex(" ")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    decoded = said_json(capsys, "decode", "tc66c", "-", "--hex")
    assert decoded["samples"] == 1
    assert decoded["mean_power_w"] == pytest.approx(13.5, rel=1e-3)
    assert (decoded["energy_j"], decoded["time_basis"], decoded["recorded"]) == (0.0, "nominal", None)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["decode", "ppk2", "{tc66c}"], 2, "recorded from a tc66c, not a ppk2; decode it as tc66c"),
        (["decode", "ppk2", "{tc66c}", "--any-driver"], 1, "no sample of a ppk2"),
        (["decode", "tc66c", "{png}"], 1, "no sample of a tc66c in 108 bytes"),
        (["decode", "tc66c", "{hex}"], 1, "add --hex"),
        (["decode", "tc66c", "{folder}"], 2, "Is a directory"),
        (["decode", "tc66c", "{nowhere}"], 2, "No such file"),
        (["decode", "tc66c", "{tc66c}", "--samples", "{folder}/x.xlsx"], 2, "ends in .csv or .parquet"),
        (["decode", "tc66c", "{rows}", "--hex", "--samples", "{rows}"], 2, "overwritten with its own samples"),
        (["replay", "{png}"], 2, "not a capture file, so it has no times to play"),
        (["replay", "{tc66c}", "--fast", "--option", "colour=red"], 2, "no option 'colour'"),
        (["record", "tc66c", "/dev/null", "{png}"], 2, "exists already; name another file, or overwrite it"),
        (["read", "tc66c", "/dev/null", "--csv", "{rows}"], 2, "exists already"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {name: str(tmp_path / name) for name in ("tc66c", "png", "hex", "nowhere", "rows")} | {
        "folder": str(tmp_path)
    }
    make_capture(tmp_path / "tc66c", "tc66c", 0.5)
    (tmp_path / "png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "hex").write_text("01 02 03\n")
    rows = tmp_path / "rows.csv"
    rows.write_text("precious")
    names["rows"] = str(rows)
    assert main(["meter", *(word.format(**names) for word in words)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1
    assert rows.read_text() == "precious"


def test_recorded_markers_are_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bit rises and falls in the profile every 200 ms: the edges are that far apart, to one sample."""
    port, path = tmp_path / "port", tmp_path / "x.capture"
    load = ProfileLoad([ProfileRow(0.2 * i, 2.0 + i % 2, None, i % 2) for i in range(50)])
    with MeterEmulator(get_driver("ppk2"), port, load, EmulatorSettings(seed=1)):
        recorded = said_json(capsys, "record", "ppk2", str(port), str(path), "--seconds", "1.5")
    decoded = said_json(capsys, "decode", "ppk2", str(path))
    assert recorded["samples"] == decoded["samples"]
    assert decoded["received_bytes"] == recorded["received_bytes"]
    assert 4 <= decoded["marker_count"] == len(decoded["markers"]) <= 8
    assert {one["bit"] for one in decoded["markers"]} == {0}
    edges = [one["edge"] for one in decoded["markers"]]
    assert all(one != other for one, other in pairwise(edges))
    steps_s = np.diff([one["t_s"] for one in decoded["markers"]])
    assert steps_s == pytest.approx(0.2, abs=3e-5)
    header = read_capture(path).header
    assert header.simulated
    assert header.version
    assert header.started_host_s is not None


def test_a_session_of_nordics_application_is_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred samples of 1000 uA at 3 V, D0 rising at the fiftieth, the last ten never got."""
    path = tmp_path / "x.ppk2"
    frames = [struct.pack("<fH", 1000.0, 0) for _ in range(90)] + [struct.pack("<fH", float("nan"), 0)] * 9
    frames = [frame[:4] + (b"\x55\x55" if i < 50 else b"\x55\x56") for i, frame in enumerate(frames)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("session.raw", b"".join(frames) + struct.pack("<f", 1000.0) + b"\x55\x56")
        archive.writestr("metadata.json", '{"metadata": {"samplesPerSecond": 1000}, "formatVersion": 2}')
    decoded = said_json(capsys, "decode", "ppk2", str(path), "--option", "voltage_mv=3000")
    assert decoded["samples"] == 91
    assert decoded["mean_power_w"] == pytest.approx(3e-3)
    assert decoded["energy_j"] == pytest.approx(91 * 3e-6)
    assert decoded["gap_s"] == pytest.approx(9e-3)
    assert [(one["bit"], one["edge"]) for one in decoded["markers"]] == [(0, "rising")]
    assert main(["meter", "decode", "ppk2", str(path)]) == 0
    assert "the file says no voltage, 5 V are taken" in capsys.readouterr().err
    for words in (["--hex"], ["--interval-s", "1"]):
        assert main(["meter", "decode", "ppk2", str(path), *words]) == 2
        assert "it has its own bytes and times; leave --hex and --interval-s out" in capsys.readouterr().err
    assert decoded["markers"][0]["t_s"] == pytest.approx(0.051)
    assert main(["meter", "decode", "tc66c", str(path)]) == 2
    assert "a session of Nordic's Power Profiler; decode it as ppk2" in capsys.readouterr().err
    assert main(["meter", "decode", "ppk2", str(path), "--option", "voltage_mv=1"]) == 2


def test_a_silent_port_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    master, slave = os.openpty()
    try:
        path = tmp_path / "x.capture"
        assert main(["meter", "record", "tc66c", os.ttyname(slave), str(path), "--seconds", "0.3"]) == 1
        said = capsys.readouterr()
        assert "nothing came from the meter" in said.err
        assert said.err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
    finally:
        os.close(slave)
        os.close(master)
