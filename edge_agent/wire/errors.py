"""Errors that both ends of the wire share. The class answers: what now?"""


class ConfigurationError(Exception):
    """Somebody must change a setting or a file: trying again with the same one cannot help."""


class BrokerUnavailableError(Exception):
    """No connection now; trying again later can help. The text says what to look at."""


class RejectedRecordError(ValueError):
    """This message can never be accepted: keep it as a dead letter and go on with the next."""
