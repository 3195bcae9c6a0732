"""Draw the pictures of docs/images that show a comparison's page: ``python -m tests.comparison_pictures``.

They are of examples/vibration-pi4-mobile.toml, whose answer depends on the network model.
"""

import io
import tempfile
from pathlib import Path
from typing import Final

import pyarrow as pa
from PIL import Image

from collector.analysis.comparison.read import read_problem
from collector.analysis.comparison.rows import case_rows
from collector.analysis.comparison.run import answer
from collector.analysis.comparison.sources import Sources
from collector.carbon.montecarlo import DEFAULT_DRAWS, DEFAULT_SEED
from collector.web.comparison_html import render
from tests.fakes.browser import chromium, page_of
from tests.what_is_there import find_program

ROOT: Final = Path(__file__).parents[1]
SCENARIO: Final = ROOT / "examples" / "vibration-pi4-mobile.toml"
PICTURES: Final = {"comparison-desktop": (1240, 2250), "comparison-phone": (390, 1900)}

COLOURS: Final = 96


def main() -> None:
    """Write both pictures. Raises FileNotFoundError without Chromium."""
    program = find_program("chromium")
    if program is None:
        raise FileNotFoundError("the program chromium is not installed: apt-get install chromium")
    problem = read_problem(SCENARIO, Sources())
    comparison = answer(problem, seed=DEFAULT_SEED, draws=DEFAULT_DRAWS)
    cases = pa.concat_tables(case_rows(problem, seed=DEFAULT_SEED, draws=1_000))
    text = render(comparison, cases, SCENARIO.read_text(encoding="utf-8"), comparison.title)
    with tempfile.TemporaryDirectory() as folder, chromium(program) as browser:
        page = Path(folder) / "report.html"
        page.write_text(text, encoding="utf-8")
        for name, size in PICTURES.items():
            with page_of(browser, size) as seen:
                seen.page.goto(page.as_uri())
                picture = Image.open(io.BytesIO(seen.page.screenshot()))
                few_colours = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
                few_colours.save(ROOT / "docs" / "images" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
