"""Whether the catalogue that comes along is whole: each file has the hash that is pinned. Nothing is run."""

from pathlib import Path
from typing import Final

from edge_agent.model_catalog import list_models, verify
from edge_agent.wire.errors import ConfigurationError
from edgejoule.doctor.finding import Finding, failure, ok

TOPIC: Final = "models"
REMEDY: Final = "reinstall edgejoule: pip install --force-reinstall --no-deps edgejoule"


def check_catalog(directory: Path | None = None) -> Finding:
    """Compare every model and check set of the catalogue in ``directory`` (default: the one that comes along)."""
    problems = []
    try:
        models = list_models(directory)
    except ConfigurationError as error:
        return failure(TOPIC, str(error), REMEDY)
    if not models:
        return failure(TOPIC, "the catalogue that comes along holds no model", REMEDY)
    for model in models:
        try:
            verify(model)
        except ConfigurationError as error:
            problems.append(str(error))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return failure(TOPIC, f"{problems[0]}{more}", REMEDY)
    return ok(TOPIC, f"{len(models)} come along, each with the hash that the catalogue pins")
