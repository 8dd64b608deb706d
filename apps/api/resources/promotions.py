"""`promotion` and `promotionRules` (not in Rancher's v1): revisions of stacks on their way into another environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import QueryDict

from apps.api.resources.stack_upgrades import serialize_draft
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Action, Data, Link, Resource
from apps.api.wire.roles import READ_ONLY, USER_INPUT, TypeRoles
from apps.core.errors import Invalid
from apps.core.ids import row_number
from apps.environments.access import Verdict
from apps.environments.models import Environment
from apps.environments.selectors import environments_by_id
from apps.stacks.models import Stack
from apps.stacks.promotions.models import Promotion, PromotionRules
from apps.stacks.promotions.preview import PromotionPreview
from apps.stacks.promotions.rules import FIELDS, describe_rules, rules_by_environment, rules_set
from apps.stacks.promotions.services import (
    PromotionRequest,
    preview_requested,
    promotion_approve,
    promotion_preview,
    promotion_refuse,
    promotion_request,
    promotion_undo,
    undo_refusal,
)


class PromotionInputResource(EmbeddedResource):
    """A promotion to be looked at: into which environment, and with what."""

    name = "promotionInput"
    roles = USER_INPUT
    own_fields = parse_fields("""
        toProjectId    reference[project] c *
        sourceRevision int                c 1..
        stackName      string             c 0..63
        services       array[string]      c
        variables      map[string]        c
        removeMissing  boolean            c =false
    """)


class PromotionPreviewResource(EmbeddedResource):
    """What a promotion would do, service by service; `basedOn` has it refused if the target changes before."""

    name = "promotionPreview"
    roles = READ_ONLY
    own_fields = parse_fields("""
        basedOn  string        r
        problems array[string] r
        services json          r
        warnings array[string] r
    """)


class ApprovePromotionInputResource(EmbeddedResource):
    """The `basedOn` of the preview that was looked at."""

    name = "approvePromotionInput"
    roles = TypeRoles(user="cr", admin="cr", environment={"view": "r", "approve": "c"})
    own_fields = parse_fields("basedOn string c 0..64")


class RefusePromotionInputResource(EmbeddedResource):
    """Why a promotion is refused."""

    name = "refusePromotionInput"
    roles = USER_INPUT
    own_fields = parse_fields("reason string c 0..500")


def preview_of_stack(caller: ApiCaller, row: Stack, data: Data) -> Data:
    """The stack's action `previewpromotion`: what a promotion would do; nothing is changed."""
    return _serialize(promotion_preview(_request(caller, row, data), actor=caller.actor))


def _serialize(preview: PromotionPreview) -> Data:
    drafted = serialize_draft(preview.draft) if preview.draft is not None else {"services": []}
    return {
        "type": "promotionPreview",
        "links": {},
        "actions": {},
        "basedOn": preview.basis,
        "problems": list(preview.problems),
        "services": drafted["services"],
        "warnings": list(preview.warnings),
    }


def _request(caller: ApiCaller, source: Stack, data: Data) -> PromotionRequest:
    wanted = row_number(data["toProjectId"]) or 0
    environment = Environment.objects.filter(pk=wanted, removed=None).first()
    if environment is None or not caller.actor.permissions(environment.pk):
        why = f"There is no environment {str(data['toProjectId'])[:40]!r}, or you are not a member of it."
        raise Invalid("toProjectId", "InvalidReference", why)
    return PromotionRequest(
        source=source,
        environment=environment,
        revision=data.get("sourceRevision"),
        name=data.get("stackName") or "",
        services=tuple(data.get("services") or ()),
        variables=data.get("variables") or {},
        remove_missing=bool(data.get("removeMissing")),
        note=data.get("note") or "",
        based_on=data.get("basedOn") or "",
    )


def _preview_link(caller: ApiCaller, row: Promotion) -> Data:  # noqa: ARG001 - the signature of links
    return _serialize(preview_requested(row))


def _approve(caller: ApiCaller, row: Promotion, data: Data) -> None:
    promotion_approve(row, actor=caller.actor, based_on=data.get("basedOn") or "")


def _refuse(caller: ApiCaller, row: Promotion, data: Data) -> None:
    promotion_refuse(row, actor=caller.actor, reason=data.get("reason") or "")


def _undo(caller: ApiCaller, row: Promotion, _data: Data) -> None:
    promotion_undo(row, actor=caller.actor)


def _person(name: str) -> Any:
    return lambda context: str(getattr(context.row, name)) if getattr(context.row, name) else None


class PromotionResource(Resource):
    """A revision of a stack on its way into an environment; creating one requests it."""

    name = "promotion"
    id_letters = "prm"
    former_id_letters = "p"
    model = Promotion
    roles = TypeRoles(user="cr", admin="cr", environment={"view": "r", "operate": "c"})
    own_fields = parse_fields("""
        toProjectId      reference[project]     c  *
        stackName        string                 c  0..63
        variables        map[string]            c
        name             string                 r  <name
        description      string                 r  <description
        sourceStackId    reference[environment] cr <source_id *
        sourceRevision   int                    cr <source_revision 1..
        services         array[string]          cr
        removeMissing    boolean                cr <remove_missing =false
        note             string                 cr <note 0..500
        basedOn          string                 c  0..64
        projectId        reference[project]     r  <environment_id
        targetStackId    reference[environment] r  <target_id
        targetRevision   int                    r  <target_revision
        previousRevision int                    r  <previous_revision
        digest           string                 r  <digest
        requestedBy      string                 r
        approvedBy       string                 r
        approved         date                   r  <approved_at
        refusedBy        string                 r
        refusalReason    string                 r
        ended            date                   r  <ended
    """)
    computed = {
        "toProjectId": lambda context: None,  # noqa: ARG005 - what is written; `projectId` is what is read
        "stackName": lambda context: None,  # noqa: ARG005 - likewise; `name`
        "variables": lambda context: None,  # noqa: ARG005 - values are not read again
        "basedOn": lambda context: None,  # noqa: ARG005 - of the request alone
        "services": lambda context: list(context.row.services),
        "requestedBy": _person("account"),
        "approvedBy": _person("approved_by"),
        "refusedBy": _person("refused_by"),
        "refusalReason": lambda context: context.row.refusal_reason or None,
    }
    custom_actions = {
        "approve": Action(_approve, "approvePromotionInput"),
        "refuse": Action(_refuse, "refusePromotionInput"),
        "undo": Action(_undo),
    }
    links = {
        "project": Link("project", attribute="environment_id"),
        "sourceStack": Link("environment", attribute="source_id"),
        "targetStack": Link("environment", attribute="target_id"),
        "preview": Link(call=_preview_link, permission="operate"),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """The promotions into the environments that the caller sees."""
        found = Promotion.objects.within(caller.environments())
        return found.select_related("environment", "account", "approved_by", "refused_by", "target")

    def create(self, caller: ApiCaller, data: Data) -> Promotion:
        """Request a promotion."""
        key = row_number(data["sourceStackId"]) or 0
        readable = caller.actor.environments(everything=True)
        source = Stack.objects.within(readable).filter(pk=key, removed=None).select_related("environment").first()
        if source is None:
            raise Invalid("sourceStackId", "InvalidReference", f"There is no stack {data['sourceStackId'][:40]!r}.")
        return promotion_request(_request(caller, source, data), actor=caller.actor)

    def verdict(self, caller: ApiCaller, row: Promotion, action: str) -> Verdict:
        """The same; nobody approves what they requested themselves, and not everything can be undone."""
        found = super().verdict(caller, row, action)
        user = caller.actor.user
        if found and action == "approve" and user is not None and user.pk == row.account_id:
            return Verdict(allowed=False, reason="You requested it: somebody else has to approve it.")
        if found and action == "undo" and (reason := undo_refusal(row)):
            return Verdict(allowed=False, reason=reason)
        return found


def _rule(name: str) -> Any:
    return lambda context: describe_rules(context.row)[name]


class PromotionRulesResource(Resource):
    """What promotions into an environment take; its owners change it."""

    name = "promotionRules"
    plural = "promotionRules"
    roles = TypeRoles(user="r", admin="ru", environment={"view": "r", "own": "u"})
    sortable = False
    own_fields = parse_fields("""
        accountId      reference[account] r <environment_id
        projectId      reference[project] r <environment_id
        needsApproval  boolean            u ~
        windowDays     array[string]      u
        windowStart    string             u 5..5
        windowEnd      string             u 5..5
        windowTimeZone string             u 1..64
        refuseOutside  boolean            u ~
    """)
    computed = {name: _rule(name) for name in FIELDS}
    links = {"project": Link("project", attribute="environment_id")}

    def key_of(self, row: PromotionRules) -> int:
        """The environment's key: each has its rules."""
        return row.environment_id

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[PromotionRules]:  # noqa: ARG002 - the base's
        """The rules of the environments that the caller sees."""
        keys = caller.environments()
        caller.actor.prefetch_permissions(keys)
        return _sorted_rules(keys)

    def find(self, caller: ApiCaller, key: int | str | None) -> PromotionRules | None:
        """The rules of the environment with this key."""
        return next(iter(_sorted_rules([key])), None) if isinstance(key, int) and key in caller.environments() else None

    def update(self, caller: ApiCaller, row: PromotionRules, data: Data) -> None:
        """Change the rules in the body; the others stay."""
        (environment,) = environments_by_id([row.environment_id])
        changed = rules_set(environment, data, actor=caller.actor)
        row.__dict__.update(changed.__dict__)


def _sorted_rules(keys: Sequence[int]) -> list[PromotionRules]:
    return [rules for _key, rules in sorted(rules_by_environment(keys).items())]
