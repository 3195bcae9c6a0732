"""A decomposition as one self-contained page: no script, no request to anywhere, light and dark."""

from functools import partial
from typing import Final

from collector.analysis.decomposition.values import Decomposition
from collector.analysis.decomposition.words import (
    EFFECT_WORDS,
    FORMULA_WORDS,
    largest_of,
    shown_effects,
    signed,
    signed_range,
    verdict_of,
)
from collector.web import decomposition_plots as plots
from collector.web.pages import ordered, page_template

MAX_ROWS: Final = 300


def render_decomposition(found: Decomposition, title: str, repeat: str = "") -> str:
    """Return the page as HTML text. ``repeat``: the command that gives it again."""
    ranked = sorted(found.groups, key=lambda one: -abs(one.change_gco2e_per_day))
    return page_template("decomposition.html.j2").render(
        title=title,
        found=found,
        verdict=verdict_of(found),
        formula=FORMULA_WORDS,
        waterfall=plots.waterfall(found),
        narrow_waterfall=plots.waterfall(found, narrow=True),
        shown=shown_effects(found),
        words=EFFECT_WORDS,
        signed=partial(signed, largest=largest_of(found)),
        signed_range=partial(signed_range, largest=largest_of(found)),
        groups=ranked[:MAX_ROWS],
        hidden=max(0, len(ranked) - MAX_ROWS),
        factors=ordered(found.factors),
        repeat=repeat,
    )
