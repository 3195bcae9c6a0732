"""The picture of a supply path: boxes from the source down to the board, beside them the way of the readings."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from docs.wiring_figures.description import Chain, DataStep, Part
from docs.wiring_figures.svg import LINE, MARGIN, WIDTH, Canvas, wrapped

COLUMN_WIDTH: Final = 236
COLUMN_RIGHT: Final = MARGIN + COLUMN_WIDTH
SUPPLY_X: Final = MARGIN + 26
LABEL_X: Final = SUPPLY_X + 14
LABEL_WIDTH: Final = COLUMN_RIGHT - LABEL_X
LANE_WIDTH: Final = 116
LANE_LEFT: Final = WIDTH - 10 - LANE_WIDTH
LANE_X: Final = LANE_LEFT + LANE_WIDTH / 2
FULL_WIDTH: Final = WIDTH - 2 * MARGIN
PAD: Final = 9
ZONE_OUTSET: Final = 8
STEP_GAP: Final = 14


@dataclass(frozen=True, slots=True)
class Placed:
    """A part with its place."""

    part: Part
    top: float
    height: float

    @property
    def middle(self) -> float:
        """Return the height of its middle."""
        return self.top + self.height / 2

    @property
    def bottom(self) -> float:
        """Return the height of its lower edge."""
        return self.top + self.height


def draw_chain(chain: Chain) -> str:
    """Return the picture as SVG."""
    canvas = Canvas()
    y = canvas.text(MARGIN, 28, wrapped(chain.title, FULL_WIDTH, 16, is_bold=True), "h")
    if chain.warning:
        y = _warning(canvas, y - 4, chain.warning)
    placed = _placed(chain, y)
    _zone(canvas, chain, placed)
    _supply(canvas, placed)
    for one in placed:
        _box(canvas, one)
    _boundary_words(canvas, chain, placed)
    _data(canvas, chain, placed)
    y = _legend(canvas, placed[-1].bottom + 40, chain)
    for word, sentence in (("Counted: ", chain.counted), ("Not counted: ", chain.not_counted)):
        y = canvas.text(MARGIN, y, wrapped(word + sentence, FULL_WIDTH)) + 5
    return canvas.document(y - 2, chain.title, spoken(chain))


def spoken(chain: Chain) -> str:
    """Return what the picture shows, for those who cannot see it."""
    path = ", then ".join(part.name + (f" ({part.to_next})" if part.to_next else "") for part in chain.parts)
    readings = ", ".join(step.text for step in chain.data)
    meter = chain.parts[chain.meter_place].name
    warning = f"{chain.warning} " if chain.warning else ""
    return (
        f"{warning}The supply runs from top to bottom: {path}. What flows out of the {meter} is counted: boundary "
        f"{chain.boundary}. The readings go from the {meter} to the {chain.parts[-1].name} by: {readings}. "
        f"Counted: {chain.counted} Not counted: {chain.not_counted}"
    )


def _warning(canvas: Canvas, y: float, text: str) -> float:
    lines = wrapped(text, FULL_WIDTH - 56, is_bold=True)
    height = LINE * len(lines) + 2 * PAD
    canvas.box(MARGIN, y, FULL_WIDTH, height, "danger")
    middle = y + height / 2
    canvas.shape([(MARGIN + 10, middle + 12), (MARGIN + 24, middle - 13), (MARGIN + 38, middle + 12)], "sign")
    canvas.text(MARGIN + 24, middle + 9, ["!"], "alarm", "middle")
    canvas.text(MARGIN + 46, y + PAD + 13, lines, "b")
    return y + height + 24


def _lines(part: Part) -> tuple[list[str], list[str]]:
    room = COLUMN_WIDTH - 24
    return wrapped(part.name, room, is_bold=True), wrapped(part.note, room)


def _height(part: Part) -> float:
    name, note = _lines(part)
    return 2 * PAD + LINE * (len(name) + len(note)) - 1


def _placed(chain: Chain, y: float) -> list[Placed]:
    placed: list[Placed] = []
    for number, part in enumerate(chain.parts):
        placed.append(Placed(part, y, _height(part)))
        labels = len(wrapped(part.to_next, LABEL_WIDTH))
        y += _height(part) + 16 + LINE * labels
        if number == chain.meter_place:
            y += LINE + 14
    meter, board = placed[chain.meter_place], placed[-1]
    missing = _lane_height(chain.data) - (board.middle - meter.middle)
    if missing <= 0:
        return placed
    later = chain.meter_place + 1
    return [
        *placed[:later],
        *(Placed(one.part, one.top + missing, one.height) for one in placed[later:]),
    ]


def _zone(canvas: Canvas, chain: Chain, placed: list[Placed]) -> None:
    top = placed[chain.meter_place].bottom + 12
    left = MARGIN - ZONE_OUTSET
    canvas.box(left, top, COLUMN_WIDTH + 2 * ZONE_OUTSET, placed[-1].bottom + ZONE_OUTSET - top, "zone")


def _boundary_words(canvas: Canvas, chain: Chain, placed: list[Placed]) -> None:
    canvas.text(LABEL_X, placed[chain.meter_place].bottom + 30, [f"boundary {chain.boundary}"], "zonetext")


def _supply(canvas: Canvas, placed: list[Placed]) -> None:
    for upper, lower in pairwise(placed):
        canvas.line([(SUPPLY_X, upper.bottom), (SUPPLY_X, lower.top)], "supply")
        first = upper.bottom + 20 + (LINE + 12 if upper.part.role == "meter" else 0)
        canvas.text(LABEL_X, first, wrapped(upper.part.to_next, LABEL_WIDTH))


def _box(canvas: Canvas, one: Placed) -> None:
    canvas.box(MARGIN, one.top, COLUMN_WIDTH, one.height, one.part.role)
    name, note = _lines(one.part)
    y = canvas.text(MARGIN + 12, one.top + PAD + 13, name, "b")
    canvas.text(MARGIN + 12, y, note)


def _step_height(step: DataStep) -> float:
    lines = len(wrapped(step.text, LANE_WIDTH - 14 if step.is_box else LANE_WIDTH))
    return LINE * lines + (2 * PAD - 2 if step.is_box else 4)


def _lane_height(steps: tuple[DataStep, ...]) -> float:
    return sum(_step_height(step) for step in steps) + STEP_GAP * (len(steps) + 1)


def _data(canvas: Canvas, chain: Chain, placed: list[Placed]) -> None:
    """Draw the way of the readings: from the meter's side down the lane to the board's side."""
    start, end = placed[chain.meter_place].middle, placed[-1].middle
    spare = (end - start - sum(_step_height(step) for step in chain.data)) / (len(chain.data) + 1)
    kinds = ["data air" if step.carrier == "air" else "data" for step in chain.data]
    canvas.line([(COLUMN_RIGHT, start), (LANE_X, start), (LANE_X, start + spare - 2)], kinds[0])
    y = start + spare
    for place, step in enumerate(chain.data):
        y = _step(canvas, step, y)
        below = kinds[place] if not step.is_box else kinds[min(place + 1, len(kinds) - 1)]
        if place + 1 < len(chain.data):
            canvas.line([(LANE_X, y + 2), (LANE_X, y + spare - 2)], below)
        else:
            canvas.line([(LANE_X, y + 2), (LANE_X, end), (COLUMN_RIGHT + 12, end)], below)
        y += spare
    canvas.shape([(COLUMN_RIGHT + 2, end), (COLUMN_RIGHT + 14, end - 6), (COLUMN_RIGHT + 14, end + 6)], "tip")


def _step(canvas: Canvas, step: DataStep, y: float) -> float:
    height = _step_height(step)
    if step.is_box:
        canvas.box(LANE_LEFT, y, LANE_WIDTH, height, "plain")
        canvas.text(LANE_X, y + PAD + 12, wrapped(step.text, LANE_WIDTH - 14), "", "middle")
    else:
        canvas.text(LANE_X, y + 14, wrapped(step.text, LANE_WIDTH), "datatext", "middle")
    return y + height


def _legend(canvas: Canvas, y: float, chain: Chain) -> float:
    canvas.line([(MARGIN, y - 5), (MARGIN + 26, y - 5)], "supply")
    canvas.text(MARGIN + 32, y, ["supply"], "s")
    canvas.line([(96, y - 5), (122, y - 5)], "data")
    canvas.text(128, y, ["readings"], "s")
    canvas.box(192, y - 13, 26, 15, "zone")
    canvas.text(224, y, ["counted"], "s")
    if any(step.carrier == "air" for step in chain.data):
        canvas.line([(286, y - 5), (312, y - 5)], "data air")
        canvas.text(318, y, ["without wire"], "s")
    return y + 26
