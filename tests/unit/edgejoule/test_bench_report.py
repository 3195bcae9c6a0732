"""A bench's report, in each of its forms, says everything that the record holds."""

import io
import re
from functools import cache
from html import unescape
from html.parser import HTMLParser
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from edge_agent.bench.power_trace import PowerTrace
from edge_agent.wire.records import BenchRecord
from edgejoule.bench_report.content import headline, report_of
from edgejoule.bench_report.drawing import draw
from edgejoule.bench_report.markdown import to_markdown
from edgejoule.bench_report.page import to_html
from edgejoule.bench_report.terminal import print_report
from firmware_bridge.samples import SampleBlock
from tests.fakes.simulated_bench import Trial


@cache
def measured() -> BenchRecord:
    return Trial().record()


def record(**changes: Any) -> BenchRecord:
    return msgspec.structs.replace(measured(), **changes)


def forms(one: BenchRecord) -> dict[str, str]:
    report = report_of(one)
    file = io.StringIO()
    print_report(report, Console(file=file, width=80, highlight=False))
    return {"terminal": file.getvalue(), "markdown": to_markdown(report), "html": to_html(report)}


def words(text: str) -> str:
    """Return the text as it is read: without tags, escapes and more white space than one blank."""
    plain = unescape(re.sub(r"<[^>]*>", " ", text)) if text.startswith("<!") else text.replace("\\", "")
    return " ".join(plain.replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_file_has_every_line_of_both_budgets_and_all_that_defends_the_figure(form: str) -> None:
    one = record(rejections=("because of <this>",), warnings=("mind | that",))
    text = words(forms(one)[form])
    assert one.gross is not None
    assert one.net is not None
    for result in (one.gross, one.net):
        for line in result.budget:
            assert line.name in text
            assert line.basis in text
    expected = [
        "10.00",
        "(k = 2), 95 % interval",
        "SIMULATED METER",
        "REJECTED",
        "mind | that",
        one.model_sha256,
        one.runtime.delegate,
        "dc_input",
        "arrival fit, within 1.00 ms",
        "75.0 % of 4 inputs",
        "performance",
        "first inference",
        one.bench_id,
        "before",
        "after",
    ]
    assert [part for part in expected if part not in text] == []


def test_a_terminal_of_eighty_columns_is_enough() -> None:
    text = forms(record())["terminal"]
    inside = [line for line in text.splitlines() if "J/inference" not in line and "REJECTED" not in line]
    assert max(map(len, inside)) <= 80
    gross = measured().gross
    assert gross is not None
    for line in gross.budget:
        assert line.name.split()[0] in text


def test_a_rejected_result_is_shown_and_loud() -> None:
    text = forms(record(rejections=("the device throttled: cool it",)))["terminal"]
    assert "REJECTED: the device throttled: cool it" in text
    assert text.index("REJECTED") < text.index("Measurement")
    assert "J/inference = 10.00" in text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_headline_has_two_digits_of_u_and_the_interval() -> None:
    gross, net = (line.replace("\N{NO-BREAK SPACE}", " ") for line in headline(record()))
    assert re.fullmatch(
        r"gross  J/inference = 10\.000 ± 0\.0\d\d mJ \(k = 2\), 95 % interval 9\.9\d\d to 10\.0\d\d mJ", gross
    )
    assert net.startswith("net    J/inference = 6.000 ±")
    assert headline(record(net=None))[1] == "net    J/inference: not known"
    assert headline(record(gross=None)) == ("J/inference: no result",)


def test_a_bench_that_saw_nothing_still_has_a_report() -> None:
    empty = record(
        gross=None, net=None, windows=(), baseline_before=None, baseline_after=None, latency_p50_s=None,
        latency_p95_s=None, latency_max_s=None, load_energy_j=None, load_energy_u_j=None, accuracy_ratio=None,
        rejections=("the meter was lost",),
    )  # fmt: skip
    for text in forms(empty).values():
        assert "no result" in text
        assert "the meter was lost" in text


class Balanced(HTMLParser):
    """Checks that tags open and close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 the parser's
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_text_is_text() -> None:
    parser = Balanced()
    page = to_html(report_of(record(meter_id="<script>alert(1)</script>")))
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page


def test_a_table_in_markdown_has_as_many_cells_in_every_row() -> None:
    text = to_markdown(report_of(record(meter_id="a|b")))
    for block in text.split("\n\n"):
        if block.startswith("| "):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_the_drawing_is_an_svg_with_the_power_and_every_part() -> None:
    pytest.importorskip("matplotlib")
    trace = PowerTrace()
    t_s = np.linspace(0.01, 20.0, 2000)
    trace.take(SampleBlock(t_s, np.full(2000, 5.0), np.full(2000, 0.5), np.full(2000, 2.5)))
    text = draw(record(), trace, (("baseline before", 1.0, 5.0), ("window 1", 6.0, 16.0)))
    assert text.startswith("<svg")
    assert text.rstrip().endswith("</svg>")
    assert draw(record(), PowerTrace(), ()).startswith("<svg"), "nothing to draw"


def test_how_the_result_follows_from_the_windows_is_said_and_a_share_of_next_to_nothing_is_not() -> None:
    gross = measured().gross
    assert gross is not None
    for text in map(words, forms(record(net=msgspec.structs.replace(gross, value_j=1e-12, u_j=1e-4))).values()):
        assert "less the baselines' mean power times time over inferences" in text
        assert "(no less than the value itself)" in text


def test_degrees_of_freedom_beyond_counting_are_not_counted() -> None:
    gross = measured().gross
    assert gross is not None
    for text in map(words, forms(record(gross=msgspec.structs.replace(gross, effective_dof=6e39))).values()):
        assert "effective degrees of freedom: over 1,000." in text
