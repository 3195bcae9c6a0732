"""The picture of a marker line: a board's header pins, a meter's pins, and the wires between them."""

from typing import Final

from docs.wiring_figures.description import Pins, Wire
from docs.wiring_figures.svg import LINE, MARGIN, WIDTH, Canvas, wrapped

BOX_WIDTH: Final = 126
LEFT_EDGE: Final = MARGIN + BOX_WIDTH
RIGHT_EDGE: Final = WIDTH - MARGIN - BOX_WIDTH
ROW: Final = 54
TEXT_WIDTH: Final = BOX_WIDTH - 16


def draw_pins(pins: Pins) -> str:
    """Return the picture as SVG."""
    canvas = Canvas()
    top = canvas.text(MARGIN, 28, wrapped(pins.title, WIDTH - 2 * MARGIN, 16, is_bold=True), "h")
    names = [wrapped(name, TEXT_WIDTH, is_bold=True) for name in (pins.board, pins.meter)]
    first = top + 26 + LINE * max(len(lines) for lines in names)
    height = first + ROW * len(pins.wires) - 20 - top
    for x, kind, lines in zip((MARGIN, RIGHT_EDGE), ("board", "meter"), names, strict=True):
        canvas.box(x, top, BOX_WIDTH, height, kind)
        canvas.text(x + 8, top + 21, lines, "b")
    for number, wire in enumerate(pins.wires):
        _wire(canvas, wire, first + ROW * number)
    y = canvas.text(MARGIN, top + height + 30, wrapped(pins.note, WIDTH - 2 * MARGIN))
    return canvas.document(y + 2, pins.title, spoken(pins))


def spoken(pins: Pins) -> str:
    """Return what the picture shows, for those who cannot see it."""
    wires = "; ".join(
        f"{wire.board_pin} to {wire.meter_pin} ({wire.what}{', ' + wire.through if wire.through else ''})"
        for wire in pins.wires
    )
    return f"Wires from the {pins.board} to the {pins.meter}: {wires}. {pins.note}"


def _wire(canvas: Canvas, wire: Wire, y: float) -> None:
    for x, text in ((MARGIN + 8, wire.board_pin), (RIGHT_EDGE + 8, wire.meter_pin)):
        lines = wrapped(text, TEXT_WIDTH)
        canvas.text(x, y + 5 - LINE * (len(lines) - 1) / 2, lines)
    middle = (LEFT_EDGE + RIGHT_EDGE) / 2
    canvas.text(middle, y - 7, [wire.what], "s", "middle")
    if not wire.through:
        canvas.line([(LEFT_EDGE, y), (RIGHT_EDGE, y)], "data")
        return
    canvas.line([(LEFT_EDGE, y), (middle - 24, y)], "data")
    canvas.line([(middle + 24, y), (RIGHT_EDGE, y)], "data")
    canvas.line([(middle - 24, y - 5), (middle + 24, y - 5), (middle + 24, y + 5), (middle - 24, y + 5)], "data")
    canvas.line([(middle - 24, y + 5), (middle - 24, y - 5)], "data")
    canvas.text(middle, y + 20, [wire.through], "s", "middle")
