"""Each target's lock is complete and fits it: checked without the network, against our metadata and others'."""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from edgejoule.deploy.data import board_data
from edgejoule.deploy.locks import Locked, lock_path, read_lock
from edgejoule.deploy.platforms import marker_environment, pip_platform
from edgejoule.deploy.targets import Target, read_targets

REPOSITORY = Path(__file__).parents[2]
EXTRAS = ("agent", "gpio")
LEFT_OUT = {"bookworm-armhf": {"gpiod"}}
"""What a target does without; its row says so."""
NEW_GLIBC = (2, 34)
TARGETS = read_targets().target
IDS = [one.id for one in TARGETS]


@pytest.fixture(params=TARGETS, ids=IDS)
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.param
    return found


@pytest.fixture
def locked(target: Target) -> dict[str, Locked]:
    return {one.name: one for one in read_lock(lock_path(target.id))}


def test_every_target_has_a_lock_and_every_lock_a_target() -> None:
    assert {path.stem for path in (board_data() / "constraints").glob("*.txt")} == {*IDS, "pip"}
    assert [one.name for one in read_lock(lock_path("pip"))] == ["pip"]


def test_the_lock_holds_every_dependency_in_a_version_that_we_ask_for(
    target: Target, locked: dict[str, Locked]
) -> None:
    direct = _direct(marker_environment(target))
    assert len(direct) >= 10

    for one in direct:
        name = canonicalize_name(one.name)
        if name in target.system or name in LEFT_OUT.get(target.id, set()):
            assert name not in locked
            continue
        assert name in locked, f"{target.id} lacks {one}"
        assert one.specifier.contains(locked[name].version, prereleases=True), f"{target.id}: {one}"


def test_the_lock_holds_what_its_packages_need(target: Target, locked: dict[str, Locked]) -> None:
    """By the metadata of those that are installed here, with the markers of the target."""
    environment = {**marker_environment(target), "extra": ""}
    pinned = {canonicalize_name(Requirement(one).name) for one in target.pins}  # another version than here
    looked_at = 0
    for name in set(locked) - pinned:
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        looked_at += 1
        for text in needed:
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate(environment):
                assert canonicalize_name(one.name) in {*locked, *target.system}, f"{target.id}: {name} needs {text}"
    assert looked_at >= len(locked) - 3


def test_every_file_is_a_wheel_for_the_target(target: Target, locked: dict[str, Locked]) -> None:
    options = pip_platform(target)
    platforms = [options[index + 1] for index, word in enumerate(options) if word == "--platform"]
    major, minor = (int(part) for part in target.python.split("."))
    good = set(cpython_tags((major, minor), platforms=platforms)) | set(_pure_tags(major, minor))
    for one in locked.values():
        if one.built:
            assert one.file == f"{one.name}-{one.version}.tar.gz"
            continue
        name, version, _build, tags = parse_wheel_filename(one.file)
        assert (name, version) == (one.name, Version(one.version))
        assert tags & good, f"{target.id}: {one.file}"


def test_no_engine_needs_more_than_the_c_library_has(target: Target, locked: dict[str, Locked]) -> None:
    """LiteRT after 2.1.0 says manylinux_2_27 and needs 2.34; tflite-runtime breaks with NumPy 2."""
    if target.engine == "tflite-runtime":
        assert "ai-edge-litert" not in locked
        assert locked["tflite-runtime"].version == "2.14.0"
        assert "numpy" in target.system
        assert target.system_site_packages
        assert "python3-numpy" in target.apt
        return
    assert "tflite-runtime" not in locked
    newest = Version("2.1.0") if target.glibc_version < NEW_GLIBC else Version("99")
    assert Version(locked["ai-edge-litert"].version) <= newest


def test_what_is_left_out_is_said(target: Target) -> None:
    assert all(name in target.cannot for name in LEFT_OUT.get(target.id, ()))
    assert bool(target.system) == target.system_site_packages


def test_what_the_board_runs_before_anything_is_installed_is_python_3_8() -> None:
    import ast  # noqa: PLC0415  this test alone

    files = sorted((REPOSITORY / "edgejoule" / "deploy" / "onboard").glob("*.py"))
    assert len(files) > 3
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
        foreign = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
        assert foreign == set(), f"{path.name} imports {foreign}"


def _direct(environment: "dict[str, str] | object") -> list[Requirement]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    todo = [*project["dependencies"], *(text for extra in EXTRAS for text in project["optional-dependencies"][extra])]
    found = []
    while todo:
        one = Requirement(todo.pop())
        if one.marker is not None and not one.marker.evaluate(environment):  # type: ignore[arg-type]
            continue
        if one.name == "edgejoule":
            todo += [text for extra in one.extras for text in project["optional-dependencies"][extra]]
        else:
            found.append(one)
    return found


def _pure_tags(major: int, minor: int) -> "list[object]":
    from packaging.tags import Tag  # noqa: PLC0415

    pythons = [f"py{major}", "py2", *(f"cp{major}{one}" for one in range(2, minor + 1))]
    return [Tag(python, "none", "any") for python in pythons]


def test_a_lock_says_what_it_is_for(target: Target) -> None:
    text = lock_path(target.id).read_text(encoding="utf-8")

    assert text.startswith(f"# {target.id}: {target.name}.\n# CPython {target.python}, {target.arch}, ")
    assert re.search(r"^# Made by scripts/lock_targets\.py on \d{4}-\d\d-\d\d\.$", text, re.MULTILINE)
