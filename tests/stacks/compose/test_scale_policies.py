"""Scale policies in rancher-compose files: read, also of a variable, written back, and refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.stacks.compose import export, parse
from apps.stacks.models import Service, Stack
from apps.stacks.selectors import stack_export
from apps.stacks.services import stack_create

FILE = "web:\n  image: nginx\n"


@pytest.mark.parametrize("first_form", [True, False])
@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("{min: 1, max: 5, increment: 2}", {"min": 1, "max": 5, "increment": 2}),
        ("{min: 2, max: '${NODES}'}", {"min": 2, "max": 3, "increment": 1}),
        ("{max: 4}", {"min": 1, "max": 4, "increment": 1}),
    ],
)
def test_a_policy_is_read_and_comes_back_the_same(text: str, policy: dict[str, int], *, first_form: bool) -> None:
    found = parse(FILE, f"web: {{scale_policy: {text}}}", {"NODES": "3"})
    assert not [*found.warnings, *found.services[0].warnings]
    assert found.services[0].scale_policy == policy
    assert parse(*export(found.services, first_form=first_form)).services == found.services


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "must be a map"),
        ("[1, 2]", "must be a map"),
        ("{min: 0, max: 2}", "scale_policy.min is at least 1"),
        ("{min: 3, max: 2}", "less than min"),
        ("{min: 1, max: 4000}", "at most 1000"),
        ("{min: many, max: 2}", "whole number"),
        ("{min: [1], max: {a: 1}}", "whole number"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        parse(FILE, f"web:\n  scale_policy: {text}\n")
    assert (caught.value.field, "line 2" in caught.value.message) == ("rancherCompose", True)


def test_a_stack_has_it_and_exports_it(lab: Environment, actor_of: Any) -> None:
    policy = "{min: 1, max: 5, increment: 2}"
    stack: Stack = stack_create(
        actor=actor_of("bob"),
        environment=lab,
        name="shop",
        docker_compose=FILE,
        rancher_compose=f"web: {{scale_policy: {policy}}}",
    )
    row = Service.all_objects.get(stack=stack)
    assert row.scale_policy == {"min": 1, "max": 5, "increment": 2}
    assert "increment: 2" in stack_export(actor_of("alice"), stack)[1]
