"""Rules of the house that no linter knows: see CONTRIBUTING.md."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PRODUCT = ("edgejoule", "firmware_bridge", "edge_agent", "collector", "models", "grafana", "benchmarks")
LONGEST_FILE_LINES = 400
SUPERVISORS = frozenset({"firmware_bridge/reader.py"})
"""Files with one loop that has to survive anything and says so: only they may catch Exception."""
TEXT_KINDS = {".py", ".toml", ".md", ".yaml", ".yml", ".json", ".j2", ".sh", ".html", ".cfg", ".ini", ""}
NOT_OURS = re.compile(
    r"(?<![\w}])(?:/work/|/root/|/home/(?!USER|pi\b|\$)\w+/)|/usr/local/google/"  # a path of somebody's machine
    r"|\bissue #?\d+ (?:says|asks)|\bthis session\b|\bTODO\b|\bFIXME\b|\bXXX:"  # what belongs elsewhere
)
SPEAKS_OF_THEM = {"tests/contract/test_house_rules.py", "CONTRIBUTING.md", "pyproject.toml"}


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if "__pycache__" not in path.parts:
                yield path


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def tracked_files() -> list[Path]:
    """Return the files under version control, or every file where there is none (an unpacked archive)."""
    outcome = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in outcome.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def test_no_file_is_too_long() -> None:
    lines = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in python_files(*PRODUCT, "tests")}

    assert {name: count for name, count in lines.items() if count > LONGEST_FILE_LINES} == {}


def broad_handlers(source: str) -> list[int]:
    """Return the lines of ``except:``, ``except Exception`` and ``except BaseException`` that do not raise again."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node)
    ]


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    parts = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(part, ast.Name) and part.id in {"Exception", "BaseException"} for part in parts)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_no_broad_except_outside_a_supervisor() -> None:
    found = {name_of(path): broad_handlers(path.read_text(encoding="utf-8")) for path in python_files(*PRODUCT)}

    assert {name: lines for name, lines in found.items() if lines and name not in SUPERVISORS} == {}


def test_every_listed_supervisor_still_needs_its_place() -> None:
    assert {
        name for name in SUPERVISORS if not broad_handlers((REPOSITORY / name).read_text(encoding="utf-8"))
    } == set()


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("try: x()\nexcept: pass", 1),
        ("try: x()\nexcept Exception: pass", 1),
        ("try: x()\nexcept (OSError, BaseException): pass", 1),
        ("try: x()\nexcept OSError: pass", 0),
        ("try: x()\nexcept BaseException:\n    close()\n    raise", 0),
    ],
)
def test_broad_handlers_are_recognised(source: str, count: int) -> None:
    assert len(broad_handlers(source)) == count


def test_nothing_prints() -> None:
    """Commands speak through edgejoule/output.py, applications through their log, the library not at all."""
    found = {
        name_of(path): node.lineno
        for path in python_files(*PRODUCT)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }

    assert found == {}


def test_no_path_of_a_machine_and_no_note_to_oneself() -> None:
    found = {}
    for path in tracked_files():
        if path.suffix not in TEXT_KINDS or name_of(path) in SPEAKS_OF_THEM:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if NOT_OURS.search(line):
                found[f"{name_of(path)}:{number}"] = line.strip()

    assert found == {}


def test_relative_links_in_the_documents_lead_somewhere() -> None:
    broken: list[str] = []
    for path in tracked_files():
        if path.suffix != ".md":
            continue
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        broken.extend(
            f"{name_of(path)}: {target}"
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
            if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists()
        )

    assert broken == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in python_files("tests") if path.name.startswith("test_")]

    assert sorted(name for name in set(names) if names.count(name) > 1) == []
