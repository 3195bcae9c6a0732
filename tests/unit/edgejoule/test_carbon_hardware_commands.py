"""``edgejoule carbon embodied`` and ``carbon map`` at the command line."""

import json
from pathlib import Path

import pytest

import collector
from edgejoule.cli import main

SAMPLE = Path(collector.__file__).with_name("inventory.sample.toml")


def shown(words: list[str], capsys: pytest.CaptureFixture[str], expected: int = 0) -> str:
    assert main(["carbon", *words]) == expected
    caught = capsys.readouterr()
    return caught.out if expected == 0 else caught.err


def test_boards_meters_and_cases_are_listed_with_a_loud_label(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(["embodied"], capsys)
    for word in (
        "raspberry-pi-4b-4gb",
        "meter-usb-inline",
        "case-plastic",
        "25.6",
        "SCREENING ESTIMATE, NOT A PRODUCT",
    ):
        assert word in text


def test_one_board_is_shown_part_by_part(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(["embodied", "orin-nano"], capsys)
    for word in ("die-orin", "8 x dram", "power-supply-45w", "44%"):
        assert word in text


def test_json_has_parts_corners_and_passports(capsys: pytest.CaptureFixture[str]) -> None:
    (board,) = json.loads(shown(["embodied", "pi-4", "--json"], capsys))
    assert board["label"].startswith("screening")
    assert round(board["all_high_truncation"], 1) == 51.3
    assert sum(part["kgco2e"]["value"] for part in board["parts"]) == pytest.approx(board["total"]["value"])
    for factor in board["factors"]:
        assert {"id", "estimate", "scope", "source", "licence", "vintage"} <= set(factor)


def test_devices_of_an_inventory_and_what_is_unstated(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(["embodied", "--inventory", str(SAMPLE)], capsys).split())
    assert (
        "pi4-bench: charged linear_in_time; not in it, since nothing is said of it: case, meter, end of life" in text
    )
    devices = json.loads(shown(["embodied", "--inventory", str(SAMPLE), "orin-new", "--json"], capsys))
    assert [device["id"] for device in devices] == ["orin-new"]
    assert any(part["name"].startswith("nano-old: ") for part in devices[0]["parts"])
    assert "no device 'nobody'" in shown(["embodied", "--inventory", str(SAMPLE), "nobody"], capsys, 2)


def test_what_a_device_leaves_to_its_successor_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["embodied", "--inventory", str(SAMPLE), "nano-old", "orin-new"]
    text = " ".join(shown(words, capsys).split())
    assert "nano-old: 0.276 of it is left to orin-new and stands there, too" in text
    old, new = json.loads(shown([*words, "--json"], capsys))
    carried = sum(part["kgco2e"]["value"] for part in new["parts"] if part["name"].startswith("nano-old: "))
    assert carried == pytest.approx(old["carried_ratio"] * old["total"]["value"])
    assert (old["successor"], new["successor"], new["carried_ratio"]) == ("orin-new", "", 0.0)


def test_what_is_asked_twice_is_mapped_once(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["map", "pi-4", "raspberry-pi-4", "--zones", "DE", "DE", "--years", "5", "5", "--duty", "0.5", "0.5"]
    (board,) = json.loads(shown([*words, "--json"], capsys))
    assert len(board["cells"]) == 1


def test_factors_of_parts_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    factors = json.loads(shown(["embodied", "--factors", "dram", "--json"], capsys))
    assert [factor["estimate"]["unit"] for factor in factors] == ["kgCO2e/GB"]


def test_a_name_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown 'raspberry-pi-4c'; near names: raspberry-pi-4b-4gb" in shown(
        ["embodied", "raspberry-pi-4c"], capsys, 2
    ).replace("\n", " ")


def test_the_map_is_a_table_json_and_a_figure(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = shown(["map", "pi-4", "--zones", "SE", "DE"], capsys)
    assert "73%" in text
    assert "2.25 W idle" in text
    figure = tmp_path / "map.svg"
    words = ["map", "pi-4", "--zones", "SE", "--idle-w", "0", "--busy-w", "4", "--figure", str(figure), "--json"]
    (one,) = json.loads(shown(words, capsys))
    assert one["power"] == {"idle_w": 0.0, "busy_w": 4.0, "source": "the command line"}
    assert len(one["cells"]) == 9
    assert figure.stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--idle-w", "1"], "--idle-w and --busy-w belong together"),
        (["pi-4", "--idle-w", "2", "--busy-w", "1"], "0 <= idle <= busy"),
        (["pi-4", "--duty", "2"], "a duty lies in 0..1"),
        (["pi-4", "--sd-card-gb", "-1"], "--sd-card-gb lies in 0..1000000"),
        (["pi-4", "--sd-card-gb", "9" * 400], "--sd-card-gb lies in 0..1000000"),
        (["pi-4", "--figure", "map.pdf"], "written as .svg or .png"),
        (["pi-4", "--figure", "/nowhere/at/all.svg"], "--figure: "),
    ],
)
def test_questions_that_make_no_map_are_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in " ".join(shown(["map", *words], capsys, 2).split())
