"""Restarts of containers from before they were counted by themselves."""

from __future__ import annotations

from importlib import import_module

from django.apps import apps

from apps.containers.models import Container
from apps.environments.models import Environment

migration = import_module("apps.containers.migrations.0016_restarts")


def test_what_is_known_are_the_starts_after_the_first_that_nobody_requested(lab: Environment) -> None:
    for name, starts, requested in (("a", 0, 0), ("b", 1, 0), ("c", 4, 0), ("d", 4, 2), ("e", 2, 3)):
        Container.all_objects.create(environment=lab, name=name, start_count=starts, restart_mark=requested)
    migration.count_known(apps, None)
    found = Container.all_objects.values_list("name", "restarts")
    assert dict(found) == {"a": 0, "b": 0, "c": 3, "d": 1, "e": 0}
