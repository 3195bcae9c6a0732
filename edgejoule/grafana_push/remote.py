"""A running Grafana, through the package grafana-client: what it has, and what it is told. Every refusal is one line.

Endpoints, all of them by uid: ``/api/folders``, ``/api/datasources``, ``/api/dashboards``, and, below
``/api/v1/provisioning``, ``folder/{uid}/rule-groups/{group}`` and ``alert-rules/{uid}`` of the documented HTTP API
(Grafana 10.4 and later). A redirect is refused: it would make a reading of every write, and lose the credentials.
"""

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import niquests.exceptions
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaException

from edge_agent.wire.errors import ConfigurationError
from edgejoule.grafana_push.refusals import NotFoundError, RefusedError, refused, strange, unreachable
from edgejoule.grafana_push.things import MESSAGE, Thing

logging.getLogger("grafana_client").setLevel(logging.CRITICAL)
Credential = str | tuple[str, str]


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """What the server has. ``version``: of a dashboard or folder. ``locked``: why it cannot be changed from here.

    ``secret_names``: what hidden values a data source has. ``folder_uid``: where a dashboard lies.
    """

    content: dict[str, Any]
    version: int | None = None
    locked: str = ""
    secret_names: frozenset[str] = frozenset()
    folder_uid: str = ""


class Remote:
    """One Grafana. ``credential``: a service account's token, or a user and a password. ``ca_file``: "": the system's.

    Raises ConfigurationError for an address that is none.
    """

    def __init__(self, url: str, credential: Credential, *, ca_file: str = "", timeout_s: float = 10.0) -> None:
        self.url = url.rstrip("/")
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.username or parts.password:
            raise ConfigurationError(
                "the address of a Grafana holds no user or password; give --user and --password-file"
            )
        meant = not (parts.query or parts.fragment) and " " not in self.url
        if parts.scheme not in {"http", "https"} or not host or not meant:
            raise ConfigurationError(f"{url!r} is not the address of a Grafana; write https://host:port or .../prefix")
        prefix = parts.path.strip("/")
        self._api: Any = GrafanaApi(
            credential,
            protocol=parts.scheme,
            host=f"[{host}]" if ":" in host else host,
            port=port,
            url_path_prefix=f"{prefix}/" if prefix else "",
            verify=ca_file or True,
            timeout=timeout_s,
        )
        self._api.client.s.max_redirects = 0
        self._timeout_s = timeout_s

    def close(self) -> None:
        """Close the connections."""
        self._api.client.s.close()

    def find(self, thing: Thing) -> Present | None:
        """Return what the server has of it, None for nothing. Raises RefusedError."""
        look = {
            "data source": self._find_data_source,
            "folder": self._find_folder,
            "dashboard": self._find_dashboard,
            "alert group": self._find_group,
        }
        try:
            return look[thing.kind](thing)
        except NotFoundError:
            return None

    def has(self, thing: Thing) -> bool:
        """Return whether it is there, True where the server will not say: what follows hears why."""
        try:
            return self.find(thing) is not None
        except RefusedError:
            return True

    def create(self, thing: Thing) -> None:
        """Make it. Raises RefusedError."""
        api = self._api
        if thing.kind == "data source":
            self._ask(lambda: api.datasource.create_datasource(thing.wanted | {"secureJsonData": thing.secret}))
        elif thing.kind == "folder":
            self._ask(lambda: api.folder.create_folder(thing.name, uid=thing.uid))
        elif thing.kind == "dashboard":
            self._save_dashboard(thing, None)
        else:
            self._save_group(thing)

    def update(self, thing: Thing, present: Present) -> None:
        """Change it into what is wanted, unless somebody else has changed it meanwhile. Raises RefusedError."""
        api = self._api
        if thing.kind == "data source":
            body = present.content | thing.wanted
            body["jsonData"] = present.content.get("jsonData", {}) | thing.wanted["jsonData"]
            body |= {"secureJsonData": thing.secret} if thing.secret else {}
            self._ask(lambda: api.datasource.update_datasource_by_uid(thing.uid, body))
        elif thing.kind == "folder":
            self._ask(lambda: api.folder.update_folder(thing.uid, title=thing.name, version=present.version))
        elif thing.kind == "dashboard":
            self._save_dashboard(thing, present.version)
        else:
            self._save_group(thing)

    def _save_dashboard(self, thing: Thing, version: int | None) -> None:
        content = thing.wanted | {"id": None} | ({} if version is None else {"version": version})
        body = {"dashboard": content, "folderUid": thing.folder_uid, "message": MESSAGE, "overwrite": False}
        self._ask(lambda: self._api.dashboard.update_dashboard(body))

    def _save_group(self, thing: Thing) -> None:
        name = quote(thing.uid, safe="")
        # Documented as required, and replaced by the organisation of the credentials.
        body = thing.wanted | {"rules": [{"orgID": 1, **rule} for rule in thing.wanted["rules"]]}
        self._ask(lambda: self._api.alertingprovisioning.update_rule_group(thing.folder_uid, name, body))

    def _find_data_source(self, thing: Thing) -> Present:
        content = self._ask(lambda: self._api.datasource.get_datasource_by_uid(quote(thing.uid, safe="")))
        locked = "it was provisioned from a file there; change that file" if content.get("readOnly") else ""
        hidden = frozenset(name for name, there in (content.get("secureJsonFields") or {}).items() if there)
        return Present(content=content, locked=locked, secret_names=hidden)

    def _find_folder(self, thing: Thing) -> Present:
        content = self._ask(lambda: self._api.folder.get_folder(quote(thing.uid, safe="")))
        if content.get("uid") != thing.uid:
            raise strange(self.url, "without a folder")
        return Present(content=content, version=content.get("version"))

    def _find_dashboard(self, thing: Thing) -> Present:
        answer = self._ask(lambda: self._api.dashboard.get_dashboard(quote(thing.uid, safe="")))
        content, meta = answer.get("dashboard"), answer.get("meta")
        if not isinstance(content, dict) or not isinstance(meta, dict):
            raise strange(self.url, "without a dashboard")
        locked = "it was provisioned from a file there; change that file" if meta.get("provisioned") else ""
        return Present(
            content=content, version=content.get("version"), locked=locked, folder_uid=meta.get("folderUid") or ""
        )

    def _find_group(self, thing: Thing) -> Present | None:
        api, name = self._api.alertingprovisioning, quote(thing.uid, safe="")
        try:
            content = self._ask(lambda: api.get_rule_group(thing.folder_uid, name))
        except NotFoundError:
            content = {}
        # A group does not tell who provisions its rules; and a rule of that uid may be in another group or folder.
        locked = "its rules were provisioned from a file there; change that file"
        by_file = any(self._provenance(rule["uid"]) == "file" for rule in thing.wanted["rules"])
        return Present(content=content, locked=locked if by_file else "") if content or by_file else None

    def _provenance(self, rule_uid: str) -> str:
        try:
            rule = self._ask(lambda: self._api.alertingprovisioning.get_alertrule(quote(rule_uid, safe="")))
        except NotFoundError:
            return ""
        return str(rule.get("provenance") or "")

    def _ask(self, question: Callable[[], Any]) -> dict[str, Any]:
        """Return the answer, an object. Raises RefusedError, and NotFoundError for 404."""
        try:
            answer = question()
        except GrafanaException as error:
            raise refused(error, self.url, self._timeout_s) from error
        except niquests.exceptions.JSONDecodeError as error:
            raise strange(self.url, "with no JSON") from error
        except (niquests.exceptions.RequestException, OSError) as error:
            raise unreachable(error, self.url) from error
        if not isinstance(answer, dict):
            raise strange(self.url, "with no JSON object")
        return answer
