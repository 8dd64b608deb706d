"""The API client of the tests, and its responses."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from typing import Any

from django.test import Client
from django.utils import timezone

from apps.api.wire.resource import find_resource
from apps.control.kinds import KINDS
from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import wire_id
from apps.environments.models import Environment

LAB_ENGINE = "sim://lab"
FOREIGN_ENGINE = "sim://far"


@dataclass
class ApiResponse:
    """A response."""

    status: int
    body: Any
    headers: Any
    text: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.body["data"]]


@dataclass
class ApiClient:
    """A caller of the API: an account's or environment's key (or none), the project and the dialect of its requests."""

    key: str = ""
    project: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    dialect: str = "v1"

    def inside(self, environment: Environment | str) -> ApiClient:
        project = environment if isinstance(environment, str) else wire_id("a", environment.pk)
        return replace(self, project=project)

    def speaking(self, dialect: str) -> ApiClient:
        return replace(self, dialect=dialect)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> ApiResponse:
        if path.startswith("http"):
            path = "/" + path.split("/", 3)[3]
        elif not path.startswith("/"):
            root = f"/{self.dialect}"
            path = f"{root}/projects/{self.project}/{path}" if self.project else f"{root}/{path}"
        sent = {"Accept": "application/json", **self.headers, **headers}
        if self.key:
            sent["Authorization"] = "Basic " + base64.b64encode(self.key.encode()).decode()
        data = body if isinstance(body, str | bytes) else b"" if body is None else json.dumps(body)
        kind = sent.pop("Content-Type", "application/json")
        http_client.cookies.clear()
        found = http_client.generic(method, path, data, content_type=kind, headers=sent)
        return _to_response(found)

    def get(self, path: str, **headers: str) -> ApiResponse:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> ApiResponse:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any = None) -> ApiResponse:
        return self.call("PUT", path, body)

    def delete(self, path: str) -> ApiResponse:
        return self.call("DELETE", path)


def run_until_idle() -> None:
    """Reconcile without waiting for due times until no row is in transition."""
    for _round in range(8):
        reconcile_until_idle()
        busy = 0
        for kind in KINDS.values():
            rows = kind.model.all_objects.filter(display_state__in=kind.model.LIFECYCLE.transitional)
            busy += rows.update(next_attempt_at=timezone.now())
        if not busy:
            return


http_client = Client()  # shared: it loads the middleware once


def _to_response(found: Any) -> ApiResponse:
    is_json = found.headers.get("Content-Type", "").startswith("application/json")
    if found.streaming and "Content-Disposition" in found.headers:
        list(found.streaming_content)  # a download that nobody reads to its end keeps what it takes
    text = "" if found.streaming else found.content.decode(errors="replace")
    body = json.loads(text) if is_json and text else None
    _require_declared_states(body)
    return ApiResponse(found.status_code, body, found.headers, text)


def _require_declared_states(body: Any) -> None:
    """Whatever is shown is in a state that its schema names: generated clients refuse others."""
    if isinstance(body, list):
        for each in body:
            _require_declared_states(each)
    elif isinstance(body, dict):
        resource = find_resource(str(body.get("type"))) if body.get("state") and "links" in body else None
        for known in resource.fields if resource else ():
            if known.name == "state" and known.options:
                assert body["state"] in known.options, (body["type"], body["state"])
        _require_declared_states(body.get("data"))
