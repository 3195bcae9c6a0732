"""``edgejoule agent check-config``: read the configuration, find driver and model, open no port."""

import argparse

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
    if arguments.json:
        write_json(config)
    else:
        stdout_console().print(
            f"{arguments.config}: ok. {config.device.id} measures {prepared.model.model_id} with a "
            f"{prepared.driver.name} on {config.meter.port} and reports to {config.broker.url}.",
            markup=False,
            soft_wrap=True,
        )
    return EXIT_DONE
