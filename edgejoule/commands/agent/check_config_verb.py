"""``edgejoule agent check-config``: read the configuration, find driver and model, open no port."""

import argparse
from pathlib import Path
from typing import Any

from edgejoule.output import EXIT_DONE, stdout_console, write_json


def run(arguments: argparse.Namespace) -> int:
    """Check, and say what the configuration amounts to."""
    from edge_agent.app import prepare
    from edge_agent.config import load_config

    config = load_config(arguments.config)
    prepared = prepare(config)
    if arguments.load and config.input.source != "application":
        from edge_agent.loaded_model import load_model

        load_model(config.model, prepared.model)
    ordered = _ordered(Path(config.device.state_dir)) if config.remote.operators else {}
    if arguments.json:
        write_json(_with(config, ordered))
        return EXIT_DONE
    _say(
        f"{arguments.config}: ok. {config.device.id} measures {prepared.model.model_id} with a "
        f"{prepared.driver.name} on {config.meter.port} and reports to {config.broker.url}."
    )
    if ordered:
        changed = ", ".join(f"{name} = {value}" for name, value in ordered.items())
        _say(f"Orders have changed: {changed}. An order to reset takes that back.")
    return EXIT_DONE


def _ordered(state_dir: Path) -> dict[str, Any]:
    """Return what orders have changed over the file, the model by its name."""
    from edge_agent.remote.settings import SettingsFile

    settings = SettingsFile(state_dir).settings
    model = None if settings.model is None else settings.model.model_id
    found = {"window_s": settings.window_s, "duty_ratio": settings.duty_ratio, "model": model}
    return {name: value for name, value in found.items() if value is not None}


def _with(config: Any, ordered: dict[str, Any]) -> Any:
    """Return the configuration, and beside its tables what orders have changed where they have."""
    import msgspec

    return {**msgspec.to_builtins(config), "ordered": ordered} if ordered else config


def _say(text: str) -> None:
    stdout_console().print(text, markup=False, soft_wrap=True)
