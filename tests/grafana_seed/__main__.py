"""Writes what the dashboards show of the seeded fleet: ``python -m tests.grafana_seed --out FILE.json``."""

import argparse
import json
import tempfile
from pathlib import Path

from tests.grafana_seed.answers import as_json
from tests.grafana_seed.site import seeded_site


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.grafana_seed", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, seeded_site(Path(directory)) as seeded:
        arguments.out.write_text(json.dumps(as_json(seeded)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
