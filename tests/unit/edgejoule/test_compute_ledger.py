"""The compute ledger: what becomes of each record, what rows are, which pairs are claimed, what is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import BenchRecord, RuntimeIdentity
from edgejoule.compute_ledger.content import headline, report_of, tau_text, to_csv
from edgejoule.compute_ledger.ledger import MOST_ROWS, Wanted, ledger_of
from edgejoule.compute_ledger.pairs import inversions_of, spreads_of
from edgejoule.compute_ledger.rows import Known, mean_energy, rows_of
from edgejoule.compute_ledger.values import Ledger
from tests.fakes.ledger_benches import ENTRIES, FAMILIES, KNOWN, bench_of, gross_of, measurand, zoo_benches

NOBODY = Known({})
BY_ID = {one.id: one for one in ENTRIES}


def ledger(records: list[BenchRecord], **wanted: Any) -> Ledger:
    return ledger_of(records, [], KNOWN, Wanted(**{"draws": 100, **wanted}))


def test_a_row_for_each_file_and_setting_with_what_the_catalogue_knows() -> None:
    found = ledger(zoo_benches())
    assert len(found.rows) == 2 * len(ENTRIES)
    row = next(one for one in found.rows if one.model_id == "ic_float32" and one.threads == 2)
    assert (row.family, row.precision, row.macs) == ("ic", "float32", FAMILIES["ic"])
    assert row.gross.value_j == pytest.approx(gross_of(BY_ID["ic_float32"], 2))
    assert not found.simulated
    assert found.tally.read == found.tally.used == 36
    assert found.notes == []


def test_what_no_catalogue_knows_is_not_known_and_said() -> None:
    found = ledger_of(zoo_benches(model_macs=None), [], NOBODY, Wanted(draws=100))
    assert {(row.precision, row.family, row.macs) for row in found.rows} == {(None, None, None)}
    assert found.groups[0].gross["macs"].value is None
    assert found.groups[0].gross["latency_p50_s"].value == pytest.approx(1.0)
    assert any("precision and family are not known" in note for note in found.notes)
    assert found.comparable_pairs == 0


def test_groups_by_precision_and_family_and_whom_evidence_comes_from() -> None:
    found = ledger(zoo_benches())
    groups = {(group.kind, group.name): group for group in found.groups}
    assert set(groups) == {
        ("all", "all"),
        *(("precision", name) for name in ("int8", "float32", "dynamic_range")),
        *(("family", name) for name in FAMILIES),
    }
    whole = groups["all", "all"].gross
    assert (whole["macs"].exchanged, whole["macs"].exact) == ("families", True)
    assert {tau.exchanged for tau in whole.values()} == {tau.drawn for tau in whole.values()} == {"families"}
    family = groups["family", "ic"].gross
    assert family["macs"].value is None, "one family has one number of MACs: nothing to order by"
    assert family["latency_p50_s"].value == pytest.approx(1.0)
    assert (family["latency_p50_s"].drawn, family["latency_p50_s"].exchanged) == ("rows", "models")
    for tau in whole.values():
        assert tau.value is not None
        assert tau.low is not None
        assert tau.high is not None
        assert tau.low - 1e-9 <= tau.value <= tau.high + 1e-9
        assert tau.p_value is not None
        assert 0.0 < tau.p_value <= 1.0


def test_few_families_have_no_interval_in_however_many_rows() -> None:
    few = [one for one in zoo_benches() if one.model_id.partition("_")[0] in {"ic", "kws", "ad"}]
    for tau in ledger(few).groups[0].gross.values():
        assert tau.value is not None
        assert (tau.low, tau.high, tau.drawn) == (None, None, None)
        assert tau.p_value is not None
        assert tau.p_value >= 1.0 / 6.0, "six ways to give three families' figures away"


def test_the_same_seed_gives_the_same_ledger() -> None:
    assert ledger(zoo_benches(), seed=4) == ledger(list(reversed(zoo_benches())), seed=4)
    assert ledger(zoo_benches(), seed=4) != ledger(zoo_benches(), seed=5)


def test_an_uncertainty_of_their_own_widens_the_interval_and_a_shared_one_does_not() -> None:
    def low(own_ratio: float, gain_ratio: float) -> float:
        records = [
            bench_of(one, gross_of(one), one.id, gross=measurand(gross_of(one), own_ratio, gain_ratio))
            for one in ENTRIES
        ]
        tau = ledger(records).groups[0].gross["latency_p50_s"]
        assert tau.value == pytest.approx(1.0)
        assert tau.low is not None
        return tau.low

    assert low(1e-6, 1e-6) == pytest.approx(1.0)
    assert low(1e-6, 0.2) == pytest.approx(1.0), "one gain for all of them keeps their order"
    assert low(0.5, 1e-6) < 0.8


def test_rejected_and_smoke_benches_are_left_out_unless_asked_for() -> None:
    records = zoo_benches()
    records[0] = bench_of(ENTRIES[0], 1.0, "bad", rejections=("the device throttled: cool it",))
    found = ledger(records)
    assert (found.tally.rejected, found.tally.used, len(found.rows)) == (1, 35, 35)
    assert "1 rejected benches are left out, most often: the device throttled" in found.notes
    asked = ledger(records, include_rejected=True)
    assert sum(row.rejected for row in asked.rows) == 1
    assert any("no figure of theirs may be used" in note for note in asked.notes)
    assert "REJECTED BENCHES INCLUDED" in report_of(asked).badges
    with pytest.raises(ConfigurationError, match=r"most often because: smoke run.*--include-rejected"):
        ledger(zoo_benches(rejections=("smoke run: 4 windows",)))


def test_a_valid_bench_is_not_averaged_with_a_rejected_one_of_the_same_row() -> None:
    one = ENTRIES[0]
    records = [bench_of(one, 1.0, "good"), bench_of(one, 9.0, "bad", rejections=("smoke run: 4 windows",))]
    (row,) = rows_of(records, KNOWN)
    assert (row.gross.value_j, row.bench_ids, row.rejected) == (1.0, ["good"], False)


def test_simulated_and_measured_are_never_mixed() -> None:
    simulated = zoo_benches(simulated=True)
    both = [*zoo_benches()[:10], *(bench_of(one, 1.0, f"sim-{one.id}", simulated=True) for one in ENTRIES)]
    found = ledger(both)
    assert (found.simulated, len(found.rows), found.tally.simulated_aside) == (False, 10, len(ENTRIES))
    assert any("--simulated shows them alone" in note for note in found.notes)
    shown = ledger(both, simulated=True)
    assert (shown.simulated, len(shown.rows), shown.tally.measured_aside) == (True, len(ENTRIES), 10)
    alone = ledger(simulated)
    assert alone.simulated
    assert "SIMULATED METER" in report_of(alone).badges
    with pytest.raises(ConfigurationError, match="no simulated bench"):
        ledger(zoo_benches(), simulated=True)


def test_one_device_at_one_boundary() -> None:
    records = [*zoo_benches()[:6], *(bench_of(one, 1.0, one.id, device_id="jetson") for one in ENTRIES)]
    with pytest.raises(ConfigurationError, match=r"2 devices.*--device ID"):
        ledger(records)
    found = ledger(records, device_id="jetson")
    assert (found.device_id, found.tally.other_device) == ("jetson", 6)
    with pytest.raises(ConfigurationError, match="no bench of device 'pi9' was read; --device takes one of"):
        ledger(records, device_id="pi9")
    at_two = [*zoo_benches()[:6], *(bench_of(one, 1.0, one.id, boundary="ac_wall") for one in ENTRIES)]
    with pytest.raises(ConfigurationError, match=r"2 boundaries.*--boundary"):
        ledger(at_two)
    assert ledger(at_two, boundary="ac_wall").boundary == "ac_wall"


def test_every_record_has_a_place() -> None:
    records = [
        *zoo_benches(),
        bench_of(ENTRIES[0], 1.0, "rejected", rejections=("why",)),
        bench_of(ENTRIES[0], 1.0, "nothing", gross=None, net=None),
        bench_of(ENTRIES[0], 1.0, "simulated", simulated=True),
        bench_of(ENTRIES[0], 1.0, "other", device_id="jetson"),
    ]
    tally = ledger_of(records, ["x.json: no bench record"], KNOWN, Wanted(device_id="pi4-01", draws=100)).tally
    parts = tally.used + tally.rejected + tally.without_result + tally.unreadable + tally.other_device
    assert tally.read == parts + tally.simulated_aside + tally.measured_aside == 41


def test_several_benches_of_a_row_are_averaged_but_not_what_they_share() -> None:
    results = [(measurand(1.0, own_ratio=0.1, gain_ratio=0.2), "tc66c")] * 4
    energy = mean_energy(results)
    assert energy.value_j == 1.0
    assert energy.own_u_j == pytest.approx(0.1 / 2.0)
    assert energy.shared_j == {"tc66c: meter, gain": pytest.approx(0.2)}
    assert energy.u_j == pytest.approx((0.05**2 + 0.2**2) ** 0.5)
    apart = mean_energy([(measurand(value_j, own_ratio=1e-4), "tc66c") for value_j in (1.0, 2.0)])
    assert apart.own_u_j == pytest.approx(0.5), "runs that differ by more than they say: their spread counts"
    bare = mean_energy([(measurand(1.0).__class__(
        value_j=1.0, u_j=0.3, expanded_u_j=0.6, coverage_factor=2.0, low_j=0.4, high_j=1.6), "x")])  # fmt: skip
    assert (bare.own_u_j, bare.shared_j) == (0.3, {})


@given(st.lists(st.floats(min_value=1e-9, max_value=1e3), min_size=1, max_size=6))
def test_one_uncertainty_is_never_less_than_its_parts(values_j: list[float]) -> None:
    energy = mean_energy([(measurand(value_j), "tc66c") for value_j in values_j])
    assert energy.u_j >= energy.own_u_j
    assert energy.u_j >= abs(sum(energy.shared_j.values())) * (1.0 - 1e-12)
    assert min(values_j) * (1 - 1e-12) <= energy.value_j <= max(values_j) * (1 + 1e-12)


def test_a_pair_is_claimed_beyond_u_of_its_difference_in_which_a_shared_gain_cancels() -> None:
    light, heavy = BY_ID["mlp_int8"], BY_ID["ic_int8"]

    def claimed(light_j: float, own_ratio: float, gain_ratio: float) -> int:
        rows = rows_of(
            [
                bench_of(light, light_j, "light", gross=measurand(light_j, own_ratio, gain_ratio)),
                bench_of(heavy, 1.0, "heavy", gross=measurand(1.0, own_ratio, gain_ratio)),
            ],
            KNOWN,
        )
        count, found = inversions_of(rows)
        assert count == 1
        return len(found)

    assert claimed(1.1, 0.002, 0.3) == 1, "30 % of gain is in both alike"
    assert claimed(1.1, 0.1, 0.002) == 0, "10 % of each one's own is more than they differ"
    assert claimed(0.9, 0.002, 0.002) == 0, "fewer MACs, fewer joules"


def test_pairs_are_of_one_setting_whatever_share_a_delegate_took() -> None:
    def run_by(delegate: str, threads: int) -> RuntimeIdentity:
        return RuntimeIdentity(runtime="litert", version="2.3.0", delegate=delegate, threads=threads)

    light, heavy = BY_ID["mlp_int8"], BY_ID["ic_int8"]
    one = bench_of(light, 9.0, "a", runtime=run_by("xnnpack 3/4 ops", 1))
    for delegate, threads, pairs in (("xnnpack 9/12 ops", 1, 1), ("none", 1, 0), ("xnnpack", 2, 0)):
        other = bench_of(heavy, 1.0, "b", runtime=run_by(delegate, threads))
        count, found = inversions_of(rows_of([one, other], KNOWN))
        assert (count, len(found)) == (pairs, pairs)
    assert found == []


def test_the_same_file_under_two_settings() -> None:
    (widest, *others) = spreads_of(rows_of(zoo_benches(), KNOWN))
    assert len(others) == len(ENTRIES) - 1
    assert widest.energy_ratio == pytest.approx(1.25)
    assert widest.sure
    assert (widest.least, widest.most) == ("litert 2.3.0, none, 2 threads", "litert 2.3.0, none, 1 thread")


def test_inversions_are_named_the_widest_first() -> None:
    found = ledger(zoo_benches())
    assert found.inversions
    assert {one.lighter.partition("_")[0] for one in found.inversions} >= {"kws"}
    ratios = [one.energy_ratio or 0.0 for one in found.inversions]
    assert ratios == sorted(ratios, reverse=True)
    worst = found.inversions[0]
    light, heavy = BY_ID[worst.lighter], BY_ID[worst.heavier]
    assert light.macs is not None
    assert heavy.macs is not None
    assert light.macs < heavy.macs
    assert worst.energy_ratio == pytest.approx(gross_of(light) / gross_of(heavy))
    first, second = headline(found)
    assert first.startswith("tau-b against gross joules, 36 rows: MACs 0.")
    assert f"{len(found.inversions)} of {found.comparable_pairs} pairs" in second


def test_the_csv_has_every_row_and_leaves_what_is_unknown_empty() -> None:
    records = zoo_benches(net=None, latency_p50_s=None)
    lines = to_csv(ledger_of(records, [], NOBODY, Wanted(draws=100))).splitlines()
    assert len(lines) == 1 + len(records)
    cells = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert (cells["net_j"], cells["latency_p50_s"], cells["precision"]) == ("", "", "")
    assert cells["simulated"] == "False"
    assert float(cells["gross_j"]) > 0.0


def test_each_bench_shares_errors_with_its_own_meter_gross_and_net() -> None:
    """Two meters' gains are two errors, in net figures as in gross ones."""
    records = [bench_of(ENTRIES[0], 1.0, name, systematic_id=name) for name in ("tc66c", "ppk2")]
    (row,) = rows_of(records, KNOWN)
    assert row.net is not None
    assert set(row.net.shared_j) == set(row.gross.shared_j) == {"tc66c: meter, gain", "ppk2: meter, gain"}


def test_a_rejected_bench_beside_a_valid_one_is_not_counted_as_used() -> None:
    records = [*zoo_benches(), bench_of(ENTRIES[0], 9.0, "bad", rejections=("why",), runtime=zoo_benches()[0].runtime)]
    tally = ledger(records, include_rejected=True).tally
    assert (tally.used, tally.rejected) == (36, 1)


def test_what_leaves_nothing_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"ended without a result; bench again"):
        ledger([bench_of(ENTRIES[0], 1.0, "nothing", gross=None, net=None)])
    with pytest.raises(ConfigurationError, match=r"no bench could be read, such as x\.json: no bench record"):
        ledger_of([], ["x.json: no bench record"], KNOWN, Wanted())


def test_more_rows_than_pairs_can_be_looked_at_are_refused() -> None:
    one = ENTRIES[0]
    records = [
        bench_of(one, 1.0, f"b{number}", model_sha256=f"{number:064x}") for number in range(MOST_ROWS + 1)
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match=rf"{MOST_ROWS + 1} rows.*{MOST_ROWS} at most"):
        ledger(records)


@pytest.mark.parametrize(("value", "shown"), [(-0.0004, "0.00"), (-0.0, "0.00"), (-0.126, "-0.13"), (1.0, "1.00")])
def test_a_tau_that_rounds_to_zero_has_no_sign(value: float, shown: str) -> None:
    assert tau_text(value) == shown
