"""`network`: the managed network of an environment, one for each."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import QueryDict

from apps.api.resources.network_policies import default_action, read_policy, write_rules
from apps.api.resources.network_policy_previews import policy_preview
from apps.api.resources.port_ranges import read_range, write_range
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Link, Resource
from apps.api.wire.roles import TypeRoles
from apps.environments.selectors import environments_by_id
from apps.network.models import EnvironmentNetwork
from apps.network.services import network_update


class NetworkResource(Resource):
    """The network that reaches across the hosts of one environment; members read it, owners change it."""

    name = "network"
    roles = TypeRoles(user="r", admin="ru", environment={"view": "r", "own": "u"})
    sortable = False
    own_fields = parse_fields("""
        accountId  reference[account] r  <environment_id
        name       string             r  ~
        state      enum               r  =active ~
        subnet     string             u  <subnet 1..64 ~
        encryption enum               u  <encryption :wireguard|none ~
        defaultPolicyAction enum      u  :allow|deny ~
        policy     array[networkPolicyRule] u ~
        servicesPortRange servicesPortRange u ~
        mtu        int                r  <mtu
        vni        int                r  <vni
    """)
    computed = {
        "name": lambda _context: "managed",
        "state": lambda _context: "active",
        "defaultPolicyAction": lambda context: default_action(context.row.policy),
        "policy": lambda context: write_rules(context.row.policy),
        "servicesPortRange": lambda context: write_range(context.row.port_range),
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "policyPreview": Link(call_with_query=policy_preview),
    }

    def key_of(self, row: EnvironmentNetwork) -> int:
        """The environment's key: each has one network."""
        return row.environment_id

    def rows(self, caller: ApiCaller) -> QuerySet[EnvironmentNetwork]:
        """The networks of the environments that the caller sees."""
        return EnvironmentNetwork.objects.filter(pk__in=caller.environments()).order_by("pk")

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[EnvironmentNetwork]:  # noqa: ARG002 - the base's signature
        """The same as a list: the rows have no columns to filter by."""
        caller.actor.prefetch_permissions(caller.environments())
        return list(self.rows(caller))

    def find(self, caller: ApiCaller, key: int | str | None) -> EnvironmentNetwork | None:
        """The network of the environment with this key."""
        return self.rows(caller).filter(pk=key).first() if isinstance(key, int) else None

    def update(self, caller: ApiCaller, row: EnvironmentNetwork, data: Data) -> None:
        """Change the subnet, encryption, ports or the policy, of which each field goes with the other's value."""
        (environment,) = environments_by_id([row.environment_id])
        action, rules = data.get("defaultPolicyAction"), data.get("policy")
        is_about_policy = action is not None or rules is not None
        network_update(
            environment,
            actor=caller.actor,
            subnet=data.get("subnet"),
            encryption=data.get("encryption"),
            port_range=read_range(data.get("servicesPortRange")),
            policy=read_policy(
                default_action(row.policy) if action is None else action,
                write_rules(row.policy) if rules is None else rules,
            )
            if is_about_policy
            else None,
        )
