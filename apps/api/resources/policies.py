"""`hostPolicy`: what containers of an environment may ask of their hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Data, Link, Resource, Seen, register
from apps.containers.decisions import policy_reset, policy_set
from apps.containers.guard import not_allowed
from apps.containers.policy import Policy
from apps.containers.selectors import policies_of
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.environments.selectors import environments_among


@dataclass(frozen=True, slots=True)
class Row:
    """The policy in force in one environment."""

    environment: Environment
    policy: Policy
    decided: bool
    changed: Any = None

    @property
    def environment_id(self) -> int:
        """Where it holds."""
        return self.environment.pk


def _not_allowed(caller: Caller, row: Row) -> Data:
    """The containers that may stay but could not be made now."""
    data = [
        {
            "type": "containerNotAllowed",
            "containerId": wire_id("i", each.pk),
            "name": each.name,
            "state": each.shown,
            "reasons": [f"{refusal.option}: {refusal.why}" for refusal in refusals],
        }
        for each, refusals in not_allowed(row.environment_id)
    ]
    url = caller.url("hostpolicies", wire_id("hp", row.environment_id), "notallowed")
    return {"type": "collection", "resourceType": "containerNotAllowed", "links": {"self": url}, "data": data}


def _rule(name: str) -> Callable[[Seen], Any]:
    return lambda seen: seen.row.policy.to_json()[name]


@register
class HostPolicyType(Resource):
    """One environment's rules; members read them, administrators decide."""

    name = "hostPolicy"
    plural = "hostPolicies"
    sortable = False
    own = table("""
        accountId     reference[account]  r  <environment_id
        projectId     reference[project]  r  <environment_id
        decided       boolean             r  <decided ~
        changed       date                r  <changed
        bindMounts    boolean             u  ~
        bindFolders   array[string]       u
        privileged    boolean             u  ~
        hostNetwork   boolean             u  ~
        hostPid       boolean             u  ~
        hostIpc       boolean             u  ~
        hostUts       boolean             u  ~
        hostUserns    boolean             u  ~
        devices       boolean             u  ~
        capAdd        array[string]       u
        sysctls       array[string]       u
        securityOpt   boolean             u  ~
        volumeDrivers array[string]       u
    """)
    computed = {name: _rule(name) for name in Policy().to_json()}
    links = {
        "project": Link("project", attribute="environment_id"),
        "notAllowed": Link(call=_not_allowed),
    }

    def key_of(self, row: Row) -> int:
        """An environment has one."""
        return row.environment_id

    def listed(self, caller: Caller, asked: QueryDict) -> list[Row]:  # noqa: ARG002 - the base's signature
        """Those of the environments the caller sees."""
        keys = caller.environments()
        caller.actor.learn(keys)
        return _rows(keys)

    def find(self, caller: Caller, key: int | str | None) -> Row | None:
        """The one of this environment."""
        return next(iter(_rows([key])), None) if isinstance(key, int) and key in caller.environments() else None

    def update(self, caller: Caller, row: Row, data: Data) -> None:
        """Decide anew what the body names; the rest stays."""
        policy_set(row.environment, {**row.policy.to_json(), **data}, actor=caller.actor)

    def act(self, caller: Caller, row: Row, action: str) -> None:  # noqa: ARG002 - there is only one
        """Back to what the installation does by default."""
        policy_reset(row.environment, actor=caller.actor)


def _rows(keys: list[int]) -> list[Row]:
    policies = policies_of(keys)
    places = environments_among(keys)
    return [
        Row(
            place,
            policies[place.pk][0],
            policies[place.pk][1] is not None,
            getattr(policies[place.pk][1], "changed", None),
        )
        for place in places
    ]
