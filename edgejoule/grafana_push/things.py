"""What a Grafana is to hold: one struct of each kind, in the order in which they need one another. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from collector.store_config import InfluxConfig

Kind = Literal["data source", "folder", "dashboard", "alert group"]
MESSAGE: Final = "edgejoule dashboards push"


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """One object. ``uid``: by which it is found again. ``wanted``: its JSON. ``folder_uid``: where it lies.

    ``secret``: what the server takes and never tells, such as a token; names and texts.
    """

    kind: Kind
    uid: str
    name: str
    wanted: dict[str, Any]
    folder_uid: str = ""
    secret: dict[str, str] = {}


def data_source(
    *, uid: str, name: str, url: str, influxdb: InfluxConfig, store: str, default: bool, secrets: Mapping[str, str]
) -> Thing:
    """Return an InfluxQL data source for ``store``, a database or bucket of ``influxdb``; Grafana sees it at ``url``.

    ``secrets``: "token" or "password", as far as the server asks for one.
    """
    json_data: dict[str, Any] = {"dbName": store, "httpMode": "POST", "timeInterval": "10s"}
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
        "isDefault": default,
        "user": influxdb.username,
        "jsonData": json_data,
    }
    return Thing(kind="data source", uid=uid, name=name, wanted=wanted, secret=hidden)


def named_source(uid: str, name: str) -> Thing:
    """Return a data source only to be looked for."""
    return Thing(kind="data source", uid=uid, name=name, wanted={})


def folder(uid: str, title: str) -> Thing:
    """Return the folder of the dashboards and alert rules."""
    return Thing(kind="folder", uid=uid, name=title, wanted={"uid": uid, "title": title})


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


def alert_groups(groups: Iterable[Mapping[str, Any]], folder_uid: str) -> list[Thing]:
    """Return the groups of alert rules, as the provisioning API takes them, in this folder."""
    found = []
    for group in groups:
        rules = [{**rule, "folderUID": folder_uid} for rule in group["rules"]]
        title = group["title"]
        wanted = {**group, "folderUid": folder_uid, "rules": rules}
        found.append(Thing(kind="alert group", uid=title, name=title, wanted=wanted, folder_uid=folder_uid))
    return found
