"""Sentences on a terminal: broken between words, and never within a number.

rich breaks at every white space, the no-break spaces of "14 000" among them; textwrap breaks at plain ones alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A sentence. ``lead``: words before it with a style of their own. Neither is read as markup."""

    text: str
    style: str = ""
    lead: str = ""
    lead_style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield its lines."""
        whole = f"{self.lead} {self.text}" if self.lead else self.text
        for number, line in enumerate(wrap(whole, max(1, options.max_width), break_on_hyphens=False)):
            shown = Text(line, style=self.style)
            if number == 0:
                shown.stylize(self.lead_style, 0, len(self.lead))
            yield shown

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return the widths that it can have in a table."""
        words = f"{self.lead} {self.text}".split(" ")
        return Measurement(max(map(len, words)), min(options.max_width, len(self.lead) + 1 + len(self.text)))
