"""Relations point down: import contracts do not see foreign keys given as text, this does."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps

from apps.core.models import Managed, TenantManager
from apps.environments.models import TenantRow

ORDER = [
    "core",
    "accounts",
    "environments",
    "drivers",
    "control",
    "vault",
    "federation",
    "hosts",
    "network",
    "containers",
    "volumes",
    "stacks",
    "catalog",
    "builds",
    "api",
    "console",
]
OURS = [model for model in apps.get_models() if model.__module__.startswith("apps.")]


def height(model: Any) -> int:
    """How high the model's app stands; what is not ours lies at the bottom."""
    label = model._meta.app_label
    return ORDER.index(label) if model.__module__.startswith("apps.") else -1


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_relation_points_to_the_same_or_a_lower_app(model: Any):
    upward = [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.related_model is not None
        if height(field.related_model) > height(model)
    ]
    assert not upward


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_a_table_of_tenants_is_guarded(model: Any):
    """Whatever has a desired state and belongs to an environment raises when it is read without naming one."""
    if issubclass(model, TenantRow) or (issubclass(model, Managed) and hasattr(model, "environment")):
        assert isinstance(model.objects, TenantManager)


@pytest.mark.parametrize("model", [m for m in OURS if issubclass(m, Managed)], ids=lambda model: model._meta.label)
def test_every_managed_kind_is_under_the_loop(model: Any):
    from apps.control.kinds import KINDS

    assert model.LIFECYCLE.kind == model.KIND
    assert KINDS[model.KIND].model is model
