"""Recordings of real and simulated meters, found by their place: one more file in tests/data/captures is tested here.

``tests/data/captures/DRIVER/NAME.*`` is a file of ``edgejoule meter record``, raw bytes (``.bin``) or hexadecimal text
(``.hex``). Beside it may lie ``NAME.json``: what ``edgejoule meter decode --json`` has to say of it, whole or in part;
and ``NAME.how.json``: ``{"options": {...}, "interval_s": ...}`` to decode it with. See the README.md there.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgejoule.cli import main
from firmware_bridge.capture_file import is_capture, read_capture
from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.hex_text import parse_hex
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import SampleBlock
from tests.fakes.meter_talk import Decoded, Said, decode_again

CAPTURES = Path(__file__).parents[1] / "data" / "captures"
BESIDE = {".json", ".md"}
RELATIVE = 1e-6
"""Numbers may differ so much from the file beside a recording, or by ABSOLUTE: rounding, and nothing else."""
ABSOLUTE = 1e-9

Json = dict[str, Any]
recordings = sorted(path for path in CAPTURES.glob("*/*") if path.suffix not in BESIDE)
every_recording = pytest.mark.parametrize(
    "path", recordings, ids=[f"{path.parent.name}/{path.stem}" for path in recordings]
)


def beside(path: Path, ending: str) -> Json | None:
    """What a JSON file beside the recording says, None where there is none."""
    file = path.with_name(path.stem + ending)
    return json.loads(file.read_text("utf-8")) if file.exists() else None


def decoded_by_command(path: Path, capsys: pytest.CaptureFixture[str]) -> Json:
    how = beside(path, ".how.json") or {}
    words = ["meter", "decode", path.parent.name, str(path), "--json"]
    words += ["--hex"] if path.suffix == ".hex" else []
    words += ["--interval-s", str(how["interval_s"])] if "interval_s" in how else []
    for name, value in how.get("options", {}).items():
        words += ["--option", f"{name}={value}"]
    capsys.readouterr()
    assert main(words) == 0
    output: Json = json.loads(capsys.readouterr().out)
    return output


def differences(expected: object, got: object, where: str = "") -> Iterator[str]:
    """Where the output differs from what is expected of it; keys beyond that are not looked at."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            yield from differences(value, got.get(key, "nothing"), f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from differences(one, other, f"{where}[{index}]")
    elif isinstance(expected, float) and isinstance(got, int | float):
        if not abs(got - expected) <= ABSOLUTE + RELATIVE * abs(expected):
            yield f"{where}: {got!r}, not {expected!r}"
    elif expected != got:
        yield f"{where}: {got!r}, not {expected!r}"


def spoken(path: Path) -> tuple[Options, list[Said]]:
    """The options and the reads of a recording; raw bytes are one read at time zero."""
    options: Options = (beside(path, ".how.json") or {}).get("options", {})
    content = path.read_bytes()
    if is_capture(content):
        capture = read_capture(path)
        return {**capture.header.options, **options}, [
            Said(one.t_host_s, one.from_meter, one.data) for one in capture.frames
        ]
    data = parse_hex(content.decode("utf-8"), path.name) if path.suffix == ".hex" else content
    return options, [Said(0.0, from_meter=True, data=data)]


def in_pieces(driver: MeterDriver, options: Options, said: list[Said], size: int) -> Decoded:
    """Decode reads cut to pieces; where they have no time, the host's clock follows the meter's."""
    if len(said) > 1 or driver.data_sheet.clock == "host_arrival":
        return decode_again(
            driver,
            said,
            options=options,
            cut=lambda data: (data[at : at + size] for at in range(0, len(data), size)),
        )
    decoder, decoded, t_s = driver.make_decoder(options), Decoded(), 0.0
    for at in range(0, len(said[0].data), size):
        events = decoder.feed(said[0].data[at : at + size], t_s)
        t_s = max([t_s, *(float(one.t_device_s[-1]) for one in events if isinstance(one, SampleBlock))])
        decoded.events += events
    return decoded


def test_there_are_recordings_and_each_folder_is_a_driver() -> None:
    assert len(recordings) > 5
    for path in recordings:
        assert get_driver(path.parent.name)
        assert is_capture(path.read_bytes()[:64]) or path.suffix in {".bin", ".hex"}, f"{path}: what is it?"


def test_each_note_beside_a_recording_has_its_recording() -> None:
    names = {(path.parent, path.stem) for path in recordings}
    for note in CAPTURES.glob("*/*.json"):
        assert (note.parent, note.name.removesuffix(".json").removesuffix(".how")) in names, f"{note}: of which file?"


@every_recording
def test_a_recording_is_decoded_as_the_file_beside_it_says(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = decoded_by_command(path, capsys)
    assert got["samples"] >= 1
    assert got["gap_s"] >= 0.0
    expected = beside(path, ".json")
    assert list(differences(expected or {}, got)) == []


@every_recording
def test_a_recording_is_decoded_the_same_however_it_is_cut(path: Path) -> None:
    driver = get_driver(path.parent.name)
    options, said = spoken(path)
    whole = in_pieces(driver, options, said, 1 << 30)
    whole.check_blocks()
    assert whole.blocks()
    for size in (1, 7, 64, 1000):
        pieces = in_pieces(driver, options, said, size)
        pieces.check_blocks()
        for name in ("voltage_v", "current_a", "power_w"):
            np.testing.assert_allclose(pieces.column(name), whole.column(name), rtol=1e-12, atol=1e-15)
        assert pieces.errors() == whole.errors()
        assert pieces.identities() == whole.identities()


@pytest.mark.parametrize(
    ("expected", "got", "said"),
    [
        ({"a": 1.0}, {"a": 1.0000005, "b": 2}, []),
        ({"a": 1.0}, {"a": 1.00001}, [".a: 1.00001, not 1.0"]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, [".a.b[1]: 3, not 2"]),
        ({"a": None}, {}, [".a: 'nothing', not None"]),
        ({"a": [1]}, {"a": []}, [".a: [], not [1]"]),
        ({"a": 1.0}, {"a": "x"}, [".a: 'x', not 1.0"]),
    ],
)
def test_what_differs_is_named(expected: Json, got: Json, said: list[str]) -> None:
    assert list(differences(expected, got)) == said
