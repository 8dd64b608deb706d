"""Keys that act in one environment."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.services import NewKey, key_create
from apps.core.errors import Forbidden
from apps.environments.access import Actor, can
from apps.environments.models import Environment, KeyScope


def environment_key_create(*, actor: Actor, environment: Environment, name: str = "", description: str = "") -> NewKey:
    """A new key that acts in this environment only, with its maker's role there and never more."""
    allowed = can(actor, "keys", environment.pk)
    if not allowed or actor.user is None:
        raise Forbidden(allowed.reason or "Only an account can own a key.")
    with transaction.atomic():
        made = key_create(actor=actor, account=actor.user, name=name, description=description)
        KeyScope.objects.create(key=made.key, environment=environment, role=actor.role(environment.pk) or "readonly")
    return made
