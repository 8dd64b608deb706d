"""The health check."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError


@pytest.mark.django_db
def test_a_portal_with_its_database_is_well(client: Any) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_portal_without_its_database_says_so(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise DatabaseError("away")

    monkeypatch.setattr("portal.health.connection.cursor", away)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "no database")
