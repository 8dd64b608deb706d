"""`networkPolicyPreview` (not in Rancher's v1): which connections another network policy would cut off now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict

from apps.api.resources.network_policies import default_action, write_rules
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.roles import READ_ONLY
from apps.core.errors import Invalid
from apps.core.ids import wire_id
from apps.network.models import EnvironmentNetwork
from apps.network.policies import MODES
from apps.stacks.models import Service
from apps.stacks.network_policy.preview import preview_policies


class NetworkPolicyPreviewResource(EmbeddedResource):
    """The running services that others could not reach any more, and which still could."""

    name = "networkPolicyPreview"
    roles = READ_ONLY
    own_fields = parse_fields("""
        cut                 json                     r
        defaultPolicyAction string                   r
        networkId           string                   r
        policy              array[networkPolicyRule] r
        singleContainers    int                      r
    """)


def policy_preview(caller: ApiCaller, row: EnvironmentNetwork, query_params: QueryDict) -> dict[str, Any]:
    """The `call` of a network's link: `policy` is the one to try, by the name that its page has for it.

    Without it the one in force is, which cuts nothing.
    """
    mode = query_params.get("policy", row.policy)
    if mode not in MODES:
        raise Invalid(
            "policy", "InvalidOption", "Say which policy to try: ?policy=all, ?policy=linked or ?policy=stack."
        )
    found, key = preview_policies(row.environment_id, row.policy, [mode])[mode], wire_id("n", row.environment_id)
    return {
        "type": "networkPolicyPreview",
        "links": {"self": f"{caller.url('networks', key, 'policypreview')}?policy={mode}"},
        "actions": {},
        "networkId": key,
        "defaultPolicyAction": default_action(mode),
        "policy": write_rules(mode),
        "singleContainers": found.singles,
        "cut": [
            {
                **_described(each.service),
                "lost": each.lost,
                "lostFrom": _listed(each.cut),
                "keptFrom": _listed(each.kept),
            }
            for each in found.losing
        ],
    }


def _described(service: Service) -> dict[str, str]:
    return {"serviceId": wire_id("s", service.pk), "name": f"{service.stack.name}/{service.name}"}


def _listed(services: Iterable[Service]) -> list[dict[str, str]]:
    return [_described(each) for each in services]
