"""`/v1-catalog` is empty, and says so to whoever asks."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic Og=="}, {"Authorization": "Basic d3Jvbmc6a2V5"}])
def test_a_client_lists_no_templates_without_credentials(client: Client, headers: dict[str, str]):
    schemas = client.get("/v1-catalog/schemas", headers=headers)
    assert (schemas.status_code, schemas["X-API-Schemas"]) == (200, "http://testserver/v1-catalog/schemas")
    types: dict[str, Any] = {each["id"]: each for each in schemas.json()["data"]}
    query = "?category_ne=system&minimumRancherVersion_lte=v1.6.0"
    for name in ("template", "catalog", "templateVersion"):
        found = client.get(types[name]["links"]["collection"] + query, headers=headers)
        assert (found.status_code, found.json()["type"], found.json()["data"]) == (200, "collection", [])
        assert client.get(types[name]["links"]["self"]).json() == types[name]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1-catalog", 200),
        ("GET", "/v1-catalog/", 200),
        ("GET", "/v1-catalog/templates/library:web", 404),
        ("GET", "/v1-catalog/templates/library:web:3", 404),
        ("GET", "/v1-catalog/nonsense", 404),
        ("GET", "/v1-catalog/schemas/nonsense", 404),
        ("POST", "/v1-catalog/templates", 405),
        ("DELETE", "/v1-catalog/templates", 405),
    ],
)
def test_everything_else_is_an_error_in_words(client: Client, method: str, path: str, status: int):
    answer = client.generic(method, path)
    assert answer.status_code == status
    if status >= 400:
        assert (answer.json()["type"], answer.json()["status"]) == ("error", status)
        assert answer.json()["message"]
