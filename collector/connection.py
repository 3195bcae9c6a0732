"""Reach the broker: over which transport, and in which version of MQTT."""

import structlog

from collector.intake import BrokerConnection, Intake
from collector.mqtt_connection import MqttConnection
from collector.paho_connection import PahoConnection
from collector.session import ConnectFailedError, Session
from edge_agent.wire.mqtt import BrokerSettings, MqttVersion, parse_broker_url
from edge_agent.wire.mqtt_version import first_version, note_worked, other_version

_LOG = structlog.get_logger()


def connect(settings: BrokerSettings, session: Session, intake: Intake) -> BrokerConnection:
    """Return a connection that is subscribed and puts what comes into ``intake``.

    Raises BrokerUnavailableError with the remedy in its text, ConfigurationError for files that cannot be read.
    """
    version = first_version(settings)
    try:
        connection = _open(settings, session, intake, version)
    except ConnectFailedError as error:
        other = None if error.end is None else other_version(settings, version, error.end)
        if other is None:
            raise
        connection = _open(settings, session, intake, version := other)
    if note_worked(settings, version):
        hint = f'protocol = "{version}" in [broker] spares the first try'
        _LOG.info("mqtt_version", broker=str(parse_broker_url(settings.url)), version=version, remedy=hint)
    return connection


def _open(settings: BrokerSettings, session: Session, intake: Intake, version: MqttVersion) -> BrokerConnection:
    web_socket = parse_broker_url(settings.url).transport == "websockets"
    kind = PahoConnection if web_socket else MqttConnection
    connection = kind(settings, session, intake, version)
    connection.open()
    return connection
