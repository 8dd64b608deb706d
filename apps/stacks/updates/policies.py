"""Which policy a service has: its own, that of its environment, or to notify."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps.control.services import record
from apps.core.errors import Forbidden
from apps.core.events import row_changed
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.models import Service
from apps.stacks.updates.models import EnvironmentUpdatePolicy
from apps.stacks.updates.policy import UpdatePolicy, parse_policy

DEFAULT = UpdatePolicy()


class PolicyIndex:
    """The policies of all services and environments, read in two queries; only those that say something are kept."""

    def __init__(self) -> None:
        own = Service.all_objects.filter(removed=None).exclude(update_policy={})
        self._own = dict(own.values_list("pk", "update_policy"))
        self._environments = dict(EnvironmentUpdatePolicy.objects.values_list("environment", "policy"))

    def policy_of(self, environment_id: int, service_id: int | None) -> UpdatePolicy:
        """What holds for a service, or for containers of none."""
        own = UpdatePolicy.from_json(self._own.get(service_id or 0))
        return own or UpdatePolicy.from_json(self._environments.get(environment_id)) or DEFAULT


def environment_policy(environment_id: int) -> UpdatePolicy:
    """What services of an environment do that do not say so themselves."""
    row = EnvironmentUpdatePolicy.objects.filter(environment=environment_id).first()
    return (UpdatePolicy.from_json(row.policy) if row is not None else None) or DEFAULT


def policy_of(row: Service) -> UpdatePolicy:
    """What holds for a service."""
    return UpdatePolicy.from_json(row.update_policy) or environment_policy(row.environment_id)


def environment_policy_set(environment: Environment, sent: Any, *, actor: Actor) -> UpdatePolicy:
    """Decide what services of an environment do by default; None or empty: notify. Raises `Invalid`, `Forbidden`."""
    allowed = can(actor, "operate", environment.pk)
    if not allowed:
        raise Forbidden(allowed.reason)
    policy = parse_policy(sent, "policy") or DEFAULT
    changed = {"policy": policy.to_json(), "account": actor.user, "changed": timezone.now()}
    row, _new = EnvironmentUpdatePolicy.objects.update_or_create(environment=environment, defaults=changed)
    record(
        "updatePolicy.update", actor=actor, row=row, environment_id=environment.pk, request={"policy": policy.to_json()}
    )
    row_changed(environment.pk, "environment", environment.pk)
    return policy


def policy_owner(row: Service) -> str:
    """Whose decision the policy of a service is; empty where the installation's default holds, or they are gone."""
    if row.update_policy:
        return str(row.update_policy_by or "")
    found = EnvironmentUpdatePolicy.objects.filter(environment=row.environment_id).select_related("account").first()
    return str(found.account or "") if found is not None else ""
