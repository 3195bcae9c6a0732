"""One dashboard a file; each has ``board()``. One more dashboard is one more file, and a line here."""

from collections.abc import Callable
from typing import Final

from ..model import Dashboard
from . import carbon, device, fleet, models, trust

BOARDS: Final[dict[str, Callable[[], Dashboard]]] = {
    "fleet": fleet.board,
    "device": device.board,
    "carbon": carbon.board,
    "models": models.board,
    "trust": trust.board,
}
"""By the name of the file."""
