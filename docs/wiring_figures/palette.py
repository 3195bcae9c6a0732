"""The colours of the pictures, light and dark, and the style sheet that each picture carries."""

from collections.abc import Mapping
from typing import Final

LIGHT: Final[Mapping[str, str]] = {
    "ground": "#ffffff",
    "ink": "#1b1f24",
    "supply": "#b42318",
    "data": "#0b57b0",
    "plain": "#f3f4f6",
    "edge": "#57606a",
    "meter": "#fff1c9",
    "meter-edge": "#7a5600",
    "zone": "#e6f6ea",
    "zone-edge": "#176f31",
    "danger": "#ffe6e3",
}
DARK: Final[Mapping[str, str]] = {
    "ground": "#0f141a",
    "ink": "#e8edf2",
    "supply": "#ff9580",
    "data": "#86bdff",
    "plain": "#222a33",
    "edge": "#97a3af",
    "meter": "#3b2f06",
    "meter-edge": "#e8bd4b",
    "zone": "#12301c",
    "zone-edge": "#63d685",
    "danger": "#45201b",
}
TEXT_ON: Final = (
    *(("ink", ground) for ground in ("ground", "plain", "meter", "zone", "danger")),
    *(("data", ground) for ground in ("ground", "zone")),
    *(("supply", ground) for ground in ("ground", "danger")),
    ("zone-edge", "zone"),
    ("zone-edge", "ground"),
)
"""Which colour of text stands on which ground: a test holds their contrast against the rules for accessibility."""

_SHAPES: Final = """
text{font:13px Arial,Helvetica,"Liberation Sans",sans-serif;fill:var(--ink)}
.h{font-size:16px;font-weight:bold}.b{font-weight:bold}.s{font-size:12px}
.ground{fill:var(--ground)}
.plain,.board{fill:var(--plain);stroke:var(--edge);stroke-width:1.5}.board{stroke-width:2.5}
.meter{fill:var(--meter);stroke:var(--meter-edge);stroke-width:2.5}
.zone{fill:var(--zone);stroke:var(--zone-edge);stroke-width:2;stroke-dasharray:7 4}
.danger{fill:var(--danger);stroke:var(--supply);stroke-width:2}
.supply{stroke:var(--supply);stroke-width:7;fill:none}
.data{stroke:var(--data);stroke-width:2;fill:none}.air{stroke-dasharray:2 5;stroke-linecap:round}
.tip{fill:var(--data)}.sign{fill:none;stroke:var(--supply);stroke-width:2.5;stroke-linejoin:round}
.datatext{fill:var(--data)}.zonetext{fill:var(--zone-edge);font-weight:bold}.alarm{fill:var(--supply);font-weight:bold}
"""


def style_sheet() -> str:
    """Return the style of a picture: light, dark where the reader's screen is, and light again on paper."""
    return (
        f"svg{{{_variables(LIGHT)}}}"
        f"{_SHAPES}"
        f"@media screen and (prefers-color-scheme:dark){{svg{{{_variables(DARK)}}}}}"
    )


def _variables(palette: Mapping[str, str]) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in palette.items())
