"""Names and descriptions of every kind fit their columns."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.environments.services import environment_update
from apps.stacks.models import Stack
from apps.stacks.services import stack_create


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 1025, "MaxLengthExceeded"),
        ("a\0b", "InvalidCharacters"),
        ("\ud800", "InvalidCharacters"),
        (7, "InvalidFormat"),
        (["x"], "InvalidFormat"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_and_nothing_is_written(
    text: Any, code: str, lab: Environment, actor_of: Any
) -> None:
    for change in (
        lambda: environment_update(lab, actor=actor_of("alice"), description=text),
        lambda: stack_create(actor=actor_of("alice"), environment=lab, name="web", description=text),
    ):
        with pytest.raises(Invalid) as caught:
            change()
        assert (caught.value.field, caught.value.code) == ("description", code)
    assert Stack.all_objects.count() == 0
    assert Environment.objects.get(pk=lab.pk).description == ""


def test_the_longest_description_is_kept(lab: Environment, actor_of: Any) -> None:
    environment_update(lab, actor=actor_of("alice"), description="x" * 1024)
    assert len(Environment.objects.get(pk=lab.pk).description) == 1024
