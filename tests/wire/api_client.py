"""Callers of the API for tests: a key and a project, and what came back."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.utils import timezone

from apps.control.kinds import KINDS
from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import wire_id
from apps.environments.models import Environment

LAB_ENGINE = "sim://lab"
FOREIGN_ENGINE = "sim://far"


@dataclass
class ApiResponse:
    """What came back."""

    status: int
    body: Any
    headers: Any

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.body["data"]]


@dataclass
class ApiClient:
    """One caller of the API: an account's or environment's key (or nobody), and the project it speaks of."""

    key: str = ""
    project: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def inside(self, environment: Environment | str) -> ApiClient:
        project = environment if isinstance(environment, str) else wire_id("a", environment.pk)
        return ApiClient(self.key, project, self.headers)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> ApiResponse:
        if path.startswith("http"):
            path = "/" + path.split("/", 3)[3]
        elif not path.startswith("/"):
            path = f"/v1/projects/{self.project}/{path}" if self.project else f"/v1/{path}"
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
    """Run the loop as if time flew, until nothing is on its way."""
    for _round in range(8):
        reconcile_until_idle()
        busy = 0
        for kind in KINDS.values():
            rows = kind.model.all_objects.filter(display_state__in=kind.model.LIFECYCLE.transitional)
            busy += rows.update(next_attempt_at=timezone.now())
        if not busy:
            return


http_client = Client()  # one for all: it loads the middleware once


def _to_response(found: Any) -> ApiResponse:
    is_json = found.headers.get("Content-Type", "").startswith("application/json")
    return ApiResponse(
        found.status_code, json.loads(found.content) if is_json and found.content else None, found.headers
    )
