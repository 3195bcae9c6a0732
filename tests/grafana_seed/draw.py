"""Draws the dashboards of the seeded fleet as Grafana does, and the samples that a test compares with.

``python -m tests.grafana_seed.draw --out docs/images`` writes ``dashboard-NAME.png``; ``--light`` in the light theme.
``--samples`` writes the reference pictures of tests/data/grafana_ui again.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.fakes import pictures
from tests.fakes.drawn_dashboards import Drawing, Mode, bundle, drawing
from tests.fakes.sample_dashboard import ANSWERS, SAMPLES, sample_dashboard
from tests.grafana_seed.answers import ALL, as_json
from tests.grafana_seed.site import seeded_site

CHROMIUM: Final = shutil.which("chromium") or "chromium"
_SOURCES: Final = {"datasource": "edgejoule InfluxDB", "datasource_hourly": "edgejoule hourly sums"}
_MODES: Final[tuple[Mode, ...]] = ("dark", "light")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.grafana_seed.draw", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write a picture of each dashboard")
    parser.add_argument("--light", action="store_true", help="in the light theme")
    parser.add_argument("--samples", action="store_true", help="write the reference pictures of the samples")
    parser.add_argument("--chromium", default=CHROMIUM, metavar="PROGRAM", help="default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = bundle(Path(directory) / "page")
        with drawing(folder, arguments.chromium) as drawn:
            if arguments.samples:
                draw_samples(drawn)
        if arguments.out is not None:
            arguments.out.mkdir(parents=True, exist_ok=True)
            with seeded_site(Path(directory)) as seeded:
                content = as_json(seeded)
            with drawing(folder, arguments.chromium) as drawn:
                draw_dashboards(drawn, content, arguments.out, "light" if arguments.light else "dark")
    return 0


def draw_samples(drawn: Drawing) -> None:
    for mode in _MODES:
        drawn.draw(sample_dashboard(), ANSWERS, mode=mode)
        pictures.make_small(drawn.picture(SAMPLES / f"{mode}.png"))


def draw_dashboards(drawn: Drawing, content: dict[str, Any], out: Path, mode: Mode) -> None:
    for board in content["dashboards"]:
        own = [one for one in content["answers"] if one["dashboard"] == board["uid"]]
        drawn.draw(board, own, chosen_in(content, board), mode)
        name = board["uid"].removeprefix("edgejoule-")
        pictures.make_small(drawn.picture(out / f"dashboard-{name}.png"))


def chosen_in(content: dict[str, Any], board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each drop-down's label and what is chosen in it."""
    now = {one["variable"]: one["current"] for one in content["variables"] if one["dashboard"] == board["uid"]}
    for variable in board["templating"]["list"]:
        value = now.get(variable["name"], _SOURCES.get(variable["name"], ""))
        yield variable["label"], "All" if value == ALL else value


if __name__ == "__main__":
    raise SystemExit(main())
