"""A Grafana as its documented HTTP API shows it: folders, data sources, dashboards, groups of alert rules.

It keeps what it is told as the real one does: it adds ids, versions and defaults, hides secrets, and refuses what the
documentation and its published source (``pkg/api``, ``pkg/services/ngalert``) say it refuses: 401, 403, 404, 409, 412,
and what files there provision. An alert rule has one place: pushed into another group or folder, it moves. A group
does not tell who provisions its rules, a rule alone does.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from tests.fakes.json_server import Asked, JsonServer, Reply, as_json, json_server

TOKEN = "glsa_a-token-of-a-test"
USER, PASSWORD = "admin", "a password of a test"
Answer = Callable[["FakeGrafana", dict[str, Any], str, str], Reply]


@dataclass
class FakeGrafana:
    """The state. ``role``, ``org_id``: of the credentials, Admin, Editor or Viewer, and their organisation.

    ``provisioned``: uids of what files there provision.
    """

    role: str = "Admin"
    org_id: int = 1
    prefix: str = ""
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    provisioned: set[str] = field(default_factory=set)
    before_saving: Callable[["FakeGrafana"], None] | None = None
    """What somebody else does after the client has looked and before it writes."""
    server: JsonServer | None = None

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Return (method, path) of everything that asked for a change."""
        assert self.server is not None
        return [(one.method, one.path) for one in self.server.asked if one.method != "GET"]

    def answer(self, asked: Asked) -> Reply:
        """Answer one request; its connection ends with it, and the client is told so."""
        reply = self._answer(asked)
        return replace(reply, headers=reply.headers | {"Connection": "close"})

    def _answer(self, asked: Asked) -> Reply:
        basic = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") not in {f"Bearer {TOKEN}", basic}:
            return said(401, "Invalid API key")
        if not asked.path.startswith(self.prefix):
            return Reply(404, b"<html>no such page</html>", {"Content-Type": "text/html"})
        path = asked.path.removeprefix(self.prefix)
        if asked.method != "GET":
            if self.role == "Viewer" or (self.role == "Editor" and path.startswith("/api/datasources")):
                return said(403, "You'll need additional permissions to perform this action")
            if self.before_saving is not None:
                self.before_saving(self)
        body = json.loads(asked.body or b"{}")
        for method, pattern, handler in self.ROUTES:
            if method == asked.method and (match := re.fullmatch(pattern, path)):
                return handler(self, body, *(*match.groups(), "", "")[:2])
        return said(404, "Not found")

    def get_folder(self, _body: dict[str, Any], uid: str, _: str) -> Reply:
        return as_json(self.folders[uid]) if uid in self.folders else said(404, "folder not found")

    def post_folder(self, body: dict[str, Any], *_: str) -> Reply:
        uid = body.get("uid") or f"made-{len(self.folders)}"
        if uid in self.folders:
            return said(409, "a folder with the same uid already exists")
        self.folders[uid] = {"id": len(self.folders) + 1, "uid": uid, "title": body["title"], "version": 1}
        return as_json(self.folders[uid])

    def put_folder(self, body: dict[str, Any], uid: str, _: str) -> Reply:
        there = self.folders.get(uid)
        if there is None:
            return said(404, "folder not found")
        if not body.get("overwrite") and body.get("version") != there["version"]:
            return as_json(
                {"message": "the folder has been changed by someone else", "status": "version-mismatch"}, 412
            )
        there |= {"title": body["title"], "version": there["version"] + 1}
        return as_json(there)

    def get_source(self, _body: dict[str, Any], uid: str, _: str) -> Reply:
        if uid not in self.sources:
            return said(404, "Data source not found")
        hidden = dict.fromkeys(self.secrets.get(uid, {}), True)
        return as_json(self.sources[uid] | {"secureJsonFields": hidden, "readOnly": uid in self.provisioned})

    def post_source(self, body: dict[str, Any], *_: str) -> Reply:
        if any(body["name"] == one["name"] for one in self.sources.values()) or body["uid"] in self.sources:
            return said(409, "data source with the same name already exists")
        self._keep_source(body["uid"], body)
        return as_json({"datasource": self.sources[body["uid"]], "message": "Datasource added", "name": body["name"]})

    def put_source(self, body: dict[str, Any], uid: str, _: str) -> Reply:
        if uid not in self.sources:
            return said(404, "Data source not found")
        if uid in self.provisioned:
            return said(403, "Cannot update read-only data source")
        if body.get("version", 0) not in {0, self.sources[uid].get("version", 0)}:
            return said(409, "Datasource has already been updated by someone else. Please reload and try again")
        if any(body["name"] == one["name"] and one["uid"] != uid for one in self.sources.values()):
            return said(409, "datasource name already exists")
        self._keep_source(uid, body)
        return as_json({"datasource": self.sources[uid], "message": "Datasource updated", "name": body["name"]})

    def _keep_source(self, uid: str, body: dict[str, Any]) -> None:
        self.secrets[uid] = self.secrets.get(uid, {}) | body.pop("secureJsonData", {})
        body = {name: value for name, value in body.items() if name not in {"secureJsonFields", "readOnly"}}
        if body.get("isDefault"):
            for one in self.sources.values():
                one["isDefault"] = False
        version = self.sources.get(uid, {}).get("version", 0) + 1
        made = {"id": len(self.sources) + 1, "orgId": 1, "typeLogoUrl": "", "basicAuth": False, "database": ""}
        self.sources[uid] = made | body | {"version": version}

    def get_board(self, _body: dict[str, Any], uid: str, _: str) -> Reply:
        if uid not in self.boards:
            return said(404, "Dashboard not found")
        meta = {"folderUid": self.places[uid], "provisioned": uid in self.provisioned, "type": "db", "canSave": True}
        return as_json({"meta": meta, "dashboard": self.boards[uid]})

    def post_board(self, body: dict[str, Any], *_: str) -> Reply:
        board, folder_uid = body["dashboard"], body.get("folderUid", "")
        uid = board["uid"]
        if folder_uid and folder_uid not in self.folders:
            return said(400, "folder not found")
        if uid in self.provisioned:
            return said(400, "Cannot save provisioned dashboard")
        there = self.boards.get(uid)
        if there is not None and not body.get("overwrite") and board.get("version") != there["version"]:
            message = "The dashboard has been changed by someone else"
            return as_json({"message": message, "status": "version-mismatch"}, 412)
        namesakes = (one for one in self.boards.values() if one["title"] == board["title"] and one["uid"] != uid)
        if any(self.places[one["uid"]] == folder_uid for one in namesakes):
            message = "A dashboard with the same name in the folder already exists"
            return as_json({"message": message, "status": "name-exists"}, 412)
        version = 1 if there is None else there["version"] + 1
        self.boards[uid] = board | {"id": 100 + len(self.boards), "version": version, "weekStart": ""}
        self.places[uid] = folder_uid
        return as_json({"status": "success", "uid": uid, "version": version, "url": f"/d/{uid}"})

    def get_group(self, _body: dict[str, Any], folder_uid: str, group: str) -> Reply:
        there = self.groups.get((folder_uid, group))
        return said(404, "alert rule group not found") if there is None else as_json(there)

    def get_rule(self, _body: dict[str, Any], uid: str, _: str) -> Reply:
        found = (rule for there in self.groups.values() for rule in there["rules"] if rule["uid"] == uid)
        if (rule := next(found, None)) is None:
            return Reply(404)
        return as_json(rule | {"provenance": "file" if uid in self.provisioned else "api"})

    def put_group(self, body: dict[str, Any], folder_uid: str, group: str) -> Reply:
        if folder_uid not in self.folders:
            return said(400, "folder does not exist")
        for rule in body["rules"]:
            missing = {"uid", "orgID", "title", "condition", "data", "noDataState", "execErrState", "for"} - set(rule)
            if missing:
                return said(400, f"invalid alert rule: {', '.join(sorted(missing))} missing")
            for query in rule["data"]:
                if query["datasourceUid"] not in {"__expr__", *self.sources}:
                    return said(400, f"invalid alert rule: data source {query['datasourceUid']} not found")
        uids = {rule["uid"] for rule in body["rules"]}
        if uids & self.provisioned:
            return said(409, "cannot update with provided provenance 'api', needs 'file'")
        for place, there in list(self.groups.items()):
            there["rules"] = [rule for rule in there["rules"] if rule["uid"] not in uids]
            if not there["rules"]:
                del self.groups[place]
        made = {"orgID": self.org_id, "updated": "2026-11-23T00:00:00Z", "ruleGroup": group}
        rules = [{"id": index, **rule, **made} for index, rule in enumerate(body["rules"], 1)]
        self.groups[folder_uid, group] = {"title": group, "folderUid": folder_uid} | body | {"rules": rules}
        return as_json(self.groups[folder_uid, group])

    ROUTES: ClassVar[tuple[tuple[str, str, Answer], ...]] = (
        ("GET", "/api/folders/([^/]+)", get_folder),
        ("POST", "/api/folders", post_folder),
        ("PUT", "/api/folders/([^/]+)", put_folder),
        ("GET", "/api/datasources/uid/([^/]+)", get_source),
        ("POST", "/api/datasources", post_source),
        ("PUT", "/api/datasources/uid/([^/]+)", put_source),
        ("GET", "/api/dashboards/uid/([^/]+)", get_board),
        ("POST", "/api/dashboards/db", post_board),
        ("GET", "/api/v1/provisioning/folder/([^/]+)/rule-groups/(.+)", get_group),
        ("GET", "/api/v1/provisioning/alert-rules/([^/]+)", get_rule),
        ("PUT", "/api/v1/provisioning/folder/([^/]+)/rule-groups/(.+)", put_group),
    )


def said(status: int, message: str) -> Reply:
    """Return a refusal as Grafana words it."""
    return as_json({"message": message}, status)


@contextmanager
def grafana(**how: Any) -> Iterator[FakeGrafana]:
    """Run one on a free loopback port."""
    fake = FakeGrafana(**how)
    with json_server(fake.answer) as server:
        fake.server = server
        yield fake
