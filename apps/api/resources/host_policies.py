"""`hostPolicy`: the access to hosts that an environment's containers may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import (
    Data,
    Link,
    Resource,
    RowContext,
)
from apps.api.wire.roles import TypeRoles
from apps.containers.policy import Policy
from apps.containers.policy.enforce import containers_in_violation
from apps.containers.policy_services import policy_reset, policy_set
from apps.containers.selectors import policies_of
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.environments.selectors import environments_by_id


@dataclass(frozen=True, slots=True)
class EffectiveHostPolicy:
    """The policy in force in one environment."""

    environment: Environment
    policy: Policy
    decided: bool
    changed: Any = None

    @property
    def environment_id(self) -> int:
        """The environment's key."""
        return self.environment.pk


def _not_allowed(caller: ApiCaller, row: EffectiveHostPolicy) -> Data:
    """The existing containers that the policy would refuse today; they keep running."""
    data = [
        {
            "type": "containerNotAllowed",
            "containerId": wire_id("i", each.pk),
            "name": each.name,
            "state": each.display_state,
            "reasons": [f"{refusal.option}: {refusal.why}" for refusal in refusals],
        }
        for each, refusals in containers_in_violation(row.environment_id)
    ]
    url = caller.url("hostpolicies", wire_id("hp", row.environment_id), "notallowed")
    return {"type": "collection", "resourceType": "containerNotAllowed", "links": {"self": url}, "data": data}


def _rule_value(name: str) -> Callable[[RowContext], Any]:
    return lambda context: context.row.policy.to_json()[name]


class HostPolicyResource(Resource):
    """One environment's policy; members read it, administrators change it."""

    name = "hostPolicy"
    plural = "hostPolicies"
    roles = TypeRoles(user="r", admin="rud", environment={"view": "r"})
    sortable = False
    own_fields = parse_fields("""
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
        logDrivers    array[string]       u
    """)
    computed = {name: _rule_value(name) for name in Policy().to_json()}
    links = {
        "project": Link("project", attribute="environment_id"),
        "notAllowed": Link(call=_not_allowed),
    }

    def key_of(self, row: EffectiveHostPolicy) -> int:
        """The environment's key: each has one policy."""
        return row.environment_id

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[EffectiveHostPolicy]:  # noqa: ARG002 - the base's signature
        """The policies of the environments that the caller sees."""
        keys = caller.environments()
        caller.actor.prefetch_permissions(keys)
        return _load_policies(keys)

    def find(self, caller: ApiCaller, key: int | str | None) -> EffectiveHostPolicy | None:
        """The policy of the environment with this key."""
        return (
            next(iter(_load_policies([key])), None) if isinstance(key, int) and key in caller.environments() else None
        )

    def update(self, caller: ApiCaller, row: EffectiveHostPolicy, data: Data) -> None:
        """Change the rules in the body; the others stay."""
        policy_set(row.environment, {**row.policy.to_json(), **data}, actor=caller.actor)

    def act(self, caller: ApiCaller, row: EffectiveHostPolicy, action: str) -> None:  # noqa: ARG002 - the only action is remove
        """Return to the installation's default."""
        policy_reset(row.environment, actor=caller.actor)


def _load_policies(keys: list[int]) -> list[EffectiveHostPolicy]:
    policies = policies_of(keys)
    environments = environments_by_id(keys)
    return [
        EffectiveHostPolicy(
            environment,
            policies[environment.pk][0],
            policies[environment.pk][1] is not None,
            getattr(policies[environment.pk][1], "changed", None),
        )
        for environment in environments
    ]
