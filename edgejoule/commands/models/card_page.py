"""A card as it is drawn on a terminal: Markdown whose tables keep every word whole, over more lines if need be."""

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, TableElement
from rich.table import Table


class _WholeWords(TableElement):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for drawn in super().__rich_console__(console, options):
            if isinstance(drawn, Table):
                for column in drawn.columns:
                    column.overflow = "fold"
            yield drawn


class CardPage(Markdown):
    """A page of Markdown whose tables cut no word."""

    elements = Markdown.elements | {"table_open": _WholeWords}
