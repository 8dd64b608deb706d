"""The page of an operation shows the whole tree of its descendants."""

from __future__ import annotations

from typing import Any

from apps.control.models import Operation
from apps.environments.models import Environment
from apps.stacks.models import Stack


def test_a_stack_s_end_shows_what_became_of_its_containers(browser_as: Any, at: Any, lab: Environment):
    root = Operation.all_objects.create(environment=lab, name="stack.x", kind="stack", target=1, generation=1)
    mid = Operation.all_objects.create(
        environment=lab, name="service.x", kind="service", target=2, generation=1, parent=root
    )
    leaf = Operation.all_objects.create(
        environment=lab, name="container.x", kind="container", target=3, generation=1, parent=mid
    )
    page = browser_as("rita").get(at("operation", pk=root.pk)).content.decode()
    assert page.index(f'id="operation-{mid.pk}"') < page.index(f'id="operation-{leaf.pk}"')
    assert 'aria-label="level 1"' in page
    assert 'aria-label="level 2"' not in page
    assert browser_as("mallory").get(at("operation", pk=root.pk)).status_code == 404


def test_how_far_the_parts_are_is_counted(browser_as: Any, at: Any, lab: Environment):
    root = Operation.all_objects.create(environment=lab, name="stack.x", kind="stack", target=1, generation=1)
    for state in ("succeeded", "failed", "superseded", "running", "pending"):
        Operation.all_objects.create(
            environment=lab, name="service.x", kind="service", target=2, generation=1, parent=root, state=state
        )
    url = at("operation", pk=root.pk)
    page = browser_as("rita").get(url).content.decode()
    assert "3 of 5 done, 1 failed" in page
    assert 'value="3"' in page
    Operation.all_objects.filter(parent=root).update(state="succeeded")
    page = browser_as("rita").get(url).content.decode()
    assert "5 of 5 done" in page
    assert "<progress" not in page[page.index("5 of 5 done") :]


def test_lists_of_operations_have_no_levels(browser_as: Any, at: Any, shop: Stack):
    assert 'aria-label="level' not in browser_as("alice").get(at("activity")).content.decode()
