"""What a device says of itself, and what it does not."""

import structlog

from edge_agent.remote.diagnostics import LastWords, without_secrets


def test_what_is_named_like_a_secret_is_not_said() -> None:
    settings = {
        "meter": {"options": {"decryption_key": "0011", "rate_hz": 10, "pin": 1234}},
        "broker": {"username": "pi", "password_file": "/etc/p", "key_file": "/etc/k", "keepalive_s": 30},
        "list": [{"token": "t", "window_s": 1.0}],
    }
    assert without_secrets(settings) == {
        "meter": {"options": {"decryption_key": "(not said)", "rate_hz": 10, "pin": "(not said)"}},
        "broker": {"username": "pi", "password_file": "/etc/p", "key_file": "/etc/k", "keepalive_s": 30},
        "list": [{"token": "(not said)", "window_s": 1.0}],
    }  # fmt: skip


def test_the_last_lines_of_the_log_are_kept_and_bounded() -> None:
    words = LastWords(lines=3)
    words.open()
    try:
        for number in range(5):
            structlog.get_logger().info("said", number=number, long="x" * 1000)
    finally:
        words.close()
    structlog.get_logger().info("not heard any more")
    assert len(words.lines) == 3
    assert "number=4" in words.lines[-1]
    assert all(len(line) <= 500 for line in words.lines)
