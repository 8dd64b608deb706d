"""`project`, v1's name of an environment, and `projectMember`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from apps.accounts.identity_kinds import LOCAL_IDENTITY_KIND, provider_identity_kinds
from apps.api.resources.deleted_resources import deleted_resources
from apps.api.resources.effective_access import access_of_environment
from apps.api.resources.host_images import prune_preview_of
from apps.api.resources.port_ranges import read_range, write_range
from apps.api.resources.removal_previews import preview_link
from apps.api.resources.socket_tickets import issue_socket_ticket
from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import (
    ALWAYS_ACTIVE,
    Action,
    Data,
    Link,
    Resource,
)
from apps.api.wire.roles import READ_ONLY, TypeRoles
from apps.core.errors import Invalid
from apps.core.ids import wire_id
from apps.environments.access import Verdict, verdict
from apps.environments.models import Environment, Member, Role
from apps.environments.selectors import display_names_of
from apps.environments.services import (
    environment_act,
    environment_create,
    environment_update,
    members_set,
)
from apps.network.port_range import DEFAULT_PORT_RANGE
from apps.network.services import network_update


def _set_members(caller: ApiCaller, row: Environment, data: Data) -> Data:
    members = members_set(row, data["members"], actor=caller.actor)
    titles = display_names_of(members)
    serialized = [
        {"type": "projectMember", **_serialize_member(member), "name": titles[member.pk]} for member in members
    ]
    return {"type": "setProjectMembersInput", "links": {}, "actions": {}, "members": serialized}


def _serialize_member(member: Member) -> Data:
    return {
        "id": wire_id("pm", member.pk),
        "externalId": member.identity,
        "externalIdType": member.identity_type,
        "role": member.role,
        "projectId": wire_id("a", member.environment_id),
    }


def _host_stats(caller: ApiCaller, row: Environment) -> Data:
    return issue_socket_ticket(caller, row, "stats", "hoststats/project/", "statsAccess")


def _delete(caller: ApiCaller, row: Environment, _data: Data) -> None:
    environment_act(row, "remove", actor=caller.actor)


_ABSENT = ("kubernetes", "mesos", "publicDns", "swarm", "virtualMachine")


def _refuse_absent(data: Data) -> None:
    """Refuse what an environment cannot have here; false, which v1's clients send, is what it has."""
    for name in _ABSENT:
        if data.get(name):
            why = f"An environment here has containers on Docker engines and no {name}; send false or leave it out."
            raise Invalid(name, "InvalidOption", why)


class SetProjectMembersInputResource(EmbeddedResource):
    """The members that replace an environment's member list."""

    name = "setProjectMembersInput"
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", "operate": "c", "members": "c"})
    own_fields = parse_fields("members array[projectMember] c *")


class ProjectResource(Resource):
    """An environment; its owners rename, deactivate and delete it and choose its members."""

    name = "project"
    base_type = "account"
    model = Environment
    roles = TypeRoles(user="crud", admin="crud", environment={"view": "r"})
    own_fields = parse_fields("""
        uuid           string               r   <wire_uuid
        members        array[projectMember] c
        subnet         string               c   1..64
        encryption     enum                 c   :wireguard|none
        servicesPortRange servicesPortRange cu
        kubernetes     boolean              cu  =false ~
        mesos          boolean              cu  =false ~
        swarm          boolean              cu  =false ~
        publicDns      boolean              cu  =false ~
        virtualMachine boolean              cu  =false ~
    """)
    omitted_fields = frozenset({"accountId"})
    custom_actions = {
        "setmembers": Action(_set_members, "setProjectMembersInput", "setProjectMembersInput", "members"),
        "delete": Action(_delete, permission="own"),
    }
    links = {
        "projectMembers": Link("projectMember", column="environment"),
        "hosts": Link("host", column="environment"),
        "containers": Link("container", column="environment"),
        "environments": Link("environment", column="environment"),
        "services": Link("service", column="environment"),
        "deletedResources": Link(call=deleted_resources),
        "apiKeys": Link("apiKey", column="scope__environment"),
        "auditLogs": Link("auditLog", column="environment"),
        "hostStats": Link(call=_host_stats),
        "effectiveAccesses": Link(call=access_of_environment),
        "registrationTokens": Link("registrationToken", column="environment"),
        "certificates": Link("certificate", column="environment"),
        "network": Link("network", attribute="pk"),
        "removalPreview": Link(call=preview_link),
        "hostImages": Link("hostImage", column="environment"),
        "imagePrune": Link(call_with_query=prune_preview_of),
    }
    computed = {
        "members": lambda _context: None,
        "subnet": lambda context: getattr(getattr(context.row, "network", None), "subnet", None),
        "encryption": lambda context: getattr(getattr(context.row, "network", None), "encryption", None),
        "servicesPortRange": lambda context: write_range(
            getattr(getattr(context.row, "network", None), "port_range", DEFAULT_PORT_RANGE)
        ),
    }

    def rows(self, caller: ApiCaller) -> Any:
        """The environments that the caller is a member of; all for administrators."""
        return Environment.objects.filter(pk__in=caller.environments()).select_related("network")

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:
        """One of them; its owners still see it while it is being removed."""
        if not isinstance(key, int) or (caller.environment is not None and key != caller.environment.pk):
            return None
        rows = Environment.objects.filter(pk=key).select_related("network")
        return rows.first() if "view" in caller.actor.permissions(key) else None

    def create(self, caller: ApiCaller, data: Data) -> Environment:
        """Create an environment."""
        _refuse_absent(data)
        named = pick(data, description="description", members="members")
        network = pick(data, subnet="subnet", encryption="encryption")
        if (ports := read_range(data.get("servicesPortRange"))) is not None:
            network["port_range"] = ports
        return environment_create(actor=caller.actor, name=data.get("name"), options=network, **named)

    def update(self, caller: ApiCaller, row: Environment, data: Data) -> None:
        """Rename or describe it, or let its published ports get other numbers."""
        _refuse_absent(data)
        ports = read_range(data.get("servicesPortRange"))
        with transaction.atomic():
            environment_update(row, actor=caller.actor, **pick(data, name="name", description="description"))
            if ports is not None:
                network_update(row, actor=caller.actor, port_range=ports)

    def act(self, caller: ApiCaller, row: Environment, action: str) -> None:
        """Activate, deactivate, remove, purge, restore."""
        environment_act(row, action, actor=caller.actor)

    def verdict(self, caller: ApiCaller, row: Environment, action: str) -> Verdict:
        """As for every type; v1's `delete` is `remove`."""
        if action == "delete":
            return verdict(caller.actor, "remove", row)
        return super().verdict(caller, row, action)


class ProjectMemberResource(Resource):
    """One identity's role in an environment; written through the environment's `setmembers` only."""

    name = "projectMember"
    model = Member
    roles = READ_ONLY
    own_fields = parse_fields("""
        externalId     string             r <identity
        externalIdType enum               r <identity_type
        role           enum               r <role
        projectId      reference[project] r <environment_id
        accountId      reference[account] r <environment_id
        name           string             r
        kind           string             r
        state          enum               r ~
        transitioning  enum               r ~ :yes|no|error
        transitioningMessage string r
        transitioningProgress int r
    """)
    computed = {
        **ALWAYS_ACTIVE,
        "name": lambda context: context.extra,
    }
    links = {"project": Link("project", attribute="environment_id")}

    def options(self, caller: ApiCaller) -> Mapping[str, Iterable[str]]:  # noqa: ARG002 - roles are the same for everybody
        """The four roles of v1, then the custom ones; the identity kinds of every provider."""
        return {
            "role": Role.permissions_by_role(),
            "externalIdType": (LOCAL_IDENTITY_KIND, *sorted(provider_identity_kinds())),
        }

    def rows(self, caller: ApiCaller) -> Any:
        """The members of the environments the caller sees."""
        return Member.objects.filter(environment__in=caller.environments()).select_related("account")

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[int, str]:  # noqa: ARG002 - the base's signature
        """The display name of each, also of those who never logged in."""
        return display_names_of(rows)
