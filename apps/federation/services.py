"""What people do with trust rules: make, change, switch off and remove one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction

from apps.control.services import create, request_change
from apps.core.errors import Forbidden, Invalid
from apps.core.fields import integer, text
from apps.core.unique import unique_or
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.environments.services import choose_key_role
from apps.federation.claim_rules import check_conditions
from apps.federation.exchanged_keys import end_keys_of
from apps.federation.issuer_url import parse_issuer
from apps.federation.models import TrustRule

MIN_MINUTES, MAX_MINUTES, DEFAULT_MINUTES = 5, 60, 15
MAX_AUDIENCE = 255
MAX_RULES = 200
# By its name in PostgreSQL, by its index in SQLite.
NAME_ONCE = ("trust_rule_name_once",)

_TRUSTED = ("issuer", "audience", "conditions", "role")
"""The columns that say whom a rule trusts, and with what."""
_MINUTES = integer(MIN_MINUTES, MAX_MINUTES)
_AUDIENCE = text(low=1, high=MAX_AUDIENCE)
_NAME = text(low=1, high=100)


def trust_rule_create(
    *,
    actor: Actor,
    environment: Environment,
    name: str,
    issuer: str,
    audience: str,
    conditions: Mapping[str, Any],
    role: str,
    minutes: int = DEFAULT_MINUTES,
    description: str = "",
) -> TrustRule:
    """A new rule; the keys that it gives are its maker's. Raises `Forbidden`, and `Invalid` at the wire's names.

    The role is one that the maker may give a key. A key that ends, or may be used from some addresses only, makes no
    rules: they would outlive it, and let others in from elsewhere.
    """
    columns = {
        "name": name,
        "issuer": issuer,
        "audience": audience,
        "conditions": conditions,
        "role": role,
        "minutes": minutes,
    }
    checked = _checked(columns)
    _require_may_give(actor, environment.pk, checked["role"])
    if TrustRule.all_objects.filter(environment=environment, removed=None).count() >= MAX_RULES:
        raise Invalid("name", "MaxLimitExceeded", f"An environment has at most {MAX_RULES} trust rules.")
    row = TrustRule(environment=environment, description=description, account=actor.user, **checked)
    with unique_or(_name_taken(checked["name"]), *NAME_ONCE):
        create(row, actor=actor, request={**checked, "description": description})
    return row


def trust_rule_update(row: TrustRule, *, actor: Actor, **changes: Any) -> TrustRule:
    """Change name, description, minutes, or whom the rule trusts: `issuer`, `audience`, `conditions`, `role`.

    Who changes whom it trusts answers for it from then on, and the keys that it gave end: they were given to others.
    Raises as `trust_rule_create`, `ActionNotAvailable`, `StaleEdit`.
    """
    checked = {**{name: value for name, value in changes.items() if name == "description"}, **_checked(changes)}
    is_other_trust = any(getattr(row, name) != checked[name] for name in _TRUSTED if name in checked)
    if is_other_trust:
        _require_may_give(actor, row.environment_id, checked.get("role", row.role))
    owner = {"account": actor.user} if is_other_trust else {}
    with transaction.atomic(), unique_or(_name_taken(checked.get("name", row.name)), *NAME_ONCE):
        request_change(row, "update", actor=actor, changes={**checked, **owner}, request=checked)
        if is_other_trust:
            end_keys_of(row, actor=actor)
    return row


def trust_rule_act(row: TrustRule, action: str, *, actor: Actor | None) -> TrustRule:
    """Activate, deactivate, remove or purge a rule; the keys of one that does not count any more end with it.

    Raises `Forbidden`, `ActionNotAvailable`; activating one takes as much as making it.
    """
    if action == "activate" and actor is not None:
        _require_may_give(actor, row.environment_id, row.role)
    with transaction.atomic():
        request_change(row, action, actor=actor)
        if action in {"deactivate", "remove"}:
            end_keys_of(row, actor=actor)
    return row


def remove_environment_trust_rules(environment_id: int) -> int:
    """Request the removal of every rule of an environment that is being removed; return how many are left."""
    left = 0
    for row in TrustRule.all_objects.filter(environment=environment_id).exclude(state__in=("removed", "purged")):
        left += 1
        if row.removal_requested:
            continue
        if row.LIFECYCLE.allows("deactivate", row.display_state):
            trust_rule_act(row, "deactivate", actor=None)
        if row.LIFECYCLE.allows("remove", row.display_state):
            trust_rule_act(row, "remove", actor=None)
    return left


def _require_may_give(actor: Actor, environment_id: int, role: str) -> None:
    """Raise unless the actor may give others a key of this role that ends when it likes."""
    held = actor.permissions(environment_id)
    if "keys" in held:  # else the life cycle refuses, in its own words
        choose_key_role(held, role)
    if actor.user is None:
        raise Forbidden("Only an account can make trust rules.")
    if actor.api_key is not None and (actor.api_key.expires is not None or actor.api_key.addresses):
        raise Forbidden(
            "This key ends, or may be used from some addresses only; a rule that it made would outlive it. Use another."
        )


def _checked(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a rule that are given, checked. Raises `Invalid` at the wire's names."""
    checks: dict[str, Callable[[Any], Any]] = {
        "name": lambda value: _NAME("name", value.strip() if isinstance(value, str) else value),
        "issuer": lambda value: parse_issuer("issuer", text()("issuer", value)),
        "audience": lambda value: _AUDIENCE("audience", value.strip() if isinstance(value, str) else value),
        "conditions": check_conditions,
        "role": lambda value: text(low=1, high=32)("role", value),
        "minutes": lambda value: _MINUTES("minutes", value),
    }
    return {name: check(columns[name]) for name, check in checks.items() if name in columns}


def _name_taken(name: str) -> Invalid:
    return Invalid("name", "NotUnique", f"There is a trust rule {name!r} here already; choose another name.")
