"""The calls of Rancher's later clients, in their order: its command line and rancher-compose, over v2-beta.

See docs/reference/v2-beta.md for where each comes from. Waiting is reconciling: these clients poll until nothing is in
transition.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from tests.wire.api_client import ApiClient, run_until_idle
from tests.wire.discovery_client import ApiRefused, DiscoveredResource, DiscoveryClient

NIL = "removed_null=%3Cnil%3E"
HASH = "io.rancher.service.hash"


def settled(row: DiscoveredResource) -> DiscoveredResource:
    """The row once it is in no transition, as every client polls for; batches wait for their interval."""
    for _poll in range(600):
        run_until_idle()
        found = row.reload()
        if found["transitioning"] != "yes":
            return found
    raise AssertionError(found["transitioningMessage"])


class ClientStopped(Exception):
    """The program ends with this message."""


class LaterCompose:
    """rancher-compose 0.12 and the command line's `up`: a stack by its compose file, service by service."""

    def __init__(self, api: ApiClient, project: str, stack: str) -> None:
        self.client = DiscoveryClient(api, f"/v2-beta/projects/{project}/schemas/schemas")
        if "POST" not in self.client.types.get("stack", {}).get("collectionMethods", ()):
            raise ClientStopped("Can not create a stack")
        self.setting("rancher.compose.version")
        found = self.client.all("stack", f"?name={stack}&{NIL}") or [
            each for each in self.client.all("stack", f"?{NIL}") if each["name"].lower() == stack.lower()
        ]
        self.stack = found[0] if found else self.client.create("stack", name=stack)

    def setting(self, name: str) -> str:
        found = self.client.by_id("setting", name)
        return str(found["value"] or "")

    def find(self, name: str) -> DiscoveredResource | None:
        found = self.client.all("service", f"?name={quote(name)}&stackId={self.stack['id']}&{NIL}")
        return found[0] if found else None

    def existing(self, name: str) -> DiscoveredResource:
        found = self.find(name)
        if found is None:
            raise ClientStopped(f"Failed to find {name}")
        return found

    def wait(self, row: DiscoveredResource) -> DiscoveredResource:
        return settled(row)

    def config(self, name: str, image: str, **config: Any) -> dict[str, Any]:
        """The body of a service, as the client makes it of a file: its launch configuration by `transform`."""
        scripts = self.client.schemas.split("/schemas")[0] + "/scripts/transform"
        sent = {"Name": f"/{name}", "Config": {"Image": image}, "HostConfig": {"NetworkMode": ""}}
        launch = dict(self.client.request("POST", scripts, sent))
        launch |= {"networkMode": "managed", "labels": launch.get("labels") or {}, "links": None, "actions": None}
        body = {
            "name": name,
            "stackId": self.stack["id"],
            "scale": 1,
            "metadata": {},
            "launchConfig": launch,
            "links": None,
            "actions": None,
            **config,
        }
        body["metadata"] = {**body["metadata"], HASH: _digest({**body, "launchConfig": None, "scale": None})}
        launch["labels"] = {**launch["labels"], HASH: _digest(launch)}
        return body

    def create(self, name: str, image: str, kind: str = "service", **config: Any) -> DiscoveredResource:
        self.client.create(kind, **self.config(name, image, **config))
        made = self.existing(name)
        self.set_links(made)
        return self.wait(made)

    def set_links(self, row: DiscoveredResource, links: dict[str, str] | None = None) -> None:
        if row["type"] == "externalService":
            return
        self.client.all("serviceConsumeMap", f"?serviceId={row['id']}")
        sent = [{"name": name, "serviceId": key} for name, key in (links or {}).items()]
        row.run_action("setservicelinks", serviceLinks=sent or None)

    def up(self, name: str, image: str, *, upgrade: bool = False, confirm: bool = False, **config: Any) -> Any:
        row = self.find(name)
        if row is not None and upgrade and self._is_out_of_sync(row, self.config(name, image, **config)):
            self.upgrade(row, self.config(name, image, **config))
            row = self.existing(name)
        if row is None:
            row = self.create(name, image, **config)
        else:
            self.set_links(row)
        if row["state"] == "upgraded" and confirm:
            row = self.wait(row.run_action("finishupgrade"))
        if row["state"] != "active" and "activate" in row["actions"]:
            row = self.wait(row.run_action("activate"))
        return row

    def _is_out_of_sync(self, row: DiscoveredResource, wanted: dict[str, Any]) -> bool:
        labels = row["launchConfig"].get("labels") or {}
        hashes = ((row["metadata"] or {}).get(HASH), labels.get(HASH))
        return hashes != (wanted["metadata"][HASH], wanted["launchConfig"]["labels"][HASH])

    def upgrade(self, row: DiscoveredResource, wanted: dict[str, Any]) -> DiscoveredResource:
        if row["state"] not in {"active", "inactive"}:
            raise ClientStopped(f"Service {row['name']} must be state=active or inactive to upgrade")
        if (row["metadata"] or {}).get(HASH) != wanted["metadata"][HASH]:
            row = self.wait(row.change(**{**wanted, "scale": row["scale"]}))
        labels = row["launchConfig"].get("labels") or {}
        if labels.get(HASH) != wanted["launchConfig"]["labels"][HASH]:
            strategy = {
                "batchSize": 2,
                "intervalMillis": 100,
                "launchConfig": wanted["launchConfig"],
                "secondaryLaunchConfigs": wanted.get("secondaryLaunchConfigs") or [],
            }
            row = row.run_action("upgrade", inServiceStrategy=strategy)
        return self.wait(row)

    def rollback(self, name: str) -> DiscoveredResource:
        self.existing(name)
        return self.wait(self.existing(name).run_action("rollback"))

    def scale(self, name: str, count: int) -> DiscoveredResource:
        return self.wait(self.existing(name).change(scale=count))

    def stop(self, name: str) -> DiscoveredResource:
        row = self.existing(name)
        return row if row["state"] == "inactive" else self.wait(row.run_action("deactivate"))

    def restart(self, name: str) -> DiscoveredResource:
        strategy = {"rollingRestartStrategy": {"batchSize": 1, "intervalMillis": 100}}
        return self.wait(self.existing(name).run_action("restart", **strategy))

    def remove(self, name: str) -> DiscoveredResource:
        row = self.existing(name)
        row.remove()
        return self.wait(row)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class LaterCli:
    """The command line 0.6 inside an environment, which it finds by its id or name."""

    def __init__(self, api: ApiClient, environment: str = "") -> None:
        self.raw = DiscoveryClient(api, "/v2-beta")
        project = environment if environment.startswith("1a") else self._find_environment(environment)
        self.client = DiscoveryClient(api, f"/v2-beta/projects/{project}/schemas/schemas")

    def _find_environment(self, name: str) -> str:
        found = self.raw.all("project")
        if len(found) == 1:
            return str(found[0]["id"])
        row = self._lookup_in(self.raw, name, "account")
        if row["type"] != "project":
            raise ClientStopped(f"Failed to find environment: {name}")
        return str(self.raw.by_id("project", row["id"])["id"])

    def lookup(self, name: str, *types: str) -> DiscoveredResource:
        return self._lookup_in(self.client, name, *types)

    def _lookup_in(self, client: DiscoveryClient, name: str, *types: str) -> DiscoveredResource:
        found: DiscoveredResource | None = None
        for kind in types:
            if (row := _by_id(client, kind, name)) is not None and row["id"] == name:
                return row
            rows = client.all(kind, f"?name={quote(name, safe='')}&removed_null=1")
            rows = rows or self._by_rule(client, kind, name)
            if len(rows) > 1 or (rows and found is not None):
                raise ClientStopped(f"Multiple resources of type {kind} found for name {name}")
            found = rows[0] if rows else found
        if found is None:
            raise ClientStopped(f"Not found: {name}")
        return found

    def _by_rule(self, client: DiscoveryClient, kind: str, name: str) -> list[DiscoveredResource]:
        if kind == "host":
            return [each for each in client.all("host") if each["hostname"] == name]
        if kind != "service":
            return []
        stack, slash, service = name.partition("/")
        row = self.stack_called(stack if slash else "Default")
        return client.all("service", f"?name={quote(service if slash else name)}&stackId={row['id']}")

    def stack_called(self, name: str) -> DiscoveredResource:
        found = self.client.all("stack", f"?name={quote(name)}&removed_null=1")
        return found[0] if found else self.client.create("stack", name=name)

    def listed(self, kind: str, *, everything: bool = False) -> list[DiscoveredResource]:
        shown = "all=true" if everything else "removed_null=1&state_ne=inactive&state_ne=stopped&state_ne=removing"
        return self.client.all(kind, f"?limit=-2&system=false&{shown}")


def _by_id(client: DiscoveryClient, kind: str, key: str) -> DiscoveredResource | None:
    try:
        return client.by_id(kind, quote(key, safe="/"))
    except ApiRefused as refused:
        if refused.status != 404:
            raise
        return None
