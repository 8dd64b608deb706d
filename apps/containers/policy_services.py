"""What administrators decide about hosts' safety: the host policy of an environment."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps.containers.models import HostPolicy
from apps.containers.policy import Policy
from apps.containers.selectors import policies_of
from apps.control.services import record
from apps.core.edits import BasedOn, require_unchanged
from apps.core.errors import Forbidden
from apps.core.events import row_changed
from apps.environments.actor import Actor
from apps.environments.models import Environment


def policy_set(environment: Environment, rules: Any, *, actor: Actor, based_on: BasedOn | None = None) -> Policy:
    """Decide the whole policy of an environment; rules that are left out are closed.

    Raises `Forbidden` for others than administrators, `Invalid` for a rule that is wrong or unknown, `StaleEdit` for
    one that is not any more as it is in `based_on`. What runs already keeps running: it is listed as not allowed any
    more.
    """
    _require_admin(actor)
    policy = Policy.from_wire(rules)
    current = policies_of([environment.pk])[environment.pk][0] if based_on else policy
    require_unchanged("The host policy", based_on, current.to_json(), policy.to_json())
    row, _new = HostPolicy.objects.update_or_create(
        environment=environment, defaults={"rules": policy.to_json(), "changed": timezone.now()}
    )
    _record_change("hostPolicy.update", row, actor, {"rules": policy.to_json()})
    return policy


def policy_reset(environment: Environment, *, actor: Actor) -> None:
    """Have an environment follow the installation's default again. Raises `Forbidden`."""
    _require_admin(actor)
    row = HostPolicy.objects.filter(environment=environment).first()
    if row is not None:
        HostPolicy.objects.filter(environment=environment).delete()
        _record_change("hostPolicy.delete", row, actor, {})


def _record_change(event: str, row: HostPolicy, actor: Actor, request: dict[str, Any]) -> None:
    key = row.environment_id
    record(event, actor=actor, row=HostPolicy(environment_id=key), environment_id=key, request=request)
    row_changed(key, "environment", key)


def _require_admin(actor: Actor) -> None:
    if not actor.is_admin:
        raise Forbidden("Only administrators may change what containers may ask of their hosts.")
