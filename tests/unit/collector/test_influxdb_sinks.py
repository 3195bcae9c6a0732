"""Both InfluxDB sinks against a loopback server that speaks the documented write API: the same rules hold for both."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sinks.influx_writing import STORED, Answer, judge, write_rows
from collector.sinks.influxdb_v1 import InfluxV1Sink
from collector.sinks.influxdb_v2 import InfluxV2Sink
from collector.sinks.line_protocol import LineEncoder
from collector.values import StoredWindow
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.influx_http import Reply, WriteServer, running_write_server
from tests.fakes.windows import make_fleet_rows, make_stored

AnySink = InfluxV1Sink[StoredWindow] | InfluxV2Sink[StoredWindow]


@pytest.fixture
def server() -> Iterator[WriteServer]:
    with running_write_server() as running:
        yield running


def v1(url: str) -> AnySink:
    return InfluxV1Sink(url, "edgejoule", LineEncoder(), username="collector", password="pass word", timeout_s=5.0)


def v2(url: str) -> AnySink:
    return InfluxV2Sink(url, "green", "edgejoule", LineEncoder(), token="secret-token", timeout_s=5.0)


@pytest.fixture(params=[v1, v2], ids=["v1", "v2"])
def sink(request: pytest.FixtureRequest, server: WriteServer) -> Iterator[AnySink]:
    made: AnySink = request.param(server.url)
    yield made
    made.close()


def test_rows_are_stored_and_the_request_is_as_documented(sink: AnySink, server: WriteServer) -> None:
    outcome = sink.write(make_fleet_rows(5))
    assert (outcome.accepted, outcome.rejected, outcome.kept) == (15, (), 0)
    assert len(server.stored) == 15
    path, headers = server.requests[0]
    if isinstance(sink, InfluxV1Sink):
        assert path == "/write?db=edgejoule"
        assert headers["Authorization"] == "Basic Y29sbGVjdG9yOnBhc3Mgd29yZA=="
    else:
        assert path == "/api/v2/write?org=green&bucket=edgejoule&precision=ns"
        assert headers["Authorization"] == "Token secret-token"


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
    assert "unable to parse" in outcome.rejected[0].reason
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


def test_a_server_that_goes_away_in_the_middle_keeps_the_rest(sink: AnySink, server: WriteServer) -> None:
    """Halves of a refused body: the first half is in when the server fails, so only the second is kept."""
    server.bad_word = b"seq=7i,"
    server.replies.extend([Reply(), Reply(), Reply(503, {"error": "no"})])
    outcome = sink.write([make_stored(row_id) for row_id in range(1, 9)])
    assert (outcome.accepted, outcome.kept) == (4, 4)
    assert len(server.stored) == 4


@pytest.mark.parametrize("make", [v1, v2])
def test_no_server_at_all_keeps_the_rows(make: Callable[[str], AnySink]) -> None:
    with running_write_server() as server:
        url = server.url
    sink = make(url)
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
        InfluxV1Sink(url, "edgejoule", LineEncoder())


@given(
    bad=st.sets(st.integers(1, 30), max_size=6),
    fail_at=st.none() | st.integers(0, 40),
    count=st.integers(0, 30),
)
def test_every_row_is_accepted_rejected_or_kept_and_in_order(bad: set[int], fail_at: int | None, count: int) -> None:
    rows = [make_stored(row_id) for row_id in range(1, count + 1)]
    stored: set[bytes] = set()
    posts = 0

    def post(body: bytes) -> Answer:
        nonlocal posts
        posts += 1
        if fail_at is not None and posts > fail_at:
            return Answer("later", "gone")
        lines = body.split(b"\n")
        if any(f"seq={seq}i,".encode() in line for line in lines for seq in bad):
            return Answer("bad_data", "bad")
        stored.update(lines)
        return STORED

    outcome = write_rows(rows, LineEncoder(), post)
    done = rows[: count - outcome.kept]
    assert outcome.accepted + len(outcome.rejected) == len(done)
    assert [r.row.row_id for r in outcome.rejected] == [row.row_id for row in done if row.row_id in bad]
    encoder = LineEncoder()
    assert stored == {encoder.encode(row).encode() for row in done if row.row_id not in bad}
    assert bool(outcome.kept) == bool(outcome.retry_reason)


def test_the_same_status_is_judged_by_the_servers_words() -> None:
    assert judge("db", 400, "partial write: points beyond retention policy dropped=1").verdict == "bad_data"
    assert judge("db", 400, "database is required").verdict == "later"
    assert judge("db", 302, "").verdict == "later"
