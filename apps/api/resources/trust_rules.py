"""`trustRule` (not in Rancher's v1): whose jobs exchange their identity tokens for keys of an environment."""

from __future__ import annotations

from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import Data, Link, Resource
from apps.api.wire.roles import TypeRoles
from apps.federation.models import TrustRule
from apps.federation.services import trust_rule_act, trust_rule_create, trust_rule_update

_COLUMNS = {
    "name": "name",
    "description": "description",
    "issuer": "issuer",
    "audience": "audience",
    "conditions": "conditions",
    "role": "role",
    "minutes": "minutes",
}


class TrustRuleResource(Resource):
    """A rule that trusts the jobs of an issuer whose claims meet all conditions, where `*` stands for anything.

    `ownerId` is the account whose keys they get: it made the rule, or last changed whom it trusts.
    """

    name = "trustRule"
    model = TrustRule
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "keys": "cud"})
    own_fields = parse_fields("""
        audience        string             cu <audience * 1..255
        conditions      map[string]        cu *
        issuer          string             cu <issuer * 1..255
        lastRefusal     string             r <last_refusal
        lastRefused     date               r <last_refused
        lastUsed        date               r <last_used
        minutes         int                cu <minutes =15 5..60
        name            string             cu <name * 1..100
        ownerId         reference[account] r <account_id
        role            string             cu <role * 1..32
    """)
    computed = {"conditions": lambda context: context.row.conditions}
    links = {"owner": Link("account", attribute="account_id")}

    def rows(self, caller: ApiCaller) -> Any:
        """Those of the caller's environments."""
        return TrustRule.objects.within(caller.environments())

    def create(self, caller: ApiCaller, data: Data) -> TrustRule:
        """Make a rule."""
        return trust_rule_create(actor=caller.actor, environment=caller.require_environment(), **pick(data, **_COLUMNS))

    def update(self, caller: ApiCaller, row: TrustRule, data: Data) -> None:
        """Change it; the keys of one that trusts others now end."""
        trust_rule_update(row, actor=caller.actor, **pick(data, **_COLUMNS))

    def act(self, caller: ApiCaller, row: TrustRule, action: str) -> None:
        """Activate, deactivate, remove, purge."""
        trust_rule_act(row, action, actor=caller.actor)
