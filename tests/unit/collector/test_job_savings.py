"""What devices saved by waiting: as they told it, by what is known now, and in sums that mix nothing."""

from typing import Any

import pytest

from collector.carbon.operational import IntensityKind
from collector.carbon.timeline import IntensityTimeline
from collector.job_savings import JobEntry, job_entries, job_sums
from collector.orders import orders
from collector.values import StoredReply
from edge_agent.wire.orders import CarbonTiming, CommandReply, Stage
from tests.fakes.stepped_intensity import SteppedIntensity

HOUR_S = 3600
T0_S = 500_000 * HOUR_S
NS_PER_S = 1_000_000_000
ASKED = T0_S * NS_PER_S
KWH_J = 3.6e6
REAL = {0: 350.0, 1: 300.0, 2: 90.0}
"""What turned out to be, by the hour."""


def timing(**changed: Any) -> CarbonTiming:
    """Return a job of one kilowatt-hour and half an hour that waited for two."""
    fields: dict[str, Any] = {
        "zone": "DE", "asked_unix_ns": ASKED, "start_unix_ns": ASKED + 2 * HOUR_S * NS_PER_S,
        "deadline_unix_ns": ASKED + 9 * HOUR_S * NS_PER_S, "duration_s": 1800.0, "at_once_gco2e_per_kwh": 400.0,
        "chosen_gco2e_per_kwh": 100.0, "intensity_kind": "average", "energy_j": KWH_J, "energy_kind": "measured",
        "saved_gco2e": 300.0,
    }  # fmt: skip
    return CarbonTiming(**(fields | changed))


def entries_of(*carbons: CarbonTiming | None, stage: Stage = "done", quality: str = "actual") -> list[JobEntry]:
    known = SteppedIntensity(lambda s: REAL.get((s - T0_S) // HOUR_S), quality=quality)  # type: ignore[arg-type]

    def hours_of(kind: IntensityKind, zone: str, start_unix_ns: int, end_unix_ns: int) -> IntensityTimeline:
        assert (kind, zone) == ("average", "DE")
        return known.timeline(zone, start_unix_ns, end_unix_ns)

    stored = [
        StoredReply(number, "demo", "pi4-01", ASKED, CommandReply(
            device_id="pi4-01", boot_id="b", reply_id=f"c{number}.{stage}", command_id=f"c{number}", kind="bench",
            stage=stage, t_unix_ns=ASKED, clock_state="synchronised", carbon=carbon,
        ))
        for number, carbon in enumerate(carbons, start=1)
    ]  # fmt: skip
    return job_entries(orders(stored), hours_of)


def test_both_what_was_told_and_what_is_known_now_are_given() -> None:
    (entry,) = entries_of(timing(), None)
    assert (entry.waited_s, entry.carbon.saved_gco2e) == (2 * HOUR_S, 300.0)
    assert entry.known_now is not None
    assert (entry.known_now.at_once_gco2e_per_kwh, entry.known_now.chosen_gco2e_per_kwh) == (350.0, 90.0)
    assert entry.known_now.saved_gco2e == pytest.approx(260.0)
    assert entry.known_now.forecast_ratio == 0.0
    (foretold,) = entries_of(timing(), quality="forecast")
    assert foretold.known_now is not None
    assert foretold.known_now.forecast_ratio == pytest.approx(1.0)


def test_what_turned_out_worse_is_negative_and_a_hole_is_unknown() -> None:
    dirtier, unknown = entries_of(
        timing(asked_unix_ns=ASKED + 2 * HOUR_S * NS_PER_S, start_unix_ns=ASKED),
        timing(start_unix_ns=ASKED + 5 * HOUR_S * NS_PER_S // 2),
    )
    assert dirtier.known_now is not None
    assert dirtier.known_now.saved_gco2e == pytest.approx(-260.0)
    assert dirtier.waited_s == 0.0
    assert unknown.known_now is not None
    assert unknown.known_now.chosen_gco2e_per_kwh == pytest.approx(90.0), "the last half hour that is known"
    (half,) = entries_of(timing(start_unix_ns=ASKED + (2 * HOUR_S + 2700) * NS_PER_S))
    assert half.known_now is not None
    assert half.known_now.chosen_gco2e_per_kwh is None, "of half of it nobody has said anything"
    (beyond,) = entries_of(timing(start_unix_ns=ASKED + 3 * HOUR_S * NS_PER_S))
    assert beyond.known_now is not None
    assert (beyond.known_now.chosen_gco2e_per_kwh, beyond.known_now.saved_gco2e) == (None, None)


def test_two_moments_of_one_hour_differ_by_exactly_nothing() -> None:
    odd = [timing(start_unix_ns=ASKED + seconds * NS_PER_S + 7, duration_s=0.3) for seconds in range(1, 900, 7)]
    for entry in entries_of(*odd):
        assert entry.known_now is not None
        assert entry.known_now.saved_gco2e == 0.0


def test_a_job_that_is_not_done_is_shown_and_not_counted() -> None:
    (waiting,) = entries_of(timing(), stage="waiting")
    assert waiting.known_now is None
    assert job_sums([waiting]) == []


def test_sums_never_mix_kinds() -> None:
    entries = entries_of(
        timing(),
        timing(saved_gco2e=-20.0, energy_j=2 * KWH_J),
        timing(energy_kind="stated", saved_gco2e=7.0),
        timing(simulated=True, saved_gco2e=1000.0),
        timing(simulated=True, saved_gco2e=0.0, why_now="stale"),
        timing(
            zone="", intensity_kind=None, at_once_gco2e_per_kwh=None, chosen_gco2e_per_kwh=None, saved_gco2e=None,
            start_unix_ns=ASKED, why_now="no_zone",
        ),
    )  # fmt: skip
    sums = job_sums(entries)
    assert [(one.intensity_kind, one.energy_kind, one.simulated, one.jobs, one.put_off) for one in sums] == [
        (None, "measured", False, 1, 0),
        ("average", "measured", False, 2, 2),
        ("average", "stated", False, 1, 1),
        ("average", "measured", True, 2, 1),
    ]
    assert (sums[0].saved_gco2e, sums[0].estimated, sums[0].assessed) == (None, 0, 0)
    measured = sums[1]
    assert (measured.saved_gco2e, measured.estimated, measured.energy_j) == (280.0, 2, 3 * KWH_J)
    assert measured.known_now_gco2e == pytest.approx(780.0)


@pytest.mark.parametrize("strange", [{"duration_s": 1e300}, {"start_unix_ns": 2**63 - 1}, {"duration_s": 0.0}])
def test_no_figure_of_a_device_stops_the_report(strange: dict[str, Any]) -> None:
    (entry,) = entries_of(timing(**strange))
    assert entry.known_now is not None
