"""Locks in the console: asked for with a reason, shown wherever the row is, and buttons that say why they are grey."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.containers.models import Container
from apps.stacks.lock import Lock
from apps.stacks.locks import lock_set
from apps.stacks.models import Service

HX = {"HX-Request": "true"}


@pytest.mark.parametrize("kind", ["stack", "service"])
def test_it_is_locked_with_a_reason_and_unlocked(browser_as: Any, at: Any, web: Service, kind: str):
    row, client = (web if kind == "service" else web.stack), browser_as("bob")
    assert "Nobody can change" in client.get(at(f"{kind}-lock", pk=row.pk), headers=HX).content.decode()
    assert client.post(at(f"{kind}-lock", pk=row.pk), {"reason": "release freeze"}, headers=HX).status_code == 204
    page = client.get(at(kind, pk=row.pk)).content.decode()
    assert f"The {kind} {row.name} has been locked by Bob since" in page
    assert "release freeze. Unlock it first." in page
    assert at(f"{kind}-unlock", pk=row.pk) in page
    assert client.get(at("stacks")).content.decode().count('<span class="lock"') == (1 if kind == "service" else 2)
    assert client.post(at(f"{kind}-unlock", pk=row.pk), headers=HX).status_code == 204
    assert "data-lock-note" not in client.get(at(kind, pk=row.pk)).content.decode()


def test_what_is_locked_is_refused_in_words(browser_as: Any, at: Any, web: Service, actor_of: Any):
    lock_set(web.stack, "audit", actor=actor_of("alice"))
    client = browser_as("bob")
    container = Container.all_objects.get(slot__service=web, slot__number=1)
    ways: tuple[tuple[str, dict[str, str]], ...] = (
        (at("service-scale", pk=web.pk), {"by": "1"}),
        (at("service-do", pk=web.pk, action="deactivate"), {}),
        (at("service-remove", pk=web.pk), {}),
        (at("stack-remove", pk=web.stack_id), {}),
        (at("stack-all", pk=web.stack_id, action="deactivate"), {}),
        (at("container-do", pk=container.pk, action="stop"), {}),
    )
    for path, data in ways:
        answer = client.post(path, data, headers=HX)
        assert answer.status_code == 422, path
        assert "audit. Unlock it first." in json.loads(answer["HX-Trigger"])["corral:toast"]["text"]
    page = client.get(at("stack", pk=web.stack_id)).content.decode()
    assert page.count("Add service: The stack shop has been locked by Alice") == 1
    web.refresh_from_db()
    assert (web.scale, web.desired) == (2, "active")


def test_too_long_a_reason_is_said_at_its_field(browser_as: Any, at: Any, web: Service):
    answer = browser_as("bob").post(at("service-lock", pk=web.pk), {"reason": "x" * 300}, headers=HX)
    assert answer.status_code == 422
    assert "at most 255 characters" in answer.content.decode()
    assert not Lock.objects.exists()


@pytest.mark.parametrize(("who", "status"), [("rex", 403), ("rita", 403), ("mallory", 404)])
def test_others_do_not_lock(browser_as: Any, at: Any, web: Service, who: str, status: int):
    client = browser_as(who)
    for path in (at("service-lock", pk=web.pk), at("stack-lock", pk=web.stack_id), at("service-unlock", pk=web.pk)):
        assert client.post(path, headers=HX).status_code == status
    assert not Lock.objects.exists()
