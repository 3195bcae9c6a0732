"""A bundle is what its manifest says or is refused by the name of the file that is not; nothing leaves its folder."""

import json
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.deploy.bundle.making import make_bundle
from edgejoule.deploy.onboard import bundle_format
from edgejoule.deploy.onboard.bundle_format import (
    MANIFEST,
    SIGNATURE,
    Bundle,
    BundleError,
    parse_manifest,
    read_manifest,
    safe_path,
)
from tests.fakes.bundles import VERSION, rewritten, small_bundle, small_ingredients

WHEEL = "wheels/numpy-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def fields(bundle: Path) -> dict[str, object]:
    with Bundle(bundle) as opened:
        found: dict[str, object] = json.loads(opened.manifest_bytes)
    return found


def _why(path: Path) -> str:
    """Return why a bundle is refused, "" if it is not."""
    try:
        with Bundle(path) as opened:
            list(opened.verify())
    except BundleError as error:
        return str(error)
    return ""


def test_a_bundle_is_read_as_it_was_made(bundle: Path, tmp_path: Path) -> None:
    with Bundle(bundle) as opened:
        manifest = opened.manifest
        written = dict(opened.extract(tmp_path))

    assert (manifest.version, manifest.target, manifest.created) == (VERSION, "bookworm-arm64", None)
    assert manifest.release == f"{VERSION}-{manifest.sha256[:8]}"
    assert manifest.requires.python == "3.11"
    assert manifest.requires.glibc == (2, 36)
    assert (manifest.config, manifest.models, manifest.pip) == (
        "agent.toml",
        "models/",
        "wheels/pip-1.0-py3-none-any.whl",
    )
    assert sum(written.values()) == manifest.bytes
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == set(written)
    assert (tmp_path / WHEEL).read_bytes() == b"the wheel of numpy"
    assert (
        (tmp_path / "requirements.txt").read_text().splitlines()[0].startswith(f"edgejoule=={VERSION} --hash=sha256:")
    )


def test_the_same_input_makes_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    again = small_bundle(tmp_path / "elsewhere", created=None)

    assert again.read_bytes() == bundle.read_bytes()
    assert read_manifest(small_bundle(tmp_path / "third", config=b"[meter]\n")).sha256 != read_manifest(bundle).sha256


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({WHEEL: b"THE wheel of numpy"}, f"{WHEEL} is not the file that the manifest names (wrong SHA-256)"),
        ({WHEEL: None}, f"lacks {WHEEL}, which its manifest names"),
        (
            {"wheels/evil-1.0-py3-none-any.whl": b"x"},
            "holds wheels/evil-1.0-py3-none-any.whl, which its manifest does not",
        ),
        ({MANIFEST: None}, "has no manifest.json: this is no bundle"),
        ({MANIFEST: b"{"}, "manifest.json is not JSON"),
        ({MANIFEST: b"[1]"}, "manifest.json is no object"),
        ({MANIFEST: b'{"schema": 2}'}, "has schema 2, not 1; use the edgejoule that made the bundle"),
        ({MANIFEST: b" " * (bundle_format.MAX_MANIFEST_BYTES + 1)}, "manifest.json is larger than 1048576 bytes"),
        ({"../outside": b"x"}, "holds '../outside', a name that could leave the folder"),
        ({"/etc/passwd": b"x"}, "holds '/etc/passwd', a name that could leave the folder"),
        ({"a\\b": b"x"}, "a name that could leave the folder"),
        ({"wheels/": b""}, "holds 'wheels/', a name that could leave the folder"),
        ({WHEEL.upper(): b"x"}, "twice"),
    ],
)
def test_what_was_tampered_with_is_refused_by_its_name(
    changes: dict[str, bytes | None], said: str, bundle: Path
) -> None:
    assert said in _why(rewritten(bundle, changes))


def test_a_link_is_no_file(bundle: Path) -> None:
    link = zipfile.ZipInfo("wheels/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert "holds wheels/link, which is no plain file" in _why(rewritten(bundle, {}, (link, b"/etc/passwd")))


def test_a_compressed_file_is_refused_for_it_could_unpack_to_anything(bundle: Path) -> None:
    bomb = zipfile.ZipInfo("wheels/bomb")
    bomb.compress_type = zipfile.ZIP_DEFLATED

    assert "holds wheels/bomb compressed" in _why(rewritten(bundle, {}, (bomb, bytes(1 << 20))))


def test_what_is_no_zip_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no")

    assert "is no bundle" in _why(tmp_path / "text.zip")
    assert "is no bundle" in _why(tmp_path / "missing.zip")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", "../x"),
        ("target", ""),
        ("files", {}),
        ("files", {"../x": "0" * 64}),
        ("files", {"x": "no hash"}),
        ("files", {MANIFEST: "0" * 64}),
        ("bytes", -1),
        ("bytes", True),
        ("wheel", "wheels/other.whl"),
        ("pip", None),
        ("models", "nowhere/"),
        ("models", "models"),
        ("config", "other.toml"),
        ("requires", None),
        ("requires", {"glibc": ["2", 36]}),
        ("created", 5),
    ],
)
def test_a_manifest_that_does_not_hold_together_is_refused(key: str, value: object, fields: dict[str, object]) -> None:
    with pytest.raises(BundleError, match=rf"{MANIFEST}.*"):
        parse_manifest(json.dumps({**fields, key: value}).encode())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    ),
    st.data(),
)
def test_any_manifest_is_taken_or_refused(value: object, data: st.DataObject) -> None:
    parts = json.loads(_MANIFEST)
    key = data.draw(st.sampled_from(sorted(parts)))
    _refused_or(json.dumps({**parts, key: value}).encode())
    _refused_or(json.dumps(value).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_manifest_or_refused(content: bytes) -> None:
    _refused_or(content)


@given(data=st.data())
def test_any_changed_byte_is_noticed_or_changes_nothing(data: st.DataObject, bundle: Path) -> None:
    """Many at once too: what is read afterwards are the very files of before, or the bundle is refused."""
    whole = bytearray(bundle.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = bundle.with_name("damaged.zip")
    damaged.write_bytes(whole)
    with Bundle(bundle) as good:
        files = {name: good.read(name) for name in good.manifest.files}
        sha256 = good.manifest.sha256
    try:
        with Bundle(damaged) as opened:
            read = {name: opened.read(name) for name in opened.manifest.files}
            assert opened.manifest.sha256 != sha256 or read == files
    except BundleError:
        pass


@given(data=st.data())
def test_a_cut_bundle_is_refused(data: st.DataObject, bundle: Path) -> None:
    whole = bundle.read_bytes()
    cut = bundle.with_name("cut.zip")
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])

    assert _why(cut)


@given(st.text(alphabet=st.sampled_from("./\\ab\0 ~:é-")))
def test_a_safe_path_stays_inside(name: str) -> None:
    if safe_path(name):
        assert not Path(name).is_absolute()
        assert ".." not in Path(name).parts
        assert (Path("/inside") / name).resolve().is_relative_to("/inside")


def test_nothing_is_left_of_a_file_that_is_wrong(bundle: Path, tmp_path: Path) -> None:
    with (
        Bundle(rewritten(bundle, {WHEEL: b"THE wheel of numpy"})) as opened,
        pytest.raises(BundleError, match="numpy"),
    ):
        list(opened.extract(tmp_path))

    assert not (tmp_path / WHEEL).exists()
    assert not list(tmp_path.rglob("*.partial"))


def test_a_signature_stands_beside_the_manifest(tmp_path: Path) -> None:
    make_bundle(tmp_path / "signed.zip", small_ingredients(tmp_path / "parts"), lambda manifest: manifest[:4])

    with Bundle(tmp_path / "signed.zip") as opened:
        assert opened.signature == opened.manifest_bytes[:4]
        assert SIGNATURE not in opened.manifest.files


def _refused_or(content: bytes) -> None:
    try:
        manifest = parse_manifest(content)
    except BundleError as error:
        assert MANIFEST in str(error)  # noqa: PT017  refusing is one of two good answers
    else:
        assert all(map(safe_path, manifest.files))


_MANIFEST = json.dumps(
    {
        "schema": 1,
        "version": "1",
        "target": "t",
        "created": None,
        "files": {"w": "0" * 64},
        "bytes": 1,
        **dict.fromkeys(("wheel", "requirements", "pip", "installer"), "w"),
        "models": None,
        "config": None,
        "requires": {"machines": [], "bits": 64, "glibc": [2, 36], "python": "3.11", "modules": [], "apt": []},
    }
)
