"""A series of your own in a CSV or Parquet file: one row for each step, with the time at which it starts.

``url`` is the file. Columns, by these or other usual names, or named in ``columns``: ``start`` (ISO 8601 with time
zone) and ``gco2e_per_kwh``; where there are any, also ``end``, ``zone``, ``low`` and ``high`` (P5 and P95),
``fetched_at`` (when the value became known; without it, when the file was read), ``is_estimated``, ``is_forecast`` and
``scope``. A row without a value says that nothing is known. Where the values come from stands in ``passport``: without
it they are not taken. The file is read again when it has changed.
"""

import csv
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.carbon.steps import check_no_overlap
from collector.intensity.errors import SourceError
from collector.intensity.series_rows import Row, columns_of, revisions_of
from collector.intensity.source import SourceKind, SourceOptions
from edge_agent.wire.errors import ConfigurationError

NS_PER_S: Final = 1_000_000_000


def read_series(
    path: Path,
    columns: Mapping[str, str],
    *,
    source: str,
    zone: str,
    kind: IntensityKind,
    now_unix_ns: int,
) -> list[IntensityRevision]:
    """Return what a file says. ``zone``: of rows without one. Raises ConfigurationError with the row and the fault."""
    try:
        header, rows = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
        found = revisions_of(
            rows, columns_of(header, columns), source=source, zone=zone, kind=kind, now_unix_ns=now_unix_ns
        )
        check_no_overlap(found)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if not found:
        raise ConfigurationError(f"{path}: no values in it; a series needs rows with a start and a value")
    return found


class SeriesSource:
    """The file at ``path``. Raises ConfigurationError for one that cannot be read."""

    def __init__(self, path: Path, columns: Mapping[str, str], passport: SourcePassport, kind: IntensityKind) -> None:
        self.passport = passport
        self.kind: IntensityKind = kind
        self._path = path
        self._columns = columns
        self._stamp: tuple[int, int] | None = None
        self._read: list[IntensityRevision] = []
        first = self._rows()[0]
        self.resolution_s = (first.valid_to_unix_ns - first.valid_from_unix_ns) / NS_PER_S

    def fetch(self, zone: str, start_unix_ns: int, end_unix_ns: int, now_unix_ns: int) -> list[IntensityRevision]:
        """Return the rows of the zone that touch the stretch. Raises SourceError for a file that went bad."""
        try:
            rows = self._rows()
        except ConfigurationError as error:
            raise SourceError(str(error), retry=True) from error
        return [
            structs.replace(one, zone=zone, fetched_at_unix_ns=one.fetched_at_unix_ns or now_unix_ns)
            for one in rows
            if one.zone in {zone, ""} and one.valid_from_unix_ns < end_unix_ns and one.valid_to_unix_ns > start_unix_ns
        ]

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError, with near names, for a zone that is not in the file; one without zones has any."""
        known = sorted({one.zone for one in self._rows()})
        if zone in known or "" in known:
            return
        near = difflib.get_close_matches(zone, known, n=3, cutoff=0.3) or known[:10]
        raise ConfigurationError(f"{where}: {self._path}: no zone {zone!r} in it; near names: {', '.join(near)}")

    def _rows(self) -> list[IntensityRevision]:
        """Return what the file says now; ``fetched_at`` 0 where it does not say since when."""
        try:
            found = self._path.stat()
        except OSError as error:
            raise ConfigurationError(
                f"{self._path}: cannot read it: {error.strerror}; name the file as url"
            ) from error
        stamp = found.st_mtime_ns, found.st_size
        if stamp != self._stamp:
            self._read = read_series(
                self._path, self._columns, source=self.passport.id, zone="", kind=self.kind, now_unix_ns=0
            )
            self._stamp = stamp
        return self._read


def _read_csv(path: Path) -> tuple[list[str], list[Row]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows: list[Row] = list(reader)
            longer = next((number for number, row in enumerate(rows, start=1) if None in row), None)
            if longer is not None:
                raise ConfigurationError(
                    f"{path}: row {longer} has more cells than the header; write 100.5 with a point, or quote the cell"
                )
            return list(reader.fieldnames or ()), rows
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot read it as CSV: {error}") from error


def _read_parquet(path: Path) -> tuple[list[str], list[Row]]:
    import pyarrow as pa  # noqa: PLC0415  only for a Parquet file
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
        names = list(table.column_names)
        rows: list[dict[str, Any]] = [] if len(set(names)) < len(names) else table.to_pylist()
    except (OSError, OverflowError, pa.ArrowException) as error:
        said = str(error).partition("\n")[0]
        raise ConfigurationError(f"{path}: cannot read it as Parquet: {said}") from error
    return names, list(rows)


def _build(options: SourceOptions) -> SeriesSource:
    if not options.url:
        raise ConfigurationError("intensity source series: name the CSV or Parquet file as url")
    if options.passport is None:
        raise ConfigurationError(
            f"intensity source series: {options.url}: say where its values come from, in a passport with id, name, "
            "scope, licence and method"
        )
    return SeriesSource(Path(options.url), options.columns, options.passport, options.kind or "average")


SOURCE = SourceKind(
    name="series",
    passport=SourcePassport(
        id="series",
        name="a series of your own",
        url="",
        scope="as its passport says",
        licence="as its passport says",
        method="as its passport says",
    ),
    kinds=("average", "marginal"),
    zones_help="the zones in the file; any name for a file without zones",
    needs_key="",
    takes_passport=True,
    build=_build,
)
