"""`environment`, v1's name of a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.adoption.services import give_back
from apps.api.resources import stack_upgrades
from apps.api.resources.deleted_resources import RESTORE
from apps.api.resources.locks import LOCK, UNLOCK, serialize_lock, with_lock_state
from apps.api.resources.promotions import preview_of_stack
from apps.api.resources.removal_previews import preview_link
from apps.api.resources.secret_values import if_values_visible
from apps.api.resources.undoing import UNDO, undo_seconds
from apps.api.wire.context import ApiCaller
from apps.api.wire.dialect import V1
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import (
    Action,
    Data,
    Link,
    Resource,
    RowContext,
)
from apps.api.wire.roles import READ_ONLY, USER_INPUT, TypeRoles
from apps.catalog.launching import StackOptions, launch_by_id, version_meant
from apps.core.ids import row_number
from apps.environments.access import Verdict
from apps.stacks.bulk import stack_services_act
from apps.stacks.bundle_import import stack_create_from_bundle
from apps.stacks.health import wire_health
from apps.stacks.lifecycle import STACK
from apps.stacks.models import GIVE_BACK, Service, Stack
from apps.stacks.selectors import health_of_stack, stack_export
from apps.stacks.services import (
    stack_create,
    stack_update,
)
from apps.stacks.stack_history import StackRevision
from apps.stacks.stack_upgrade import stack_act
from apps.stacks.undo import is_undoable

_NOT_UPGRADED = frozenset({"requested", "activating", "active", "updating-active", "error", "removing", "removed"})


def _services_action(action: str) -> Any:
    def act(caller: ApiCaller, row: Stack, _data: Data) -> None:
        stack_services_act(row, action, actor=caller.actor)

    return act


def _export(caller: ApiCaller, row: Stack, data: Data) -> Data:
    wanted = [row_number(text) or 0 for text in data.get("serviceIds", ())]
    docker, rancher = stack_export(caller.actor, row, wanted, first_form=caller.dialect is V1)
    return {
        "type": "composeConfig",
        "links": {},
        "actions": {},
        "dockerComposeConfig": docker,
        "rancherComposeConfig": rancher,
    }


def _outputs(caller: ApiCaller, row: Stack, data: Data) -> None:
    stack_update(row, actor=caller.actor, outputs={**row.outputs, **data["outputs"]})


def _health(context: RowContext) -> str:
    """The worst health among the stack's services."""
    return wire_health(health_of_stack(context.extra["services"]))


def _previous(name: str) -> Any:
    """The column of the revision before the upgrade that is going on, or was just done."""

    def read(context: RowContext) -> Any:
        found = context.extra["previous"]
        return (getattr(found, name) or None) if found is not None and context.may("values") else None

    return read


class AddOutputsInputResource(EmbeddedResource):
    """The outputs that `addoutputs` adds to a stack."""

    name = "addOutputsInput"
    roles = READ_ONLY
    own_fields = parse_fields("outputs map[string] c *")


class ComposeConfigResource(EmbeddedResource):
    """A stack as compose files: the answer of `exportconfig`."""

    name = "composeConfig"
    roles = READ_ONLY
    own_fields = parse_fields("""
        dockerComposeConfig  string r
        rancherComposeConfig string r
    """)


class ComposeConfigInputResource(EmbeddedResource):
    """The services to export; all of the stack's when none is named."""

    name = "composeConfigInput"
    roles = USER_INPUT
    own_fields = parse_fields("serviceIds array[reference[service]] c")


class StackResource(Resource):
    """A stack; creating one from compose files creates their services too."""

    name = "environment"
    model = Stack
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "cu", "delete": "d"})
    own_fields = parse_fields("""
        name                string      cu <name * 1..63
        bundle              string      c  0..2800000
        dockerCompose       string      c
        environment         map[string] c
        externalId          string      cu <external_id 0..128
        healthState         string      r
        lock                lock        r
        outputs             map[string] cu
        previousEnvironment map[string] r
        previousExternalId  string      r
        rancherCompose      string      c
        startOnCreate       boolean     c  <start_on_create
        warnings            array[string] r
    """)
    computed = {
        "bundle": lambda context: None,  # noqa: ARG005 - read once, and kept as compose files
        "dockerCompose": if_values_visible("docker_compose"),
        "rancherCompose": if_values_visible("rancher_compose"),
        "environment": if_values_visible("variables"),
        "lock": serialize_lock,
        "outputs": lambda context: context.row.outputs or None,
        "healthState": _health,
        "previousEnvironment": _previous("variables"),
        "previousExternalId": _previous("external_id"),
        "warnings": lambda context: None,  # noqa: ARG005 - in the answer to its creation, and kept with the operation
    }
    custom_actions = {
        "activateservices": Action(
            _services_action("activate"), states=frozenset({"active", "updating-active"}), is_change=True
        ),
        "deactivateservices": Action(
            _services_action("deactivate"), states=frozenset({"active", "updating-active"}), is_change=True
        ),
        "lock": LOCK,
        "restore": RESTORE,
        "undo": UNDO,
        "unlock": UNLOCK,
        "exportconfig": Action(_export, "composeConfigInput", "composeConfig", "values"),
        "upgrade": Action(stack_upgrades.upgrade, "environmentUpgrade"),
        "previewupgrade": Action(
            stack_upgrades.preview,
            "environmentUpgrade",
            "stackUpgradePreview",
            states=STACK.transitions["upgrade"].start,
        ),
        "previewpromotion": Action(preview_of_stack, "promotionInput", "promotionPreview", "values"),
        "returntorevision": Action(
            stack_upgrades.return_to_revision,
            "returnStackToRevisionInput",
            "stackUpgradePreview",
            states=STACK.transitions["upgrade"].start,
            is_change=True,
        ),
        "addoutputs": Action(
            _outputs, "addOutputsInput", states=frozenset({"active", "updating-active"}), is_change=True
        ),
    }
    links = {
        "account": Link("project", attribute="environment_id"),
        "removalPreview": Link(call=preview_link),
        "services": Link("service", column="stack"),
        "revisions": Link("stackRevision", column="stack"),
    }

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, Any]:
        """Each stack's services, with what their health is decided from, and what it was before its upgrade."""
        found: dict[int, Any] = {row.pk: {"services": [], "previous": None} for row in rows}
        services = Service.objects.within(caller.environments()).filter(stack__in=list(found), removed=None)
        for service in services.only("stack", "desired", "status", "fault", "kind", "image"):
            found[service.stack_id]["services"].append(service)
        numbers = {row.pk: row.upgrade.get("from") for row in rows if row.display_state not in _NOT_UPGRADED}
        if numbers:
            kept = StackRevision.objects.filter(stack__in=numbers, number__in=set(numbers.values()) - {None})
            for revision in kept.only("stack", "number", "variables", "external_id"):
                if numbers[revision.stack_id] == revision.number:
                    found[revision.stack_id]["previous"] = revision
        return found

    def create(self, caller: ApiCaller, data: Data) -> tuple[Stack, Data]:
        """Create a stack, with the services of its compose files, or of a bundle: a zip or tar in base64.

        The answer has the `warnings` of the files, which nothing says afterwards.
        """
        row = self._create(caller, data)
        return row, {"warnings": list(row.file_warnings)}

    def _create(self, caller: ApiCaller, data: Data) -> Stack:
        more = pick(
            data,
            description="description",
            docker_compose="dockerCompose",
            rancher_compose="rancherCompose",
            variables="environment",
            external_id="externalId",
            start_on_create="startOnCreate",
        )
        more |= {"actor": caller.actor, "environment": caller.require_environment(), "name": data["name"]}
        if (launched := self._launch(caller, data)) is not None:
            return launched
        if not data.get("bundle"):
            return stack_create(**more)
        return stack_create_from_bundle(stack_upgrades.decode_bundle(data["bundle"]), **more)

    def _launch(self, caller: ApiCaller, data: Data) -> Stack | None:
        """The stack of a catalog's version that `externalId` names, `environment` being its answers; None without."""
        environment = caller.require_environment()
        files = data.get("dockerCompose") or data.get("bundle") or ""
        wanted = version_meant(caller.actor, environment.pk, data.get("externalId") or "", files)
        if wanted is None:
            return None
        options = StackOptions(data["name"], data.get("description") or "", start=bool(data.get("startOnCreate")))
        answers = data.get("environment") or {}
        return launch_by_id(
            actor=caller.actor, environment=environment, wanted=wanted, options=options, answers=answers
        )

    def update(self, caller: ApiCaller, row: Stack, data: Data) -> None:
        """Change name, description, outputs or external id."""
        named = pick(data, name="name", description="description", outputs="outputs", external_id="externalId")
        stack_update(row, actor=caller.actor, **named)

    def act(self, caller: ApiCaller, row: Stack, action: str) -> None:
        """Remove, purge, give back; finish, cancel or roll back an upgrade."""
        if action == GIVE_BACK:
            give_back(row, actor=caller.actor)
            return
        stack_act(row, action, actor=caller.actor, undo_seconds=undo_seconds(caller))

    def is_offered(self, row: Stack, action: str) -> bool:
        """Undoing only while there is something to undo."""
        return super().is_offered(row, action) and (action != "undo" or is_undoable(row))

    def verdict(self, caller: ApiCaller, row: Stack, action: str) -> Verdict:
        """The same, where locks have a say in locking too."""
        return with_lock_state(caller, row, action, super().verdict(caller, row, action))
