"""Read a scenario file, and a file of cases if there is one, as a problem."""

from pathlib import Path

from collector.analysis.comparison.cases_file import read_cases
from collector.analysis.comparison.document import GivenCases, read_tables
from collector.analysis.comparison.problem import Problem
from collector.analysis.comparison.resolve import resolve
from collector.analysis.comparison.sources import Sources
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edge_agent.wire.toml_config import TOML_REMEDY, parse_toml


def read_problem(
    path: Path, sources: Sources, cases: Path | None = None, *, reference_case: int | None = None
) -> Problem:
    """Return the problem that the scenario at ``path`` describes.

    ``cases``: a CSV or Parquet file, each row a case; without, lists and ranges of the scenario make the cases.
    ``reference_case``: the case to answer in detail instead of the scenario's own, numbered from 0.
    Raises ConfigurationError with one line: the file, the key, and the remedy.
    """
    text = read_text(path, remedy=TOML_REMEDY)
    given = None if cases is None else read_cases(cases)
    return parse_problem(
        text, sources, folder=path.parent, where=str(path), given=given, reference_case=reference_case
    )


def parse_problem(
    text: str,
    sources: Sources,
    *,
    folder: Path,
    where: str = "scenario",
    given: GivenCases | None = None,
    reference_case: int | None = None,
) -> Problem:
    """Return the problem that TOML text describes. Raises ConfigurationError as ``read_problem``."""
    document = parse_toml(text, where)
    try:
        return resolve(read_tables(document, given, reference_case), sources, folder)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error
