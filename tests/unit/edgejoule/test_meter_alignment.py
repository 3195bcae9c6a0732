"""``meter show`` says how a meter's time can be tied to the host's, best way first."""

import json

import pytest

from edgejoule.cli import main
from edgejoule.commands.meter.show_verb import ALIGNMENT_WORDS, alignments
from firmware_bridge.registry import all_drivers, get_driver


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        ("ppk2", ["gpio_marker", "step_correlation", "arrival_fit"]),
        ("powersensor3", ["serial_marker", "step_correlation", "arrival_fit"]),
        ("tc66c", ["step_correlation", "host_clock"]),
    ],
)
def test_the_ways_to_align_a_meter(name: str, ways: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert alignments(get_driver(name)) == ways
    assert main(["meter", "show", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["alignment"] == ways


def test_every_meter_can_be_aligned_by_arrivals_at_least() -> None:
    for driver in all_drivers():
        ways = alignments(driver)
        assert ways[-1] in {"arrival_fit", "host_clock"}
        assert set(ways) <= set(ALIGNMENT_WORDS)
