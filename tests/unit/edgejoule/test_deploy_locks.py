"""Locks are read back as they are written, and wheels are found by them: the very file, or none."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.bundle.own_wheel import build_own_wheel, read_own_wheel
from edgejoule.deploy.bundle.wheels import find_wheels, sha256_of
from edgejoule.deploy.locks import Locked, lock_text, parse_lock
from edgejoule.deploy.targets import find_target
from tests.fakes.bundles import small_wheel

REPOSITORY = Path(__file__).parents[3]
PACKED = (
    *("pyproject.toml", "README.md", "LICENSE", ".gitignore"),
    *("edgejoule", "edge_agent", "collector", "firmware_bridge", "models", "grafana", "deploy/board"),
)
TARGET = find_target("bookworm-armhf")
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True)


@st.composite
def locks(draw: st.DrawFn) -> tuple[Locked, ...]:
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    return tuple(
        Locked(
            name=name,
            version=(version := draw(VERSIONS)),
            sha256=draw(st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
            file=f"{name}-{version}.tar.gz" if built else f"{name}-{version}-py3-none-any.whl",
            built=built,
        )
        for name in sorted(names)
        for built in [draw(st.booleans())]
    )


@given(locks(), st.lists(st.from_regex(r"[A-Za-z0-9 .:]*", fullmatch=True), max_size=3))
def test_a_lock_is_read_as_it_was_written(locked: tuple[Locked, ...], header: list[str]) -> None:
    assert parse_lock(lock_text("\n".join(header), locked), "x") == locked


@given(st.text())
def test_any_text_is_a_lock_or_refused_with_its_line(text: str) -> None:
    try:
        parse_lock(text, "x.txt")
    except ConfigurationError as error:
        assert str(error).startswith("x.txt:")  # noqa: PT017  refusing is one of two good answers


def test_what_pip_would_take_otherwise_is_refused() -> None:
    line = f"rich==1.0 --hash=sha256:{'0' * 64}"
    for text in (line, f"# rich-1.0.tar\n{line}", f"# rich-1.0-py3-none-any.whl\n\n{line.replace('==', '>=')}"):
        with pytest.raises(ConfigurationError, match=r"x:\d: is not NAME==VERSION --hash=sha256"):
            parse_lock(text, "x")
    with pytest.raises(ConfigurationError, match="pins rich twice"):
        parse_lock(f"# rich-1.0-py3-none-any.whl\n{line}\n" * 2, "x")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "edgejoule" / "wheels"


@pytest.fixture
def pinned(tmp_path: Path) -> Locked:
    path = small_wheel(tmp_path / "house", "rich", "1.0")
    return Locked(name="rich", version="1.0", sha256=sha256_of(path), file=path.name)


def test_a_wheel_is_found_in_the_wheelhouse_and_in_the_cache(cache: Path, pinned: Locked, tmp_path: Path) -> None:
    heard: list[str] = []
    found = find_wheels(TARGET, [pinned], [tmp_path, tmp_path / "house"], offline=True, found=heard.append)
    cache.mkdir(parents=True)
    found["rich"].rename(cache / pinned.file)

    assert heard == ["rich"]
    assert find_wheels(TARGET, [pinned], [tmp_path / "house"], offline=True) == {"rich": cache / pinned.file}


def test_a_wheel_that_is_not_there_is_named(cache: Path, pinned: Locked, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"rich-1\.0-py3-none-any\.whl: not in .*; leave --offline out once"):
        find_wheels(TARGET, [pinned], [tmp_path], offline=True)


def test_a_wheel_of_that_name_that_is_another_is_refused(cache: Path, pinned: Locked, tmp_path: Path) -> None:
    (tmp_path / "house" / pinned.file).write_bytes(b"another")

    with pytest.raises(ConfigurationError, match="is not the wheel that is pinned"):
        find_wheels(TARGET, [pinned], [tmp_path / "house"], offline=True)


def test_a_folder_that_is_not_there_is_not_passed_over(cache: Path, pinned: Locked, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere: there is no such folder"):
        find_wheels(TARGET, [pinned], [tmp_path / "house", tmp_path / "nowhere"], offline=True)


def test_a_cache_that_cannot_be_written_is_named(
    pinned: Locked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    with pytest.raises(ConfigurationError, match=r"file/edgejoule/wheels: cannot keep wheels there: .*; make room"):
        find_wheels(TARGET, [pinned], [], offline=False)


def test_an_index_that_does_not_answer_is_said_to(
    cache: Path, pinned: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"INDEX_URL": "http://127.0.0.1:9/simple", "RETRIES": "1", "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)

    with pytest.raises(ConfigurationError, match="the package index does not answer; try again"):
        find_wheels(TARGET, [pinned], [], offline=False)
    assert list(cache.iterdir()) == []


def test_what_is_built_is_taken_only_for_this_machine(cache: Path, tmp_path: Path) -> None:
    built = Locked(name="msgspec", version="1.0", sha256="0" * 64, file="msgspec-1.0.tar.gz", built=True)
    cache.mkdir(parents=True)
    (cache / "msgspec-1.0-cp311-cp311-manylinux_2_17_x86_64.whl").touch()
    (tmp_path / "msgspec-1.0-cp312-cp312-linux_armv7l.whl").touch()
    with pytest.raises(ConfigurationError, match=r"no published wheel of it; build one with .*build_armhf_wheels\.py"):
        find_wheels(TARGET, [built], [tmp_path], offline=False)
    (tmp_path / "msgspec-1.0-cp311-cp311-linux_armv7l.whl").touch()

    found = find_wheels(TARGET, [built], [tmp_path], offline=True)

    assert found["msgspec"].name == "msgspec-1.0-cp311-cp311-linux_armv7l.whl"


def test_our_own_wheel_is_known_and_no_other_is_taken_for_it(tmp_path: Path) -> None:
    assert read_own_wheel(small_wheel(tmp_path, version="3.2.1")).version == "3.2.1"
    (tmp_path / "edgejoule-1.0-py3-none-any.whl").write_text("no zip")
    other = small_wheel(tmp_path, "rich", "1.0")
    renamed = small_wheel(tmp_path, version="1.0").rename(tmp_path / "edgejoule-2.0-py3-none-any.whl")

    for path in (tmp_path / "missing.whl", other, renamed):
        with pytest.raises(ConfigurationError, match=r"name (a wheel of edgejoule|one with --wheel)"):
            read_own_wheel(path)


def test_the_wheel_of_a_checkout_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Of what is committed: the checkout itself may be edited while the test runs."""
    archive = tmp_path / "head.tar"
    subprocess.run(["git", "archive", "--output", str(archive), "HEAD", *PACKED], cwd=REPOSITORY, check=True)
    wheels = []
    for number, name in enumerate(("one", "other")):
        with tarfile.open(archive) as head:
            head.extractall(tmp_path / name, filter="data")
        os.utime(tmp_path / name / "pyproject.toml", (number, number))
        wheels.append(build_own_wheel(tmp_path / f"wheel of {name}", tmp_path / name))

    assert wheels[0].version == wheels[1].version
    assert wheels[0].path.read_bytes() == wheels[1].path.read_bytes()


def test_without_a_checkout_the_wheel_is_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"runs from no checkout .* name its wheel with --wheel FILE"):
        build_own_wheel(tmp_path / "out", tmp_path)
