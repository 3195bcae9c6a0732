"""``edgejoule collector init``: the databases or buckets that the configuration names, with their retention."""

import argparse

from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json


def run(arguments: argparse.Namespace) -> int:
    """Create what is missing, correct retention, and say what was done and what was there."""
    from collector.config import read_config
    from collector.store_setup import GOOD, set_up_stores

    config = read_config(arguments.config)
    stores = [] if config.influxdb is None else set_up_stores(config.influxdb, dry_run=arguments.dry_run)
    if arguments.json:
        write_json({"dry_run": arguments.dry_run, "stores": stores})
    else:
        console = stdout_console()
        for store in stores:
            line = f"{store.kind} {store.name} ({store.holds}): {store.text}"
            console.print(line, markup=False, soft_wrap=True)
        if not stores:
            console.print(f"{arguments.config}: no [influxdb], so there is nothing to set up", markup=False)
    if arguments.dry_run:
        return EXIT_NO if any(store.state == "failed" for store in stores) else EXIT_DONE
    return EXIT_DONE if all(store.state in GOOD | {"unknown"} for store in stores) else EXIT_NO
