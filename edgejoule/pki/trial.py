"""Whether a new certificate opens the broker that the agent uses: asked before the old one is given up."""

from pathlib import Path

import msgspec

from edge_agent.config import AgentConfig
from edge_agent.wire.mqtt import parse_broker_url
from edge_agent.wire.toml_config import read_toml
from edgejoule.pki.enrolment import Trial


def broker_trial(agent_config: Path) -> Trial:
    """Return a trial at the broker of ``agent_config``. Raises ConfigurationError."""
    settings = read_toml(agent_config, AgentConfig).broker
    _ = parse_broker_url(settings.url)

    def attempt(key: Path, certificate: Path, authority: Path) -> str:
        from edgejoule.doctor.visitor import visiting  # noqa: PLC0415  needs paho, an extra

        named = agent_config.parent / settings.ca_file
        known = settings.ca_file and named.is_file()  # a service's credentials are there only while it runs
        password = agent_config.parent / settings.password_file if settings.password_file else None
        pair = msgspec.structs.replace(
            settings,
            username="" if password and not password.is_file() else settings.username,
            password_file=str(password) if password and password.is_file() else "",
            ca_file=str(named if known else authority),
            cert_file=str(certificate),
            key_file=str(key),
        )
        with visiting(pair) as visitor:
            return visitor.fault

    return attempt
