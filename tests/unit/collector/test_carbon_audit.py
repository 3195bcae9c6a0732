import math

import msgspec
import pytest

from collector.carbon.audit.claim import Claim, Input, Says, Verdict
from collector.carbon.audit.report import AuditReport, audit, publications
from collector.carbon.audit.server import variants

CHECKED: dict[str, float] = {
    "clemm-cpu": 24.36, "clemm-dram": 1105.92, "clemm-dram-size": 2.0, "clemm-ics": 10.8, "clemm-pcb": 35.7216,
    "clemm-total": 1176.8016, "clemm-total-4tb": 2282.7216, "clemm-per-year": 235.36, "clemm-use-energy": 4084.35,
    "clemm-use": 1633.74, "clemm-year": 1869.10, "clemm-use-share": 87.41, "clemm-year-3a": 2026.01,
    "clemm-use-share-3a": 80.64, "clemm-use-clean": 204.22, "clemm-break-even": 57.62, "clemm-gpu-energy": 5146.5,
    "clemm-gpu-more": 26.005, "clemm-gpu-use": 2058.6, "clemm-gpu-use-clean": 257.325, "clemm-gpu-use-share": 98.09,
    "clemm-parameters": 1133.3, "strubell-energy": 656_347.28, "strubell-284t": 284.0, "strubell-five-cars": 4.97,
    "wright-bloom": 50.49, "wright-bloom-share": 22.18, "wright-88x": 88.75, "wright-iea": 65.0,
    "gupta-doubling": 11.547, "gupta-region": 30.957, "gupta-region-in": 26.696, "prakash-1": 0.89,
    "prakash-use-energy": 0.02628, "prakash-embodied": 99.62, "eshoppen-earlier": 27.0675,
    "eshoppen-total": 142.4106, "act-board-most": 1463.4, "die-xeon": 19.08, "break-even-4b-middle": 53.08,
    "break-even-nano-high": 147.26, "break-even-esp32-low": 54.79, "embodied-share-se": 69.77, "payback-de": 1.159,
}  # fmt: skip
"""Worked out by hand or with a calculator from the printed inputs, not with this package."""


@pytest.fixture(scope="module")
def report() -> AuditReport:
    return audit()


def claim(
    printed: float | None, exact: float, *, step: float = 1.0, says: Says = "equals", via: float | None = None
) -> Claim:
    return Claim(
        id="c", publication="p", where="w", what="w", formula="f", inputs=(Input("i", 1.0, "1"),), unit="u",
        exact=exact, expected="agrees", printed=printed, step=step, says=says, as_printed_steps=via,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), CHECKED.items(), ids=CHECKED)
def test_the_figures_are_those_of_a_calculator(name: str, expected: float, report: AuditReport) -> None:
    exact = {one.id: one.exact for one in report.findings}[name]

    assert math.isclose(exact, expected, rel_tol=3e-4)


def test_every_figure_is_derived_as_when_the_audit_was_written(report: AuditReport) -> None:
    assert [one.id for one in report.findings if not one.holds] == []
    assert report.holds
    assert sum(report.verdicts.values()) == len(report.findings) >= 80


def test_the_slips_of_the_papers_are_named(report: AuditReport) -> None:
    slips = {one.id: one for one in report.findings if one.verdict == "slip"}

    assert {"clemm-total", "clemm-dram-size", "eshoppen-total", "impact-hdd", "impact-ssd"} <= set(slips)
    assert "1,176.8" in slips["clemm-total"].note
    assert "2 TB" in slips["clemm-dram-size"].note
    assert [one.id for one in slips.values() if not one.note and one.id != "impact-ssd"] == []
    texts = " ".join(one.text for one in report.remarks)
    for word in ("175,000 Danes", "AlexNet", "[73]", "energidaservice", "factor of 10", "487.49"):
        assert word in texts


def test_every_figure_has_its_publication_formula_and_inputs(report: AuditReport) -> None:
    known = {one.id for one in publications()}
    ids = [one.id for one in report.findings]

    assert len(set(ids)) == len(ids)
    assert {one.publication for one in report.findings} | {one.publication for one in report.remarks} == known
    for one in report.findings:
        assert one.formula
        assert one.inputs
        assert one.unit
        assert (one.printed is None) == (one.verdict == "derived here") == (one.difference is None)
    assert {one.licence for one in report.publications} == {"cited fact"}


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (claim(None, 3.0), "derived here"),
        (claim(24.4, 24.36, step=0.1), "agrees"),
        (claim(24.4, 24.34, step=0.1), "slip"),
        (claim(5147.0, 5146.5), "agrees"),
        (claim(1176.0, 1176.6), "slip"),
        (claim(1874.0, 1869.1, via=240.0 + 1634.0), "rounded on the way"),
        (claim(1000.0, 1133.0, says="about"), "loose"),
        (claim(1000.0, 1333.0, says="about"), "slip"),
        (claim(99.0, 99.62, says="more than"), "agrees"),
        (claim(99.0, 98.3, says="more than"), "slip"),
        (claim(0.0, 0.0), "agrees"),
    ],
)
def test_the_verdict_is_arithmetic(made: Claim, verdict: Verdict) -> None:
    assert made.verdict == verdict
    assert made.holds == (verdict == "agrees")


def test_one_publication_alone_and_slips_alone() -> None:
    one = audit(("prakash-2023",))
    assert {finding.publication for finding in one.findings} == {"prakash-2023"}
    assert one.variants == ()
    slips = audit(slips_only=True)
    assert set(slips.verdicts) == {"slip"}
    assert {remark.kind for remark in slips.remarks} == {"slip", "defect"}
    with pytest.raises(ValueError, match=r"unknown publication 'nobody'; known: clemm-2024, "):
        audit(("nobody",))


def test_variants_of_life_and_grid() -> None:
    server, longer, _gpu, _ = variants((3.0, 6.0), (400.0,))
    assert (server.machine, server.lifetime_years) == ("server", 3.0)
    assert server.embodied_kgco2e == pytest.approx(1176.8016 / 3.0)
    assert longer.embodied_kgco2e == pytest.approx(server.embodied_kgco2e / 2.0)
    assert longer.use_kgco2e == server.use_kgco2e == pytest.approx(1633.74)
    assert longer.break_even_gco2e_per_kwh == pytest.approx(server.break_even_gco2e_per_kwh / 2.0)
    on_break_even = variants((5.0,), (57.62491,))[0]
    assert on_break_even.embodied_percent == pytest.approx(50.0, abs=1e-4)
    short = variants((0.5,), (400.0,))[0]
    assert short.embodied_kgco2e == pytest.approx(2.0 * 1176.8016)
    with pytest.raises(ValueError, match="positive"):
        variants((0.0,), (400.0,))


def test_the_report_is_json_and_back(report: AuditReport) -> None:
    assert msgspec.json.decode(msgspec.json.encode(report), type=AuditReport) == report
