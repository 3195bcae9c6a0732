"""Which models an application may name: the configured one, those of [input.models], and the catalog's."""

from pathlib import Path

from edge_agent.config import AgentConfig
from edge_agent.model_catalog import CatalogModel, list_models
from edge_agent.wire.errors import ConfigurationError
from edge_agent.work.protocol import ModelName


class ModelTable:
    """Finds a model by its id. Of two of one id, the configuration's wins."""

    def __init__(self, config: AgentConfig, configured: CatalogModel) -> None:
        catalog = Path(config.model.catalog) if config.model.catalog else None
        self._sha256_by_id = {
            **{model.model_id: model.sha256 for model in list_models(catalog, config.model.catalog_sha256)},
            **config.input.models,
            configured.model_id: configured.sha256,
        }

    def find(self, model_id: str) -> ModelName:
        """Return the model. Raises ConfigurationError: one line that lists the known ones."""
        sha256 = self._sha256_by_id.get(model_id)
        if sha256 is None:
            known = ", ".join(sorted(self._sha256_by_id))
            raise ConfigurationError(
                f"model {model_id!r} is not known; known: {known}; or add it to [input.models] with the sha256 of its "
                "file"
            )
        return ModelName(model_id, sha256)
