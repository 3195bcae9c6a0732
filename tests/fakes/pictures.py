"""Pictures compared part by part: how much of a part differs for an eye, whatever a browser's smoothing of edges."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

BLOCK: Final = 6
"""Pixels of a block's side; only blocks' mean colours are compared, so that the edges of letters do not count."""
NOTICEABLE: Final = 24
"""Of 255, in any of the three colours."""
Box = tuple[int, int, int, int]


def differing(one: Path, other: Path, parts: Mapping[str, Box]) -> dict[str, float]:
    """Return for each part the share of its blocks that differ noticeably; 1 for all if the sizes are not the same.

    ``parts``: left, top, right and bottom in pixels, by name.
    """
    a, b = _pixels(one), _pixels(other)
    if a.shape != b.shape:
        return dict.fromkeys(parts, 1.0)
    return {
        name: _share(a[top:bottom, left:right], b[top:bottom, left:right])
        for name, (left, top, right, bottom) in parts.items()
    }


def make_small(path: Path) -> None:
    """Write a picture of few colours again with a palette, so that it is a third as large."""
    with Image.open(path) as image:
        # Rare colours count as much as frequent ones: else the thin lines of a chart lose theirs.
        palette = Image.Quantize.MAXCOVERAGE
        small = image.convert("RGB").quantize(256, method=palette, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def _pixels(path: Path) -> "np.ndarray[Any, np.dtype[np.float64]]":
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float64)


def _share(a: "np.ndarray[Any, np.dtype[np.float64]]", b: "np.ndarray[Any, np.dtype[np.float64]]") -> float:
    height, width = (a.shape[0] // BLOCK * BLOCK, a.shape[1] // BLOCK * BLOCK)
    difference = (a - b)[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    blocks = np.abs(difference.mean(axis=(1, 3))).max(axis=2)
    return float((blocks > NOTICEABLE).mean())
