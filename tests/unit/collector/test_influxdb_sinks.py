"""The InfluxDB sinks against a loopback server that speaks the documented write APIs: the same rules hold for all.

The real servers of 2.x and 3 are not run anywhere in these tests; 1.6.7 is, in tests/integration.
"""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sinks import influx_rows
from collector.sinks.influx_rows import InfluxSink, Writer, write_lines, write_rows
from collector.sinks.influx_writing import STORED, Answer, judge
from collector.sinks.influxdb_v1 import InfluxV1Writer
from collector.sinks.influxdb_v2 import InfluxV2Writer
from collector.sinks.influxdb_v3 import InfluxV3Writer
from collector.sinks.line_protocol import LineEncoder
from collector.values import StoredWindow
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.influx_http import Reply, WriteServer, running_write_server
from tests.fakes.windows import make_fleet_rows, make_stored

AnySink = InfluxSink[StoredWindow]


@pytest.fixture
def server() -> Iterator[WriteServer]:
    with running_write_server() as running:
        yield running


def v1(url: str) -> AnySink:
    return sink_of(InfluxV1Writer(url, "edgejoule", username="collector", password="pass word", timeout_s=5.0))


def v2(url: str) -> AnySink:
    return sink_of(InfluxV2Writer(url, "green", "edgejoule", token="secret-token", timeout_s=5.0))


def v3(url: str) -> AnySink:
    return sink_of(InfluxV3Writer(url, "edgejoule", token="secret-token", timeout_s=5.0))


def v3_whole(url: str) -> AnySink:
    """All or nothing."""
    return sink_of(InfluxV3Writer(url, "edgejoule", token="secret-token", accept_partial=False, timeout_s=5.0))


def sink_of(writer: Writer) -> AnySink:
    return InfluxSink(writer, LineEncoder())


REQUESTS: dict[str, tuple[Callable[[str], AnySink], str, str]] = {
    "v1": (v1, "/write?db=edgejoule", "Basic Y29sbGVjdG9yOnBhc3Mgd29yZA=="),
    "v2": (v2, "/api/v2/write?org=green&bucket=edgejoule&precision=ns", "Token secret-token"),
    "v3": (
        v3,
        "/api/v3/write_lp?db=edgejoule&precision=nanosecond&accept_partial=true&no_sync=false",
        "Bearer secret-token",
    ),
    "v3_whole": (
        v3_whole,
        "/api/v3/write_lp?db=edgejoule&precision=nanosecond&accept_partial=false&no_sync=false",
        "Bearer secret-token",
    ),
}


@pytest.fixture(params=REQUESTS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sink(kind: str, server: WriteServer) -> Iterator[AnySink]:
    made = REQUESTS[kind][0](server.url)
    yield made
    made.close()


def test_rows_are_stored_and_the_request_is_as_documented(kind: str, sink: AnySink, server: WriteServer) -> None:
    outcome = sink.write(make_fleet_rows(5))
    assert (outcome.accepted, outcome.rejected, outcome.kept) == (15, (), 0)
    assert len(server.stored) == 15
    path, headers = server.requests[0]
    assert (path, headers["Authorization"]) == REQUESTS[kind][1:]


def test_writing_again_stores_nothing_twice(sink: AnySink, server: WriteServer) -> None:
    rows = make_fleet_rows(3)
    sink.write(rows)
    sink.write(rows)
    assert len(server.stored) == 9
    assert server.connections == 1


def test_one_bad_row_is_rejected_with_the_reason_and_the_rest_stored(sink: AnySink, server: WriteServer) -> None:
    server.bad_word = b"seq=4i,"
    rows = [make_stored(row_id) for row_id in range(1, 11)]
    outcome = sink.write(rows)
    assert outcome.accepted == 9
    assert [rejected.row.row_id for rejected in outcome.rejected] == [4]
    assert "invalid number" in outcome.rejected[0].reason
    assert outcome.kept == 0
    assert len(server.stored) == 9


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"code": "unauthorized", "message": "unauthorized access"}, "correct the user, password or token"),
        (403, {"error": "user not authorized to write"}, "right to write"),
        (404, {"code": "not found", "message": 'bucket "edgejoule" not found'}, "create the database or bucket"),
        (429, {"code": "too many requests", "message": "org over limit"}, "tried again"),
        (500, {"error": "timeout"}, "timeout"),
        (503, None, "HTTP 503"),
        (400, {"code": "invalid", "message": "failed to decode org id"}, "failed to decode org id"),
    ],
)
def test_what_is_not_the_rows_fault_keeps_them_with_a_clear_reason(
    sink: AnySink, server: WriteServer, status: int, body: object, words: str
) -> None:
    server.replies.append(Reply(status, body))
    outcome = sink.write(make_fleet_rows(2))
    assert (outcome.accepted, outcome.rejected, outcome.kept) == (0, (), 6)
    assert words in outcome.retry_reason
    assert server.url in outcome.retry_reason
    assert "secret" not in outcome.retry_reason
    assert "pass word" not in outcome.retry_reason
    assert sink.write(make_fleet_rows(2)).accepted == 6


def test_a_server_that_goes_away_in_the_middle_keeps_the_rest(kind: str, sink: AnySink, server: WriteServer) -> None:
    """Parts of a refused body: the first is in when the server fails, so what comes after it is kept.

    The parts are halves, or, where the seventh row was named, all others (the eighth comes again) and that one.
    """
    server.bad_word = b"seq=7i,"
    server.replies.extend([Reply(), Reply(), Reply(503, {"error": "no"})])
    outcome = sink.write([make_stored(row_id) for row_id in range(1, 9)])
    named = kind.startswith("v3")
    assert (outcome.accepted, outcome.kept) == ((6, 2) if named else (4, 4))
    assert len(server.stored) == (7 if named else 4)


def test_no_server_at_all_keeps_the_rows(kind: str) -> None:
    with running_write_server() as server:
        url = server.url
    sink = REQUESTS[kind][0](url)
    outcome = sink.write(make_fleet_rows(1))
    sink.close()
    assert (outcome.accepted, outcome.kept) == (0, 3)
    assert "not reachable" in outcome.retry_reason


def test_a_kept_alive_connection_that_the_server_closed_is_opened_again_at_once(server: WriteServer) -> None:
    sink = v1(server.url)
    sink.write([make_stored(1)])
    server.replies.append(Reply(drop=True))
    assert sink.write([make_stored(2)]).accepted == 1
    sink.close()
    assert server.connections == 2


def test_a_body_that_is_too_large_is_halved(sink: AnySink, server: WriteServer) -> None:
    server.replies.append(Reply(413, {"error": "Request Entity Too Large"}))
    assert sink.write(make_fleet_rows(2)).accepted == 6
    assert len(server.requests) == 3


def test_a_type_conflict_of_version_2_is_the_rows_fault(server: WriteServer) -> None:
    server.bad_status = 422
    server.bad_word = b"seq=2i,"
    sink = v2(server.url)
    outcome = sink.write([make_stored(1), make_stored(2)])
    sink.close()
    assert (outcome.accepted, len(outcome.rejected)) == (1, 1)


@pytest.mark.parametrize("url", ["influx:8086", "ftp://host", "http://", "http://host:99999", ""])
def test_a_url_that_is_none_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="http://host:8086"):
        InfluxV1Writer(url, "edgejoule")


class Refusing:
    """A writer that refuses a body with a bad line in it, without a word about which, and is away after a while."""

    def __init__(self, is_bad: Callable[[str], bool], fail_at: int | None = None, words: str = "bad") -> None:
        self.stored: set[str] = set()
        self.posts = 0
        self._is_bad, self._fail_at, self._words = is_bad, fail_at, words

    def post(self, body: bytes) -> Answer:
        self.posts += 1
        if self._fail_at is not None and self.posts > self._fail_at:
            return Answer("later", "gone")
        lines = body.decode().split("\n")
        if bad := sum(map(self._is_bad, lines)):
            return Answer("bad_data", "bad", self._words.format(count=bad))
        self.stored.update(lines)
        return STORED

    def close(self) -> None:
        """Nothing is open."""


@given(
    bad=st.sets(st.integers(1, 30), max_size=6),
    fail_at=st.none() | st.integers(0, 40),
    count=st.integers(0, 30),
)
def test_every_row_is_accepted_rejected_or_kept_and_in_order(bad: set[int], fail_at: int | None, count: int) -> None:
    rows = [make_stored(row_id) for row_id in range(1, count + 1)]
    writer = Refusing(lambda line: any(f"seq={seq}i," in line for seq in bad), fail_at)
    outcome = write_rows(rows, LineEncoder(), writer)
    done = rows[: count - outcome.kept]
    assert outcome.accepted + len(outcome.rejected) == len(done)
    assert [r.row.row_id for r in outcome.rejected] == [row.row_id for row in done if row.row_id in bad]
    encoder = LineEncoder()
    assert writer.stored == {encoder.encode(row) for row in done if row.row_id not in bad}
    assert bool(outcome.kept) == bool(outcome.retry_reason)


def test_the_same_status_is_judged_by_the_servers_words() -> None:
    assert judge("db", 400, "partial write: points beyond retention policy dropped=1").verdict == "bad_data"
    assert judge("db", 400, "database is required").verdict == "later"
    assert judge("db", 302, "").verdict == "later"
    assert judge("db", 400, '{"error": "parsing failed for write_lp endpoint"}').verdict == "bad_data"


LINES = [f"m,d=a x={number % 7},y=1 {10**18 + number}" for number in range(4096)]


@pytest.mark.parametrize(
    ("is_bad", "words", "most"),
    [
        (lambda line: "x=3," in line, 'input field "x" on measurement "m" is type float dropped={count}', 5000),
        (lambda line: " x=" in line, 'input field "x" on measurement "m" is type float dropped={count}', 1),
        (lambda line: int(line[-4:]) < 700, "points beyond retention policy dropped={count}", 3),
        (lambda line: int(line[-4:]) < 700, "dropped {count} points outside retention policy of duration 1h", 3),
        (lambda line: int(line[-4:]) == 1234, "no clue", 2 * 12 + 1),
        (lambda line: int(line[-4:]) in {0, 4095}, "no clue", 4 * 12 + 1),
        (lambda line: not line, "", 1),
    ],
)
def test_what_finding_bad_lines_costs(is_bad: Callable[[str], bool], words: str, most: int) -> None:
    writer = Refusing(is_bad, words=words)
    refused: set[str] = set()
    waiting, calls = LINES, 0
    while waiting:
        outcome = write_lines(waiting, writer)
        refused |= {waiting[place] for place in outcome.refused}
        waiting, calls = waiting[outcome.settled :], calls + 1
    assert refused == {line for line in LINES if is_bad(line)}
    assert writer.stored == set(LINES) - refused
    assert writer.posts <= most
    assert calls <= 1 + most // influx_rows.MOST_REQUESTS


@pytest.mark.parametrize("make", [v3, v3_whole])
def test_lines_that_version_3_names_are_refused_each_with_its_own_reason(
    server: WriteServer, make: Callable[[str], AnySink]
) -> None:
    server.bad_word = b"throttled=true"
    sink = make(server.url)
    rows = [make_stored(row_id, throttled=row_id % 10 == 0) for row_id in range(1, 41)]
    outcome = sink.write(rows)
    sink.close()
    assert [rejected.row.row_id for rejected in outcome.rejected] == [10, 20, 30, 40]
    assert {rejected.reason for rejected in outcome.rejected} == {"invalid number"}
    assert (outcome.accepted, outcome.kept, len(server.stored)) == (36, 0, 36)
    if make is v3:
        assert len(server.requests) == 3, "all, those that were named, the rest"


def test_a_line_that_version_3_names_wrongly_is_not_condemned(server: WriteServer) -> None:
    """Were the numbers of another count, a good row would go: what is named is tried once more."""
    wrong = [{"original_line": "?", "line_number": number, "error_message": "no"} for number in (1, 99, 0, -4)]
    server.replies.append(Reply(400, {"error": "partial write of line protocol occurred", "data": wrong}))
    sink = v3(server.url)
    assert sink.write([make_stored(row_id) for row_id in range(1, 6)]).accepted == 5
    sink.close()
