"""What a Grafana is to hold: one struct of each kind, in the order in which they need one another. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from collector.store_config import InfluxConfig

Kind = Literal["data source", "folder", "dashboard", "alert group"]
MESSAGE: Final = "edgejoule dashboards push"


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """One object. ``uid``: by which it is found again. ``wanted``: its JSON. ``folder_uid``: where it lies.

    ``secret``: what the server takes and never tells, such as a token; names and texts. ``left_out``: why it must not
    be pushed now.
    """

    kind: Kind
    uid: str
    name: str
    wanted: dict[str, Any]
    folder_uid: str = ""
    secret: dict[str, str] = {}
    left_out: str = ""


def data_source(
    *, uid: str, name: str, url: str, influxdb: InfluxConfig, store: str, step: str, secrets: Mapping[str, str]
) -> Thing:
    """Return an InfluxQL data source for ``store``, a database or bucket of ``influxdb``; Grafana sees it at ``url``.

    ``step``: between its points, such as "10s". ``secrets``: "token" or "password", as far as the server asks for one.
    """
    json_data: dict[str, Any] = {"version": "InfluxQL", "dbName": store, "httpMode": "POST", "timeInterval": step}
    hidden: dict[str, str] = {}
    if token := secrets.get("token"):
        json_data["httpHeaderName1"] = "Authorization"
        hidden["httpHeaderValue1"] = f"Token {token}"
    if password := secrets.get("password"):
        hidden["password"] = password
    wanted = {
        "uid": uid,
        "name": name,
        "type": "influxdb",
        "access": "proxy",
        "url": url,
        "user": influxdb.username,
        "jsonData": json_data,
    }
    return Thing(kind="data source", uid=uid, name=name, wanted=wanted, secret=hidden)


def named_source(uid: str, name: str) -> Thing:
    """Return a data source only to be looked for."""
    return Thing(kind="data source", uid=uid, name=name, wanted={})


def folder(uid: str, title: str, *, rename: bool) -> Thing:
    """Return the folder of the dashboards and alert rules. ``rename``: one that is there and has another title."""
    return Thing(kind="folder", uid=uid, name=title, wanted={"uid": uid} | ({"title": title} if rename else {}))


def dashboards(texts: Iterable[str], folder_uid: str) -> list[Thing]:
    """Return the dashboards of these JSON texts."""
    found = []
    for text in texts:
        content: dict[str, Any] = msgspec.json.decode(text)
        kept = {name: value for name, value in content.items() if name not in {"id", "version"}}
        found.append(
            Thing(kind="dashboard", uid=content["uid"], name=content["title"], wanted=kept, folder_uid=folder_uid)
        )
    return found


def alert_groups(groups: Iterable[Mapping[str, Any]], folder_uid: str, *, left_out: str = "") -> list[Thing]:
    """Return the groups of alert rules, as the provisioning API takes them, in this folder.

    Their organisation is that of the credentials, whatever they say.
    """
    found = []
    for group in groups:
        rules = [{**rule, "folderUID": folder_uid} for rule in group["rules"]]
        for rule in rules:
            del rule["orgID"]
        title = group["title"]
        wanted = {**group, "folderUid": folder_uid, "rules": rules}
        found.append(
            Thing(kind="alert group", uid=title, name=title, wanted=wanted, folder_uid=folder_uid, left_out=left_out)
        )
    return found
