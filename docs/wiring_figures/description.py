"""What figures.toml may say: a supply chain with a meter in it, or wires between two rows of pins."""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

FIGURES_FILE: Final = Path(__file__).with_name("figures.toml")
IMAGES: Final = Path(__file__).parents[1] / "images" / "wiring"

Text = Annotated[str, msgspec.Meta(min_length=1)]
Role = Literal["plain", "meter", "board"]
Carrier = Literal["wire", "air"]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A box in the supply path. ``to_next``: what leads from it to the part below, empty for the last."""

    name: Text
    note: str = ""
    role: Role = "plain"
    to_next: str = ""


class DataStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of the way of the readings: a cable's name beside the line, or a box of its own."""

    text: Text
    is_box: bool = False
    carrier: Carrier = "wire"


class Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A supply path from its source to the board, with one meter; the boundary is where the supply leaves it."""

    id: Text
    title: Text
    driver: Text
    boundary: Text
    boards: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    counted: Text
    not_counted: Text
    parts: Annotated[tuple[Part, ...], msgspec.Meta(min_length=3)]
    data: Annotated[tuple[DataStep, ...], msgspec.Meta(min_length=1)]
    warning: str = ""

    def __post_init__(self) -> None:
        """Refuse a chain without exactly one meter above exactly one board at the end."""
        roles = [part.role for part in self.parts]
        if roles.count("meter") != 1 or roles.count("board") != 1 or roles[-1] != "board":
            raise ValueError(f"{self.id}: one part is the meter, and the last one is the board")

    @property
    def meter_place(self) -> int:
        """Return which part is the meter."""
        return [part.role for part in self.parts].index("meter")


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One wire between a pin of the board and a pin of the meter. ``through``: a resistor in it."""

    board_pin: Text
    meter_pin: Text
    what: Text
    through: str = ""


class Pins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A marker line: the wires between a board's header and a meter's marker input."""

    id: Text
    title: Text
    driver: Text
    board: Text
    meter: Text
    wires: Annotated[tuple[Wire, ...], msgspec.Meta(min_length=2)]
    note: Text


Figure = Chain | Pins


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chain: tuple[Chain, ...]
    pins: tuple[Pins, ...]


def load_figures(path: Path = FIGURES_FILE) -> tuple[Figure, ...]:
    """Return every figure. Raises msgspec.ValidationError with the path of what is wrong."""
    described = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    return (*described.chain, *described.pins)
