"""From a description to its picture."""

from docs.wiring_figures.chain import draw_chain
from docs.wiring_figures.description import Chain, Figure
from docs.wiring_figures.pins import draw_pins


def draw(figure: Figure) -> str:
    """Return the figure as SVG."""
    return draw_chain(figure) if isinstance(figure, Chain) else draw_pins(figure)
