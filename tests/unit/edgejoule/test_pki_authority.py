"""The authority with a clock of the test's own: tokens, renewals, revocations, and what it never signs."""

import base64
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.pki.list_verb import lines
from edgejoule.pki import names
from edgejoule.pki.authority import CLIENT_DAYS, Authority, Issued, create_authority
from edgejoule.pki.certificates import common_name, due_at, is_signed_by, read_certificate, read_list
from edgejoule.pki.errors import RefusedError
from edgejoule.pki.files import locked
from edgejoule.pki.keys import PrivateKey, new_key
from edgejoule.pki.rate_limit import RefusalLimit
from edgejoule.pki.requests import make_request
from edgejoule.pki.token import Token, new_token, parse_token

DAY_S = 86_400.0
PI4 = names.device("pi4-01")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(tmp_path: Path, clock: Clock) -> Authority:
    return create_authority(tmp_path / "ca", "fleet", now_unix_s=clock)


def asked(name: str = "pi4-01", key: PrivateKey | None = None) -> str:
    identity = names.client(name, is_service=name in names.SERVICES)
    return make_request(key or new_key(), identity)


def certificate_of(issued: Issued) -> x509.Certificate:
    return read_certificate(issued.certificate, "issued")


def test_a_certificate_says_who_it_is_and_may_do_nothing_else(authority: Authority, clock: Clock) -> None:
    made = certificate_of(authority.sign(asked(), PI4))
    extensions = made.extensions

    assert common_name(made) == "pi4-01"
    assert is_signed_by(made, authority.certificate)
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    alternatives = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in alternatives] == ["urn:edgejoule:device:pi4-01"]
    assert made.not_valid_before_utc.timestamp() == clock.now_s - DAY_S
    assert made.not_valid_after_utc.timestamp() == clock.now_s + CLIENT_DAYS * DAY_S


def test_the_authority_s_and_a_server_s_certificate_are_valid_on_a_board_without_a_clock(authority: Authority) -> None:
    issued = authority.sign_server(new_key().public_key(), ["broker.lan"], ["192.168.1.5"])

    for certificate in (authority.certificate, certificate_of(issued)):
        assert certificate.not_valid_before_utc.timestamp() == 0.0
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_nothing_outlives_the_authority(tmp_path: Path, clock: Clock) -> None:
    authority = create_authority(tmp_path / "short", "short", days=10, now_unix_s=clock)

    assert (
        certificate_of(authority.sign(asked(), PI4)).not_valid_after_utc == authority.certificate.not_valid_after_utc
    )


def test_a_token_gets_one_certificate_and_the_same_one_when_the_answer_was_lost(authority: Authority) -> None:
    token, request = authority.give_token(PI4, 3600), asked()
    first = authority.redeem(token, request)

    assert authority.redeem(token, request) == first
    with pytest.raises(RefusedError, match="used before, for another key"):
        authority.redeem(token, asked())
    assert len(authority.entries()) == 1


def test_a_token_ends(authority: Authority, clock: Clock) -> None:
    token, request = authority.give_token(PI4, 3600), asked()
    clock.now_s += 3601
    with pytest.raises(RefusedError, match=r"ended at 2026-\d\d-\d\d \d\d:\d\d UTC"):
        authority.redeem(token, request)
    assert authority.entries() == []


def test_a_token_is_for_one_device(authority: Authority) -> None:
    token = authority.give_token(PI4, 3600)
    with pytest.raises(RefusedError, match="only 'pi4-01'"):
        authority.redeem(token, asked("pi4-02"))
    renamed = Token(token.secret, token.fingerprint, "pi4-02")
    with pytest.raises(RefusedError, match="not known"):
        authority.redeem(renamed, asked("pi4-02"))
    assert common_name(certificate_of(authority.redeem(token, asked()))) == "pi4-01"


def test_a_guessed_token_is_not_known(authority: Authority) -> None:
    with pytest.raises(RefusedError, match="not known"):
        authority.redeem(new_token("pi4-01", authority.fingerprint), asked())


def test_the_register_holds_no_secret_of_a_token(authority: Authority) -> None:
    token = authority.give_token(PI4, 3600)
    kept = (authority.directory / "register.sqlite3").read_bytes()

    assert token.secret not in kept
    assert token.secret.hex().encode() not in kept
    assert base64.urlsafe_b64encode(token.secret)[:20] not in kept
    assert token.digest.encode() in kept


def test_two_devices_with_one_key_are_a_copied_card(authority: Authority) -> None:
    key = new_key()
    authority.sign(asked("pi4-01", key), PI4)
    with pytest.raises(RefusedError, match="was its card copied"):
        authority.sign(asked("pi4-02", key), names.device("pi4-02"))


def test_the_same_request_gets_the_same_certificate_until_it_is_due(authority: Authority, clock: Clock) -> None:
    request = asked()
    first = authority.sign(request, PI4)
    assert authority.sign(request, PI4) == first
    clock.now_s = due_at(certificate_of(first)).timestamp() + 1

    assert authority.sign(request, PI4) != first


def test_renewal_is_for_whoever_holds_a_certificate_and_under_the_same_name(authority: Authority) -> None:
    present = certificate_of(authority.sign(asked(), PI4))
    renewed = certificate_of(authority.renew(present, asked()))

    assert common_name(renewed) == "pi4-01"
    assert renewed.serial_number != present.serial_number
    with pytest.raises(RefusedError, match="only 'pi4-01'"):
        authority.renew(present, asked("pi4-02"))


def test_a_server_s_certificate_renews_nothing(authority: Authority) -> None:
    present = certificate_of(authority.sign_server(new_key().public_key(), ["broker.lan"], []))
    with pytest.raises(RefusedError, match="none of a device"):
        authority.renew(present, asked())


def test_revocation_takes_certificates_tokens_and_renewals(authority: Authority) -> None:
    key = new_key()
    present = certificate_of(authority.sign(asked(key=key), PI4))
    other = certificate_of(authority.sign(asked("pi4-02"), names.device("pi4-02")))
    token = authority.give_token(PI4, 3600)
    outcome = authority.revoke("pi4-01")
    listed = read_list((authority.directory / "fleet.crl").read_text(), "the list")

    assert [entry.name for entry in outcome.revoked] == ["pi4-01"]
    assert outcome.tokens == 1
    assert listed.get_revoked_certificate_by_serial_number(present.serial_number) is not None
    assert listed.get_revoked_certificate_by_serial_number(other.serial_number) is None
    assert listed.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type]
    for attempt in (
        lambda: authority.renew(present, asked()),
        lambda: authority.redeem(token, asked()),
        lambda: authority.sign(asked(key=key), PI4),
        lambda: authority.name_of(present),
    ):
        with pytest.raises(RefusedError, match=r"revoked|withdrawn"):
            attempt()
    assert common_name(certificate_of(authority.redeem(authority.give_token(PI4, 60), asked()))) == "pi4-01"


def test_revocation_by_serial_number_takes_one(authority: Authority) -> None:
    first, second = (certificate_of(authority.sign(asked(), PI4)) for _ in range(2))
    serial = f"{first.serial_number:040x}"
    outcome = authority.revoke(":".join(serial[i : i + 2] for i in range(0, 40, 2)))

    assert len(outcome.revoked) == 1
    assert authority.name_of(second) == "pi4-01"
    with pytest.raises(RefusedError, match="no certificate of this name"):
        authority.revoke("pi4-99")


def test_the_list_counts_up_and_forgets_what_has_expired(authority: Authority, clock: Clock) -> None:
    authority.sign(asked(), PI4)
    authority.revoke("pi4-01")
    path = authority.write_list()
    before = read_list(path.read_text(), "the list")
    clock.now_s += (CLIENT_DAYS + 2) * DAY_S
    after = read_list(authority.write_list().read_text(), "the list")
    number = [crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for crl in (before, after)]

    assert (len(before), len(after)) == (1, 0)
    assert number[1] == number[0] + 1


def test_what_the_list_of_certificates_says(authority: Authority, clock: Clock) -> None:
    authority.sign(asked(), PI4)
    authority.sign(asked("pi4-02"), names.device("pi4-02"))
    authority.revoke("pi4-02")
    clock.now_s += 250 * DAY_S
    assert [line.state for line in lines(authority.entries(), clock.now_s)] == ["due", "revoked"]
    authority.sign(asked(), PI4)
    assert [line.state for line in lines(authority.entries(), clock.now_s)] == ["replaced", "revoked", "valid"]
    clock.now_s += 400 * DAY_S
    assert [line.state for line in lines(authority.entries(), clock.now_s)] == ["expired", "revoked", "expired"]


def test_a_locked_key_needs_its_passphrase(tmp_path: Path) -> None:
    create_authority(tmp_path, "fleet", passphrase=b"correct horse")

    assert Authority(tmp_path, b"correct horse").fingerprint
    for wrong in (None, b"battery"):
        with pytest.raises(ConfigurationError, match="passphrase"):
            Authority(tmp_path, wrong)
    with pytest.raises(ConfigurationError, match="authority already"):
        create_authority(tmp_path, "fleet")


def test_only_the_owner_reads_an_authority(authority: Authority) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in authority.directory.iterdir()}

    assert authority.directory.stat().st_mode & 0o777 == 0o700
    assert (modes["ca.key"], modes["register.sqlite3"]) == (0o600, 0o600)


def test_a_directory_that_holds_something_is_neither_closed_nor_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "letters.txt").touch()
    with pytest.raises(ConfigurationError, match=r"holds 'letters\.txt'"):
        create_authority(tmp_path, "fleet")
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_register_whose_key_is_elsewhere_is_not_replaced(authority: Authority) -> None:
    authority.sign(asked(), PI4)
    (authority.directory / "ca.key").rename(authority.directory.parent / "safe")
    with pytest.raises(ConfigurationError, match=r"not its ca\.key: put that back"):
        create_authority(authority.directory, "fleet")
    (authority.directory.parent / "safe").rename(authority.directory / "ca.key")
    assert [entry.name for entry in Authority(authority.directory).entries()] == ["pi4-01"]


def test_an_authority_whose_key_others_may_read_does_not_sign(authority: Authority) -> None:
    (authority.directory / "ca.key").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600 "):
        Authority(authority.directory)


def test_an_authority_that_has_ended_signs_nothing(authority: Authority, clock: Clock) -> None:
    token = authority.give_token(PI4, 5000 * DAY_S)
    clock.now_s += 3652 * DAY_S
    with pytest.raises(RefusedError, match="the authority ended on"):
        authority.sign(asked(), PI4)
    with pytest.raises(RefusedError, match="the authority ended on"):
        authority.redeem(token, asked())
    with pytest.raises(RefusedError, match="the authority ended on"):
        authority.sign_server(new_key().public_key(), ["broker.lan"], [])


def test_nobody_else_can_hold_the_lock(authority: Authority, tmp_path: Path) -> None:
    with locked(tmp_path):
        pass
    assert {path.stat().st_mode & 0o777 for path in (authority.directory / ".lock", tmp_path / ".lock")} == {0o600}


def test_a_directory_that_is_no_authority_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="pki init"):
        Authority(tmp_path)


@pytest.mark.parametrize("event", ["INSERT ON certificates", "UPDATE ON tokens"])
def test_a_change_that_fails_leaves_nothing(event: str, authority: Authority) -> None:
    token = authority.give_token(PI4, 60)
    change_register(authority, f"CREATE TRIGGER full BEFORE {event} BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(ConfigurationError, match="disk full"):
        authority.redeem(token, asked())
    change_register(authority, "DROP TRIGGER full")

    assert authority.entries() == []
    assert certificate_of(authority.redeem(token, asked()))


def change_register(authority: Authority, statement: str) -> None:
    with closing(sqlite3.connect(authority.directory / "register.sqlite3")) as db, db:
        db.execute(statement)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
def test_a_token_is_read_as_it_was_written(secret: bytes, fingerprint: bytes) -> None:
    token = Token(secret, fingerprint.hex(), "pi4.kitchen_1-a")

    assert parse_token(f" {token}\n") == token


@given(st.text(max_size=120))
def test_any_other_text_is_no_token(text: str) -> None:
    with pytest.raises(RefusedError, match="no token") as caught:
        parse_token(text)
    assert len(text) < 10 or text not in str(caught.value)


def test_whoever_is_refused_too_often_waits_and_nobody_else() -> None:
    limit = RefusalLimit(most=3, period_s=60)
    for second in range(3):
        assert limit.wait_s("a", second) == 0.0
        limit.note_refusal("a", float(second))

    assert limit.wait_s("a", 10.0) == 50.0
    assert limit.wait_s("b", 10.0) == 0.0
    assert limit.wait_s("a", 61.0) == 0.0


def test_the_limit_forgets_the_oldest_address_before_it_grows() -> None:
    limit = RefusalLimit(most=1)
    for number in range(5000):
        limit.note_refusal(str(number), 0.0)

    assert limit.wait_s("0", 1.0) == 0.0
    assert limit.wait_s("4999", 1.0) > 0.0


def test_a_foreign_signature_is_seen(tmp_path: Path, authority: Authority) -> None:
    other = create_authority(tmp_path / "other", "fleet")
    made = certificate_of(other.sign(asked(), PI4))

    assert not is_signed_by(made, authority.certificate)
    assert made.signature_hash_algorithm is not None
    assert made.signature_hash_algorithm.name == hashes.SHA256.name
