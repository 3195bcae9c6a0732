"""The model that a configuration names, found and verified."""

from pathlib import Path

from edge_agent.config import AgentConfig
from edge_agent.model_catalog import CatalogModel, ModelFacts, file_size_bytes, find_model, verify
from edge_agent.wire.errors import ConfigurationError


def chosen_model(config: AgentConfig) -> CatalogModel:
    """Return the model of ``[model]``, its files being what is pinned. Raises ConfigurationError."""
    section = config.model
    if section.path:
        model = CatalogModel(
            model_id=section.id,
            path=Path(section.path),
            sha256=section.sha256 or "",
            task="",
            check_set=Path(section.check_set) if section.check_set else None,
            check_set_sha256=section.check_set_sha256,
            facts=ModelFacts(size_bytes=file_size_bytes(Path(section.path))),
        )
    else:
        model = find_model(section.id, Path(section.catalog) if section.catalog else None, section.catalog_sha256)
        if section.sha256 not in {None, model.sha256}:
            raise ConfigurationError(
                f"[model] sha256 = {section.sha256}, but the catalog's {section.id} is {model.sha256}; remove the "
                "key, or give the path of your own file"
            )
    verify(model)
    return model
