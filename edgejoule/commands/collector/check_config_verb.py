"""``edgejoule collector check-config``: the configuration and every file that it names."""

import argparse

from edgejoule.output import EXIT_DONE, stdout_console


def run(arguments: argparse.Namespace) -> int:
    """Check what the collector would run with; write nothing, connect to nothing."""
    from collector.build import (
        build_assessor,
        build_blob_server,
        build_intensities,
        build_inventory,
        build_sinks,
        check_grid_forecast,
    )
    from collector.config import read_config
    from collector.intensity.configured import configured_sources
    from collector.model_row import developments

    config = read_config(arguments.config)
    for sink in build_sinks(config, build_assessor(config)):
        sink.close()
    configured_sources(config.intensity)
    config.web.token()
    build_blob_server(config)
    check_grid_forecast(config)
    inventory = build_inventory(config)
    developments(inventory.models, build_intensities(config)[0].yearly, inventory.where)
    stdout_console().print(f"{arguments.config}: good")
    return EXIT_DONE
