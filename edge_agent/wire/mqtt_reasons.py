"""What the numbers in CONNACK, SUBACK, PUBACK and DISCONNECT mean (MQTT 5.0, table 2-6; MQTT 3.1.1, table 3.1)."""

from typing import Final

FIRST_FAILURE: Final = 0x80
SESSION_TAKEN_OVER: Final = 0x8E
_WORDS: Final = {
    0x00: "Normal disconnection",
    0x04: "Disconnect with will message",
    0x80: "Unspecified error",
    0x81: "Malformed packet",
    0x82: "Protocol error",
    0x83: "Implementation specific error",
    0x84: "Unsupported protocol version",
    0x85: "Client identifier not valid",
    0x86: "Bad user name or password",
    0x87: "Not authorized",
    0x88: "Server unavailable",
    0x89: "Server busy",
    0x8A: "Banned",
    0x8B: "Server shutting down",
    0x8C: "Bad authentication method",
    0x8D: "Keep alive timeout",
    SESSION_TAKEN_OVER: "Session taken over",
    0x8F: "Topic filter invalid",
    0x90: "Topic name invalid",
    0x91: "Packet identifier in use",
    0x93: "Receive maximum exceeded",
    0x94: "Topic alias invalid",
    0x95: "Packet too large",
    0x96: "Message rate too high",
    0x97: "Quota exceeded",
    0x98: "Administrative action",
    0x99: "Payload format invalid",
    0x9A: "Retain not supported",
    0x9B: "QoS not supported",
    0x9C: "Use another server",
    0x9D: "Server moved",
    0x9E: "Shared subscriptions not supported",
    0x9F: "Connection rate exceeded",
    0xA0: "Maximum connect time",
    0xA1: "Subscription identifiers not supported",
    0xA2: "Wildcard subscriptions not supported",
}
_V311_CONNACK: Final = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}


def reason_words(code: int, text: str = "") -> str:
    """Return the reason in words, with what the broker itself wrote beside the number."""
    words = _WORDS.get(code, f"reason code {code:#04x}")
    return f"{words}: {text}" if text else words


def connack_words(code: int, text: str = "") -> str:
    """Return the reason of a refused CONNECT; 3.1.1 has numbers of its own, also in answer to a newer CONNECT."""
    return reason_words(_V311_CONNACK.get(code, code), text)
