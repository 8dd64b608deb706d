"""Upgrades of whole stacks by file: the input of `upgrade`; its preview and revisions of stacks are not in v1."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from apps.api.resources.secret_values import if_values_visible
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import ALWAYS_ACTIVE, Data, Link, Resource
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.catalog.launching import with_version
from apps.core.errors import Invalid
from apps.stacks.bundle_import import files_of_bundle
from apps.stacks.models import Stack
from apps.stacks.replaced_members import ReplacedMembers
from apps.stacks.revision_diff import FieldChange
from apps.stacks.service_options import has_containers
from apps.stacks.stack_draft import ServiceStep, StackDraft, StackFiles
from apps.stacks.stack_history import StackRevision
from apps.stacks.stack_plan import ServiceChange
from apps.stacks.stack_upgrade import preview_return, preview_upgrade, stack_return_to, stack_upgrade


class EnvironmentUpgradeResource(EmbeddedResource):
    """What a stack is to become; what is not sent stays. All but the first four are not in v1.

    An `externalId` of a catalog without files is that version of the stack's template; `environment` has the answers.
    `bundle` takes the place of the two files: a zip or tar in base64. `services` leaves all but these as they are.
    `batchSize` and `intervalMillis` come before what the file says; `force` replaces unchanged containers, too.
    """

    name = "environmentUpgrade"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        dockerCompose  string      c
        rancherCompose string      c
        environment    map[string] c
        externalId     string      c 0..255
        basedOn        string      c 0..64
        note           string      c 0..500
        removeMissing  boolean     c =false
        bundle         string      c 0..2800000
        services       array[string] c
        batchSize      int c 1..
        intervalMillis int c 0..
        force          boolean c =false
    """)


class StackUpgradePreviewResource(EmbeddedResource):
    """What an upgrade of a stack would do, service by service; `basedOn` has it refused if anything changes before.

    The preview of a service's return to a revision is of this type as well: with that service alone, without `basedOn`,
    and with the names of the `containers` that are made anew.
    """

    name = "stackUpgradePreview"
    roles = READ_ONLY
    own_fields = parse_fields("""
        basedOn  string        r
        problems array[string] r
        services json          r
        warnings array[string] r
    """)


class ReturnStackToRevisionInputResource(EmbeddedResource):
    """Which revision of the stack to go back to."""

    name = "returnStackToRevisionInput"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("""
        revision int     c * 1..
        basedOn  string  c 0..64
        note     string  c 0..500
        preview  boolean c =false
    """)


def _files(caller: ApiCaller, row: Stack, data: Data) -> StackFiles:
    files = StackFiles(
        docker_compose=data.get("dockerCompose"),
        rancher_compose=data.get("rancherCompose"),
        variables=data.get("environment"),
        external_id=data.get("externalId"),
        remove_missing=bool(data.get("removeMissing")),
        based_on=data.get("basedOn") or "",
        note=data.get("note") or "",
        only=tuple(data.get("services") or ()),
        strategy={name: data[name] for name in ("batchSize", "intervalMillis") if data.get(name) is not None},
        force=bool(data.get("force")),
    )
    if data.get("bundle"):
        return files_of_bundle(decode_bundle(data["bundle"]), files)
    return with_version(row, files, actor=caller.actor)


def decode_bundle(text: str) -> bytes:
    """The archive that was sent in base64, line breaks allowed. Raises `Invalid`."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise Invalid("bundle", "InvalidFormat", "The bundle must be the archive in base64.") from None


def upgrade(caller: ApiCaller, row: Stack, data: Data) -> None:
    """Upgrade the stack to what the files of the body say. Raises `Invalid`."""
    stack_upgrade(row, _files(caller, row, data), actor=caller.actor)


def preview(caller: ApiCaller, row: Stack, data: Data) -> Data:
    """Answer what the upgrade would do; nothing is changed."""
    return serialize_draft(preview_upgrade(row, _files(caller, row, data), actor=caller.actor))


def return_to_revision(caller: ApiCaller, row: Stack, data: Data) -> Data | None:
    """Upgrade the stack to what its revision was, or answer what that would do. Raises `Invalid`."""
    if data.get("preview"):
        return serialize_draft(preview_return(row, data["revision"], actor=caller.actor))
    more = {"note": data.get("note") or "", "based_on": data.get("basedOn") or ""}
    stack_return_to(row, data["revision"], actor=caller.actor, **more)
    return None


def serialize_draft(draft: StackDraft) -> Data:
    """What an upgrade would do, as a `stackUpgradePreview`."""
    return {
        "type": "stackUpgradePreview",
        "links": {},
        "actions": {},
        "basedOn": draft.now.basis,
        "problems": draft.problems,
        "services": [_serialize_step(each) for each in draft.steps],
        "warnings": list(draft.warnings),
    }


def _serialize_step(step: ServiceStep) -> Data:
    change, upgrade = step.change, step.upgrade
    return {
        "name": change.name,
        "change": change.what,
        "differences": [serialize_difference(each) for each in change.differences],
        "problem": change.problem or None,
        "replaced": serialize_replaced(change.replaced),
        "starts": step.starts,
        "strategy": dict(upgrade.settings) if upgrade is not None else None,
        **_what_is_pulled(change),
    }


def serialize_replaced(found: ReplacedMembers | None) -> Data | None:
    """Which containers of units with sidekicks are made anew; `following` use network or volumes of one that is."""
    if found is None:
        return None
    return {name: list(each) if isinstance(each, tuple) else each for name, each in asdict(found).items()}


def _what_is_pulled(change: ServiceChange) -> Data:
    """The images of the service as it is to be, and the labels that say which hosts it may be on."""
    after = change.after
    if after is None or not has_containers(after.options.kind, after.unit.primary.image):
        return {"images": [], "labels": {}}
    unit = after.unit
    images = dict.fromkeys([unit.primary.image, *(each.config.image for each in unit.sidekicks)])
    return {"images": list(images), "labels": dict(unit.primary.labels)}


def serialize_difference(each: FieldChange) -> Data:
    """One difference; secrets are not in it."""
    return {
        "field": each.field,
        "key": each.key or None,
        "sidekick": each.sidekick or None,
        "change": each.change,
        "before": each.before or None,
        "after": each.after or None,
        "label": each.label,
        "beforeText": each.before_in_words,
        "afterText": each.after_in_words,
    }


_ENVIRONMENT = "stack.environment_id"


class StackRevisionResource(Resource):
    """What a whole stack was to be at one time: immutable, numbered from 1."""

    name = "stackRevision"
    id_letters = "strev"
    former_id_letters = "sr"
    model = StackRevision
    roles = READ_ONLY
    own_fields = parse_fields("""
        accountId            reference[account]     r <stack__environment_id
        created              date                   r <created
        createdBy            string                 r
        current              boolean                r
        dockerCompose        string                 r
        environment          map[string]            r
        externalId           string                 r <external_id
        kind                 string                 r
        note                 string                 r <note
        number               int                    r <number
        rancherCompose       string                 r
        services             array[string]          r
        stackId              reference[environment] r <stack_id
        state                enum                   r ~
        transitioning        enum                   r ~ :yes|no|error
        transitioningMessage string                 r
        transitioningProgress int                   r
        via                  string                 r <via
    """)
    computed = {
        **ALWAYS_ACTIVE,
        "createdBy": lambda context: str(context.row.account) if context.row.account else None,
        "current": lambda context: context.row.number == context.row.stack.revision,
        "dockerCompose": if_values_visible("docker_compose", _ENVIRONMENT),
        "environment": if_values_visible("variables", _ENVIRONMENT),
        "rancherCompose": if_values_visible("rancher_compose", _ENVIRONMENT),
        "services": lambda context: [each["name"] for each in context.row.services],
    }
    links = {"environment": Link("environment", attribute="stack_id")}

    def rows(self, caller: ApiCaller) -> Any:
        """The revisions of the stacks the caller sees."""
        found = StackRevision.objects.filter(stack__environment__in=caller.environments(), stack__removed=None)
        return found.select_related("stack", "account")
