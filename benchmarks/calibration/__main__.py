"""``python -m benchmarks.calibration [--figure FILE] [--json FILE]``: run the study, print its table, draw it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import msgspec
from rich.table import Table

from benchmarks.calibration.design import KINDS, RUNS_PER_KIND, STUDY_SEED
from benchmarks.calibration.study import Row, coverage, errors, run_study, stated_coverage
from edgejoule.output import EXIT_DONE, stderr_console, stdout_console


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description="Simulated benches.")
    parser.add_argument("--runs", type=int, default=RUNS_PER_KIND, help=f"of each meter ({RUNS_PER_KIND})")
    parser.add_argument("--seed", type=int, default=STUDY_SEED, help=f"of everything that is drawn ({STUDY_SEED})")
    parser.add_argument("--stretch", type=float, default=1.0, help="how much longer windows are (1)")
    parser.add_argument("--processes", type=int, default=2, help="at a time (2)")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the calibration plot (.svg or .png)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run's figures")
    words = parser.parse_args(argv)
    runs = max(2, words.runs)
    stderr_console().print(f"{runs * len(KINDS)} simulated benches, some minutes", markup=False)
    rows = run_study(runs=runs, seed=words.seed, stretch=words.stretch, processes=max(1, words.processes))
    stdout_console().print(table_of(rows))
    if words.json is not None:
        words.json.write_bytes(msgspec.json.encode(rows) + b"\n")
    if words.figure is not None:
        from benchmarks.calibration.figure import draw  # noqa: PLC0415  matplotlib is an extra

        draw(rows, words.figure)
    return EXIT_DONE


def table_of(rows: Sequence[Row]) -> Table:
    """Return the table of coverage and mean errors by meter, in percent."""
    table = Table(title="Simulated benches: share with the truth inside, and mean errors, in percent")
    for name in ("meter", "runs", "gross: k = 2", "expected", "95 % interval", "mean error", "mean of u"):
        table.add_column(name, justify="left" if name == "meter" else "right")
    for name in ("net: k = 2", "expected", "95 % interval", "mean error", "rejected"):
        table.add_column(name, justify="right")
    names = [kind.name for kind in KINDS if any(row.kind == kind.name for row in rows)]
    groups = [(name, [row for row in rows if row.kind == name]) for name in names]
    for name, members in (*groups, ("all", list(rows))):
        table.add_row(name, str(len(members)), *_cells(members))
    return table


def _cells(rows: Sequence[Row]) -> list[str]:
    gross, net = [row.gross for row in rows], [row.net for row in rows]
    shown = []
    for scores in (gross, net):
        ratios = coverage(scores), fmean(one.expected_ratio for one in scores), stated_coverage(scores)
        shown += [f"{100.0 * ratio:.1f}" for ratio in ratios]
        shown.append(f"{100.0 * float(errors(scores).mean()):+.3f}")
        if scores is gross:
            shown.append(f"{100.0 * fmean(one.u_ratio for one in scores):.2f}")
    return [*shown, f"{100.0 * fmean(bool(row.rejections) for row in rows):.0f}"]


if __name__ == "__main__":
    raise SystemExit(main())
