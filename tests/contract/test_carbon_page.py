"""docs/carbon.md: its examples give what they show, with the library alone."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "carbon.md"
BLOCKS = re.compile(r"```pycon\n(.*?)```", re.DOTALL)
OURS = ("collector", "edge_agent", "edgejoule", "firmware_bridge")


def examples() -> doctest.DocTest:
    text = PAGE.read_text(encoding="utf-8")
    return doctest.DocTestParser().get_doctest("\n".join(BLOCKS.findall(text)), {}, "carbon.md", str(PAGE), 0)


def test_every_example_gives_what_the_page_shows() -> None:
    said: list[str] = []
    outcome = doctest.DocTestRunner(verbose=False).run(examples(), out=said.append)

    assert outcome.failed == 0, "".join(said)
    assert outcome.attempted > 40


def test_the_examples_need_nothing_of_ours_but_the_domain() -> None:
    imports = "\n".join(one.source for one in examples().examples if one.source.startswith(("from", "import")))
    script = f"{imports}\nimport sys\nprint(*(name for name in sys.modules if name.split('.')[0] in {OURS!r}))"

    outcome = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )

    assert outcome.returncode == 0, outcome.stderr
    loaded = set(outcome.stdout.split())
    assert {name for name in loaded if not name.startswith("collector.carbon")} == {"collector"}
