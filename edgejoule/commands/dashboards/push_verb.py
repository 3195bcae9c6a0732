"""``edgejoule dashboards push``: bring a running Grafana up to date."""

import argparse
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edgejoule.argument_types import positive
from edgejoule.commands.dashboards.builder import load_builder, load_part
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.grafana_push.push import Outcome
    from edgejoule.grafana_push.remote import Credential, Remote
    from edgejoule.grafana_push.things import Thing

_MARKS = {"created": "green", "updated": "yellow", "unchanged": "dim", "failed": "red", "skipped": "magenta"}
_STEPS = {"datasource": "10s", "datasource_hourly": "1h"}
"""Between the points of each store: a window, an hour."""
_WOULD = {"created": "would be created", "updated": "would be updated"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "Exit code 0: everything is as it should be (or could be told, with --dry-run); 1: something failed or is "
        "locked by a provisioning file; repeat it without harm."
    )
    parser.add_argument("--url", required=True, metavar="URL", help="the Grafana, for example http://127.0.0.1:3000")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="holds a service account's token")
    parser.add_argument("--user", metavar="NAME", help="instead of a token: a user ...")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="... and the file of the password")
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="certificate authorities for https://")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="collector.toml: also push data sources for its [influxdb]"
    )
    parser.add_argument(
        "--influxdb-url", metavar="URL", help="where Grafana reaches that InfluxDB, if not at the collector's address"
    )
    parser.add_argument("--secrets", action="store_true", help="write the data sources' token or password again")
    parser.add_argument("--folder-uid", metavar="UID", help="the folder (default edgejoule)")
    parser.add_argument(
        "--folder", metavar="TITLE", help="the folder's title (default edgejoule; one that is there keeps its own)"
    )
    parser.add_argument("--no-alerts", action="store_true", help="leave the alert rules out")
    parser.add_argument("--dry-run", action="store_true", help="only look and tell what would be done")
    parser.add_argument("--diff", action="store_true", help="show every difference, not only how many")
    parser.add_argument("--timeout-s", type=positive, default=10.0, metavar="S", help="for each answer (default 10)")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Push; the exit code is 1 when something is not as it should be. Raises ConfigurationError."""
    try:
        from edgejoule.grafana_push.remote import Remote
    except ModuleNotFoundError as error:
        raise ConfigurationError("dashboards push needs grafana-client: pip install 'edgejoule[grafana]'") from error
    from edgejoule.grafana_push.push import push

    ca_file = str(arguments.ca_file) if arguments.ca_file else ""
    if ca_file and not arguments.ca_file.is_file():
        raise ConfigurationError(f"{ca_file}: no such file of certificate authorities")
    outcomes = []
    remote = Remote(arguments.url, _credential(arguments), ca_file=ca_file, timeout_s=arguments.timeout_s)
    with closing(remote):
        things = list(_things(arguments, remote))
        for outcome in push(things, remote, dry_run=arguments.dry_run, secrets=arguments.secrets):
            outcomes.append(outcome)
            if not arguments.json:
                _show(outcome, arguments)
    wrong = [outcome for outcome in outcomes if outcome.did in {"failed", "skipped"}]
    if arguments.json:
        write_json({"url": remote.url, "dry_run": arguments.dry_run, "ok": not wrong, "things": outcomes})
    else:
        _conclude(outcomes, arguments, remote.url)
    return EXIT_NO if wrong else EXIT_DONE


def _credential(arguments: argparse.Namespace) -> "Credential":
    by_password = arguments.user is not None or arguments.password_file is not None
    if (arguments.token_file is not None) is by_password:
        raise ConfigurationError("give --token-file, or --user with --password-file; one of the two")
    if arguments.token_file is not None:
        token = _secret(arguments.token_file)
        if not token.isascii():
            raise ConfigurationError(f"{arguments.token_file}: holds letters that no token has")
        return token
    if arguments.user is None or arguments.password_file is None:
        raise ConfigurationError("--user and --password-file belong together; give both")
    return arguments.user, _secret(arguments.password_file)


def _secret(path: Path) -> str:
    text = read_text(path).strip()
    if not text or not text.isprintable():
        raise ConfigurationError(f"{path}: holds no secret of one line")
    return text


def _things(arguments: argparse.Namespace, remote: "Remote") -> "Iterator[Thing]":
    """Return what the server is to hold, in the order in which it is needed."""
    from edgejoule.grafana_push import things

    model, builder = load_part("model"), load_builder()
    uid, title = _folder(arguments, *model.FOLDER)
    sources = list(_data_sources(arguments, model.PROVISIONED)) if arguments.config is not None else []
    yield from sources
    if arguments.config is None and (arguments.influxdb_url is not None or arguments.secrets):
        raise ConfigurationError(
            "--influxdb-url and --secrets are about data sources; give --config collector.toml too"
        )
    yield things.folder(uid, title, rename=arguments.folder is not None)
    yield from things.dashboards([board.to_json() for board in builder.dashboards().values()], uid)
    if not arguments.no_alerts:
        windows, hourly = (things.named_source(*model.PROVISIONED[which]) for which in _STEPS)
        pushed = {source.uid for source in sources}
        there = [one.uid in pushed if pushed else remote.has(one) for one in (windows, hourly)]
        missing = f"its data source {windows.uid} is not there; give --config to push it, or --no-alerts"
        groups = load_part("alerts").rule_groups(hourly=there[1])
        yield from things.alert_groups(groups, uid, left_out="" if there[0] else missing)


def _folder(arguments: argparse.Namespace, uid: str, title: str) -> tuple[str, str]:
    """Return uid and title of the folder: those given, else these."""
    if arguments.folder_uid is not None:
        uid = arguments.folder_uid
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid):
        raise ConfigurationError(f"--folder-uid {uid!r} is no uid: 1 to 40 letters, digits, - and _")
    if arguments.folder is not None:
        title = arguments.folder.strip()
    if not title:
        raise ConfigurationError("--folder is empty; give the folder a title")
    return uid, title


def _data_sources(arguments: argparse.Namespace, provisioned: dict[str, tuple[str, str]]) -> "Iterator[Thing]":
    from collector.config import read_config
    from edgejoule.grafana_push.things import data_source

    influxdb = read_config(arguments.config).influxdb
    if influxdb is None:
        raise ConfigurationError(f"{arguments.config}: has no [influxdb]; without --config no data source is pushed")
    url = arguments.influxdb_url or influxdb.url
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise ConfigurationError("--influxdb-url is no address; write http://host:port, without a password")
    files = {"token": influxdb.token_file, "password": influxdb.password_file}
    secrets = {name: _secret(Path(file)) for name, file in files.items() if file}
    stores = {"datasource": influxdb.store, "datasource_hourly": influxdb.hourly_store}
    for which, (uid, name) in provisioned.items():
        if stores[which]:
            yield data_source(
                uid=uid,
                name=name,
                url=url,
                influxdb=influxdb,
                store=stores[which],
                step=_STEPS[which],
                secrets=secrets,
            )


def _show(outcome: "Outcome", arguments: argparse.Namespace) -> None:
    from rich.text import Text

    did = _WOULD.get(outcome.did, outcome.did) if arguments.dry_run else outcome.did
    line = Text(f"{outcome.kind} {outcome.name}: ").append(did, style=_MARKS[outcome.did])
    if outcome.differences:
        many = len(outcome.differences)
        line.append(f", {many} difference{'s' if many > 1 else ''}")
    if outcome.reason:
        line.append(f": {outcome.reason}")
    console = stderr_console() if outcome.did == "failed" else stdout_console()
    console.print(line, soft_wrap=True)
    if arguments.diff:
        for difference in outcome.differences:
            console.print(f"  {difference}", markup=False, soft_wrap=True)


def _conclude(outcomes: "list[Outcome]", arguments: argparse.Namespace, url: str) -> None:
    counts = {did: sum(outcome.did == did for outcome in outcomes) for did in _MARKS}
    words = ", ".join(
        f"{count} {_WOULD.get(did, did) if arguments.dry_run else did}" for did, count in counts.items() if count
    )
    stdout_console().print(f"{url}: {words}", markup=False, soft_wrap=True)
