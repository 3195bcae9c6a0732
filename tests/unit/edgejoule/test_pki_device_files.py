"""Key and certificate on a device: both old or both new at every moment, and nothing that belongs to another."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge_agent.wire.errors import ConfigurationError
from edgejoule.pki import names
from edgejoule.pki.answer_file import join_answer, split_answer
from edgejoule.pki.api import install_certificate, make_request, sign_request
from edgejoule.pki.authority import Authority, Issued, create_authority
from edgejoule.pki.certificates import common_name, read_certificate
from edgejoule.pki.device_files import DeviceFiles
from edgejoule.pki.errors import RefusedError, UnreachableError
from tests.fakes.cut_work import cut_before

PI4 = names.device("pi4-01")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return create_authority(tmp_path / "ca", "fleet")


@pytest.fixture
def files(tmp_path: Path) -> DeviceFiles:
    return DeviceFiles(tmp_path / "pki")


def renew(authority: Authority, files: DeviceFiles) -> None:
    issued = authority.sign(files.request(PI4), PI4)
    files.adopt(issued.certificate, issued.authority)


def pair_of(directory: Path) -> int:
    """Return the serial number of the certificate in use; fail if the key beside it is another one's."""
    certificate = read_certificate((directory / "device.crt").read_text(), "device.crt")
    key = load_pem_private_key((directory / "device.key").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    assert (directory / "ca.crt").read_text().startswith("-----BEGIN CERTIFICATE-----")
    return certificate.serial_number


def test_key_certificate_and_authority_are_there_at_once(authority: Authority, files: DeviceFiles) -> None:
    assert not files.is_enrolled
    renew(authority, files)

    assert pair_of(files.directory) == files.certificate().serial_number
    assert common_name(files.authority()) == "fleet"
    assert files.held() is None


def test_only_the_owner_reads_a_key_at_any_time(authority: Authority, files: DeviceFiles) -> None:
    before = os.umask(0)
    try:
        renew(authority, files)
        files.request(PI4)
    finally:
        os.umask(before)

    found = list(files.directory.rglob("device.key"))
    assert len(found) == 3, "the link, the key in use and the one that is pending"
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}


def test_a_request_that_is_asked_for_again_is_the_same(files: DeviceFiles) -> None:
    assert files.request(PI4) == files.request(PI4)
    assert files.request(names.device("pi4-02")) != files.request(PI4)


def test_the_pair_before_is_kept_and_can_be_used_again(authority: Authority, files: DeviceFiles) -> None:
    renew(authority, files)
    first = pair_of(files.directory)
    assert not files.back()
    for _ in range(3):
        renew(authority, files)
    assert len([path for path in files.directory.iterdir() if path.name.isdecimal()]) == 2
    last = pair_of(files.directory)

    assert files.back()
    assert pair_of(files.directory) not in {first, last}
    files.use_held()
    assert pair_of(files.directory) == last, "it was kept, to be tried again"
    assert files.held() is None


def _of_another_key(authority: Authority, _files: DeviceFiles, elsewhere: Path) -> Issued:
    return authority.sign(DeviceFiles(elsewhere).request(PI4), PI4)


def _of_another_authority(_authority: Authority, files: DeviceFiles, elsewhere: Path) -> Issued:
    return create_authority(elsewhere, "other").sign(files.request(PI4), PI4)


def _with_another_authority_beside(authority: Authority, files: DeviceFiles, elsewhere: Path) -> Issued:
    good = authority.sign(files.request(PI4), PI4)
    return good._replace(authority=create_authority(elsewhere, "other").pem)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_of_another_key, "not for the key"),
        (_of_another_authority, "another authority"),
        (_with_another_authority_beside, "not signed by the authority"),
    ],
)
def test_what_does_not_belong_here_is_refused_and_what_is_in_use_stays(
    make: Callable[[Authority, DeviceFiles, Path], Issued],
    words: str,
    authority: Authority,
    files: DeviceFiles,
    tmp_path: Path,
) -> None:
    renew(authority, files)
    before = pair_of(files.directory)
    files.request(PI4)
    issued = make(authority, files, tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match=words):
        files.adopt(issued.certificate, issued.authority)
    assert pair_of(files.directory) == before


def test_two_do_not_work_at_the_same_device_s_files(authority: Authority, files: DeviceFiles) -> None:
    renew(authority, files)
    before = pair_of(files.directory)
    other = DeviceFiles(files.directory)
    with files.alone():
        renew(authority, files)
        with pytest.raises(UnreachableError, match="another enrol or renew"), other.alone():
            pytest.fail("both are at work")
    assert pair_of(files.directory) != before
    with other.alone():
        renew(authority, other)


def test_nothing_is_used_that_is_not_there(authority: Authority, files: DeviceFiles) -> None:
    """Another was faster and has used it: the pair in use stays."""
    renew(authority, files)
    before = pair_of(files.directory)
    with pytest.raises(ConfigurationError, match="is gone"):
        files.use_held()
    assert pair_of(files.directory) == before


def test_a_certificate_in_another_name_is_refused(authority: Authority, files: DeviceFiles, tmp_path: Path) -> None:
    """A request is answered by hand: the wrong file of a stick."""
    other = DeviceFiles(tmp_path / "other")
    issued = authority.sign(other.request(names.device("pi4-02")), names.device("pi4-02"))
    files.request(PI4)
    with pytest.raises(RefusedError, match="'pi4-02' is not for the key"):
        files.adopt(issued.certificate, issued.authority)


def test_files_of_others_are_not_overwritten(files: DeviceFiles) -> None:
    files.directory.mkdir()
    (files.directory / "device.key").write_text("somebody's")
    with pytest.raises(ConfigurationError, match="made by something else"):
        files.request(PI4)
    assert (files.directory / "device.key").read_text() == "somebody's"


def test_an_answer_without_a_request_is_one_line(authority: Authority, files: DeviceFiles, tmp_path: Path) -> None:
    issued = authority.sign(DeviceFiles(tmp_path / "elsewhere").request(PI4), PI4)
    files.directory.mkdir()
    with pytest.raises(ConfigurationError, match="ask for a request first"):
        files.adopt(issued.certificate, issued.authority)


def test_the_three_steps_of_a_roll_out(authority: Authority, tmp_path: Path) -> None:
    board = tmp_path / "board"
    request = make_request(board, "pi4-01")
    certificate, pem = sign_request(authority.directory, request, "pi4-01")
    install_certificate(board, certificate, pem)

    pair_of(board)
    with pytest.raises(RefusedError, match="only 'pi4-02'"):
        sign_request(authority.directory, request, "pi4-02")
    with pytest.raises(RefusedError, match="reserved"):
        sign_request(authority.directory, request, "collector")


def test_an_answer_travels_in_one_file(authority: Authority, files: DeviceFiles) -> None:
    text = join_answer(authority.sign(files.request(PI4), PI4))
    files.adopt(*split_answer(text.replace("\n", "\r\n"), "a stick"))

    pair_of(files.directory)
    with pytest.raises(ConfigurationError, match="a stick: holds 1 certificates"):
        split_answer(authority.pem, "a stick")


def test_a_power_cut_at_any_moment_leaves_one_whole_pair(authority: Authority, tmp_path: Path) -> None:
    """Cut before each change of the file system in turn, then go on: the pair fits, and a renewal comes through."""
    moments = 0
    while True:
        files = DeviceFiles(tmp_path / f"pki-{moments}")
        renew(authority, files)
        before = pair_of(files.directory)
        cut = cut_before(moments, lambda files=files: renew(authority, files))  # type: ignore[misc]
        pair_of(files.directory)
        if not cut:
            assert pair_of(files.directory) != before
            break
        again = DeviceFiles(files.directory)
        renew(authority, again)
        assert pair_of(files.directory) != before
        assert again.held() is None
        moments += 1
    assert moments > 15


def test_a_power_cut_during_the_first_enrolment_loses_no_key(authority: Authority, tmp_path: Path) -> None:
    """A token is good for one key: whatever was cut, the next try is with the same one."""
    moments = 0
    while True:
        files = DeviceFiles(tmp_path / f"pki-{moments}")
        token, request = authority.give_token(PI4, 60), files.request(PI4)
        issued = authority.redeem(token, request)
        cut = cut_before(moments, lambda files=files, issued=issued: files.adopt(*issued))  # type: ignore[misc]
        again = DeviceFiles(files.directory)
        if not again.is_enrolled:
            assert authority.redeem(token, again.request(PI4)) == issued
            again.adopt(*issued)
        pair_of(files.directory)
        if not cut:
            break
        moments += 1
    assert moments > 10


def test_an_init_that_a_power_cut_ended_is_done_again(tmp_path: Path) -> None:
    """Cut before each change: either there is an authority then, or the next init makes one."""
    moments = 0
    while True:
        directory = tmp_path / f"ca-{moments}"
        cut = cut_before(moments, partial(create_authority, directory, "fleet"))
        if not (directory / "ca.key").exists():
            create_authority(directory, "fleet")
        authority = Authority(directory)
        authority.write_list()
        renew(authority, DeviceFiles(tmp_path / f"pki-{moments}"))
        if not cut:
            break
        moments += 1
    assert moments > 10
