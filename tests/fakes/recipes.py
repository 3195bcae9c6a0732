"""Recipes as modules, to be asked for their parts; as programs, ``edgejoule models train`` runs them."""

import importlib.util
from pathlib import Path
from types import ModuleType


def load_recipe(path: Path) -> ModuleType:
    """Return the recipe in a file, loaded anew."""
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
