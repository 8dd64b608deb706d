"""`networkPolicyRule`: the network policy in the words of Rancher 1.6, and which of its rules there are here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.roles import TypeRoles
from apps.core.errors import Invalid
from apps.network.policies import ALL, LINKED, STACK

ALLOW, DENY = "allow", "deny"
_WITHIN: Mapping[str, tuple[str, ...]] = {LINKED: ("service", "linked"), STACK: ("service", "linked", "stack")}
_REMEDY = (
    'send [] with defaultPolicyAction "allow" for no policy, or with "deny" a rule {"within": ..., "action": "allow"}'
    ' for "linked", or two for "linked" and "stack"; one for "service" may be with them'
)


class NetworkPolicyRuleResource(EmbeddedResource):
    """Whose connections a policy lets through: those within a service, to linked services, or within a stack."""

    name = "networkPolicyRule"
    roles = TypeRoles(user="r", admin="ru", environment={"view": "r", "own": "u"})
    own_fields = parse_fields("""
        within enum u :service|linked|stack *
        action enum u =allow :allow|deny
    """)


def default_action(policy: str) -> str:
    """What becomes of connections that no rule names."""
    return ALLOW if policy == ALL else DENY


def write_rules(policy: str) -> list[dict[str, str]]:
    """The policy as rules."""
    rule = {"type": NetworkPolicyRuleResource.name, "action": ALLOW}
    return [{**rule, "within": within} for within in _WITHIN.get(policy, ())]


def read_policy(action: str, rules: Sequence[Mapping[str, Any]]) -> str:
    """The policy that rules stand for. Raises `Invalid` for those that are not enforced here."""
    found = {_read_rule(rule) for rule in rules}
    if action == ALLOW:
        return ALL
    if found - {"service"} == {"linked"}:
        return LINKED
    if found - {"service"} == {"linked", "stack"}:
        return STACK
    shown = ", ".join(sorted(found)) or "no rules"
    raise Invalid("policy", "InvalidOption", f"policy: {shown} with {action} is not enforced here; {_REMEDY}.")


def _read_rule(rule: Mapping[str, Any]) -> str:
    within, action = rule.get("within"), rule.get("action", ALLOW)
    if within not in _WITHIN[STACK]:
        raise Invalid(
            "policy", "InvalidOption", f"policy: within {str(within)[:40]!r} is not enforced here; {_REMEDY}."
        )
    if action != ALLOW:
        raise Invalid("policy", "InvalidOption", f"policy: rules can only allow; {_REMEDY}.")
    return str(within)
