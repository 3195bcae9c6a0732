"""A report as text and tables, before it is drawn anywhere."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. ``numeric``: which columns hold numbers. ``narrow``: the columns that a terminal has room for."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    narrow: tuple[int, ...] = ()

    def narrowed(self) -> "Grid":
        """Return the table with the columns that a terminal has room for."""
        if not self.narrow:
            return self
        return Grid(
            headings=tuple(self.headings[column] for column in self.narrow),
            rows=tuple(tuple(row[column] for column in self.narrow) for row in self.rows),
            numeric=frozenset(place for place, column in enumerate(self.narrow) if column in self.numeric),
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, what is to be said, and tables."""

    title: str
    lines: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """``badges``: what must not be overlooked. ``reasons``: why the figures must not be used, none for valid ones."""

    title: str
    badges: tuple[str, ...]
    headline: tuple[str, ...]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...] = field(default=())
