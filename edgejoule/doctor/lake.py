"""A lake that is no directory of this machine: can a collector write there, and does it read back?"""

import secrets

from collector.sinks.lake_place import place_of
from collector.store_config import LakeUrl
from edge_agent.wire.errors import ConfigurationError
from edgejoule.doctor.finding import Finding, failure, ok

REMEDY = "correct [lake] dir and options, or the store; until then the journal keeps the rows"


def check_lake_address(where: LakeUrl) -> Finding:
    """Write a small file as the collector would, read it back and remove it again."""
    name = f"_doctor-{secrets.token_hex(8)}"
    try:
        place = place_of(where)
        place.write(name, b"edgejoule doctor was here")
        place.remove(name)
    except (OSError, ConfigurationError) as error:
        return failure("lake", f"{where}: {error}", REMEDY)
    return ok("lake", f"{where} takes files, and they read back")
