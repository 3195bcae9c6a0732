"""What a decomposition does not know is not zero: windows without samples, devices without a zone or hardware."""

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from collector.analysis.decomposition.decompose import decompose
from collector.analysis.decomposition.notes import notes_of
from collector.analysis.decomposition.portions import Side
from collector.analysis.decomposition.rebound import rebound_of
from collector.analysis.decomposition.selection import Selection, selection_of
from collector.analysis.decomposition.values import Decomposition, GroupChange, Levels, Question
from collector.analysis.decomposition.words import shown_effects, verdict_of
from collector.assessment.assess import Gathered, Period, Stored, gather
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.values import StoredWindow
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.two_months import FEBRUARY, INVENTORY, JANUARY, hours, write_lake
from tests.fakes.windows import JETSON, PI4, PI_ZERO

BARE: Final = '[[device]]\nid = "pi4-01"\nzone = "DE"\n[[device]]\nid = "zero-01"\n'
"""An inventory without hardware, and a device without a zone."""
UNSAMPLED: Final[dict[str, Any]] = {
    "gap_s": 3600.0, "energy_j": 0.0, "energy_u_j": 0.0, "energy_u_systematic_j": 0.0,
}  # fmt: skip
TABLE: Final = load_yearly_table()


class Fleet:
    """A lake, and what was gathered of each side."""

    def __init__(self, directory: Path, rows: list[StoredWindow], inventory: str = INVENTORY) -> None:
        self.stored, self.known = Stored(lake=write_lake(directory, rows)), parse_inventory(inventory)
        self._read: dict[Period, Gathered] = {}

    def gathered(self, side: Selection) -> Gathered:
        if side.period not in self._read:
            self._read[side.period] = gather(self.stored, self.known, TABLE, side.period)
        return self._read[side.period]

    def decomposed(self, before: str, after: str, by: Any = ("class",)) -> Decomposition:
        sides = selection_of(before), selection_of(after)
        return decompose(*sides, self.gathered, self.known, Question(by=by, draws=200))


def test_a_day_whose_windows_have_no_sample_is_no_day_without_windows(tmp_path: Path) -> None:
    """Else the device would count for that day, but the day would not, and one device would be two."""
    rows = [
        *hours(PI4, JANUARY, 48),
        *hours(PI4, FEBRUARY, 24, 100),
        *hours(PI4, FEBRUARY.replace(day=2), 24, 200, **UNSAMPLED),
    ]
    found = Fleet(tmp_path, rows).decomposed("2026-01-01..2026-01-03", "2026-02-01..2026-02-03")
    assert found.after.days_with_data == 2.0
    assert found.after.levels.devices == pytest.approx(1.0)
    assert found.change.value == pytest.approx(0.0, abs=1e-9)
    assert found.after.coverage_ratio == pytest.approx(0.5)


@pytest.mark.parametrize("model", ["digits_mlp_int8", "kws_int8"])
def test_a_meter_without_samples_is_no_smaller_fleet(tmp_path: Path, model: str) -> None:
    """A device that got another meter, or another model, which nothing was sampled of, still ran."""
    rows = [
        *hours(PI4, JANUARY, 48),
        *hours(PI4, FEBRUARY, 24, 100),
        *hours(PI4, FEBRUARY.replace(day=2), 24, 200, meter_driver="ina226", model_id=model, **UNSAMPLED),
    ]
    fleet = Fleet(tmp_path, rows)
    found = fleet.decomposed("2026-01-01..2026-01-03", "2026-02-01..2026-02-03")
    assert found.after.levels.devices == pytest.approx(1.0)
    assert found.after.levels.inferences == pytest.approx(found.before.levels.inferences)
    assert found.change.value == pytest.approx(0.0, abs=1e-9)
    assert not found.after.left_out
    by_model = fleet.decomposed("2026-01-01..2026-01-03", "2026-02-01..2026-02-03", ("model",))
    left_out = {"no sample of their energy, or none above zero": ("pi4-01",)} if model == "kws_int8" else {}
    assert by_model.after.left_out == left_out


def test_a_side_of_which_nothing_is_known_is_refused(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, [*hours(PI4, JANUARY, 24), *hours(PI_ZERO, JANUARY, 24, 100)], BARE)
    sides = "device=pi4-01,period=2026-01-01", "device=zero-01,period=2026-01-01"
    for one, other in (sides, sides[::-1]):
        with pytest.raises(ConfigurationError, match=r"no intensity known there: zero-01; give them a zone") as caught:
            fleet.decomposed(one, other)
        assert "device=zero-01" in str(caught.value)
    rows = [*hours(PI4, JANUARY, 24), *hours(PI4, FEBRUARY, 24, 100, **UNSAMPLED)]
    with pytest.raises(ConfigurationError, match=r"'2026-02-01'.*no sample.*name a period with samples"):
        Fleet(tmp_path / "other", rows).decomposed("2026-01-01", "2026-02-01")


def test_hardware_that_is_known_on_one_side_only_is_on_neither(tmp_path: Path) -> None:
    hardware = (
        'hardware = "raspberry-pi-4b-4gb"\nsd_card_gb = 0\ncase = "none"\nmeter = "none"\nlifetime_years = 5.0\n'
    )
    zones = ('[[device]]\nid = "jetson-01"\nzone = "DE"\n', '[[device]]\nid = "pi4-01"\nzone = "DE"\n')
    inventory = "".join(zones) + hardware
    fleet = Fleet(tmp_path, [*hours(PI4, JANUARY, 24), *hours(JETSON, JANUARY, 24, 100)], inventory)
    found = fleet.decomposed("device=jetson-01,period=2026-01-01", "device=pi4-01,period=2026-01-01")
    assert found.before.embodied is None
    assert found.after.embodied is None
    assert not found.has_embodied
    assert verdict_of(found).startswith("Of what is known, operational emissions fell")
    assert found.after.left_out == {"no hardware known of the other side's devices": ("pi4-01",)}
    assert not any(name.startswith("embodied") for name in shown_effects(found))
    assert {factor.id for factor in found.factors} == {"DEU"}


def test_meters_intensities_charges_and_silence_are_told(tmp_path: Path) -> None:
    rows = [
        *hours(PI4, JANUARY, 24),
        *hours(PI_ZERO, JANUARY, 6, 50),
        *hours(PI4, FEBRUARY, 24, 100, boundary="ac_mains"),
    ]
    fleet = Fleet(tmp_path, rows)
    found = fleet.decomposed("2026-01-01", "2026-02-01")
    for words in (
        "boundaries (A: dc_input, usb_dc; B: ac_mains)",
        "both sides rest on the same yearly averages",
        "embodied grams are charged linear_in_time, for all time in service",
        "A: its 2 devices, on the mean, sent such windows for 62.5\N{NO-BREAK SPACE}% of those days",
    ):
        assert any(words in note for note in found.notes), words
    assert not any(note.startswith("B: its") for note in found.notes)
    selected = selection_of("2026-01-01")
    gathered = fleet.gathered(selected)
    hourly, yearly = (
        Side(selected, 1.0, 1.0, seen={"a"}, duration_s=86_400.0, energy_j=9.0, known_j=9.0, yearly_j=joules)
        for joules in (3.0, 9.0)
    )
    notes = list(notes_of((hourly, yearly), [], Question(), (gathered, gathered)))
    assert ["33\N{NO-BREAK SPACE}% of A's energy and 100\N{NO-BREAK SPACE}% of B's" in note for note in notes] == [
        True
    ]


def test_the_rounding_of_sums_is_neither_a_gain_nor_use() -> None:
    levels = Levels(inferences=1.0, energy_j=1.0, operational_gco2e=50.0)
    groups = [GroupChange(name="a", before=levels, after=levels, effects={}, change_gco2e_per_day=0.0)]
    for volume, efficiency, ratio in (
        (0.0, -1e-14, None),
        (3e-14, -20.0, 0.0),
        (-3e-14, -20.0, 0.0),
        (-5.0, -20.0, -0.25),
    ):
        effects = {"fleet_size": volume, "inferences_per_device": 0.0, "energy_per_inference": efficiency}

        def value(*names: str, of: dict[str, float] = effects) -> float:
            return math.fsum(of[name] for name in names)

        def drawn(*names: str, of: dict[str, float] = effects) -> Any:
            return np.full(3, math.fsum(of[name] for name in names))

        found = rebound_of(value, drawn, groups)
        assert found.ratio == ratio
        if ratio is not None:
            assert found.reading.endswith("use fell too" if ratio < 0.0 else "use stayed as it was")
