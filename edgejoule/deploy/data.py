"""Where the files for a board are: units, rules, and what fits which board."""

from pathlib import Path


def board_data() -> Path:
    """Return the folder: inside the wheel ``edgejoule/_board``, in a checkout ``deploy/board``."""
    packaged = Path(__file__).parents[1] / "_board"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "deploy" / "board"
