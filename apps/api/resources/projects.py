"""`project`, our environment, and `projectMember`, who is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.accounts.spec import IDENTITY_KINDS, LOCAL
from apps.api.resources.effective import access_of_environment
from apps.api.wire.caller import Caller
from apps.api.wire.entry import pick
from apps.api.wire.fields import table
from apps.api.wire.kinds import STEADY, Action, Data, Link, Resource, register
from apps.core.ids import wire_id
from apps.environments.access import Verdict, verdict
from apps.environments.models import Environment, Member, Role
from apps.environments.selectors import titles_of
from apps.environments.services import environment_act, environment_create, environment_update, members_set


def _set_members(caller: Caller, row: Environment, data: Data) -> Data:
    members = members_set(row, data["members"], actor=caller.actor)
    titles = titles_of(members)
    shown = [{"type": "projectMember", **_member(member), "name": titles[member.pk]} for member in members]
    return {"type": "setProjectMembersInput", "links": {}, "actions": {}, "members": shown}


def _member(member: Member) -> Data:
    return {
        "id": wire_id("pm", member.pk),
        "externalId": member.identity,
        "externalIdType": member.identity_type,
        "role": member.role,
        "projectId": wire_id("a", member.environment_id),
    }


def _delete(caller: Caller, row: Environment, _data: Data) -> None:
    environment_act(row, "remove", actor=caller.actor)


@register
class Project(Resource):
    """An environment; its owners rename, close and delete it and choose its members."""

    name = "project"
    root = "account"
    model = Environment
    own = table("""
        uuid           string               r   <wire_uuid
        members        array[projectMember] c
        kubernetes     boolean              r   =false ~
        mesos          boolean              r   =false ~
        swarm          boolean              r   =false ~
        publicDns      boolean              r   =false ~
        virtualMachine boolean              r   =false ~
    """)
    without = frozenset({"accountId"})
    verbs = {
        "setmembers": Action(_set_members, "setProjectMembersInput", "setProjectMembersInput", "members"),
        "delete": Action(_delete, permission="own"),
    }
    links = {
        "projectMembers": Link("projectMember", column="environment"),
        "hosts": Link("host", column="environment"),
        "containers": Link("container", column="environment"),
        "environments": Link("environment", column="environment"),
        "services": Link("service", column="environment"),
        "apiKeys": Link("apiKey", column="scope__environment"),
        "auditLogs": Link("auditLog", column="environment"),
        "effectiveAccesses": Link(call=access_of_environment),
        "registrationTokens": Link("registrationToken", column="environment"),
    }
    computed = {"members": lambda _seen: None}

    def rows(self, caller: Caller) -> Any:
        """Those the caller is a member of; all of them for an administrator."""
        return Environment.objects.filter(pk__in=caller.environments())

    def find(self, caller: Caller, key: int | str | None) -> Any:
        """One of those; its owners still see it while it is being removed."""
        if not isinstance(key, int) or (caller.environment is not None and key != caller.environment.pk):
            return None
        return Environment.objects.filter(pk=key).first() if "view" in caller.actor.permissions(key) else None

    def create(self, caller: Caller, data: Data) -> Environment:
        """A new environment."""
        named = pick(data, description="description", members="members")
        return environment_create(actor=caller.actor, name=data.get("name", ""), **named)

    def update(self, caller: Caller, row: Environment, data: Data) -> None:
        """Rename or describe it."""
        environment_update(row, actor=caller.actor, **pick(data, name="name", description="description"))

    def act(self, caller: Caller, row: Environment, action: str) -> None:
        """Activate, deactivate, remove, purge, restore."""
        environment_act(row, action, actor=caller.actor)

    def verdict(self, caller: Caller, row: Environment, action: str) -> Verdict:
        """As everywhere; `delete` is another word for `remove`."""
        if action == "delete":
            return verdict(caller.actor, "remove", row)
        return super().verdict(caller, row, action)


@register
class ProjectMember(Resource):
    """One identity's role in an environment; written through the environment's `setmembers` only."""

    name = "projectMember"
    model = Member
    own = table("""
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
        **STEADY,
        "name": lambda seen: seen.extra,
    }
    links = {"project": Link("project", attribute="environment_id")}

    def options(self, caller: Caller) -> Mapping[str, Iterable[str]]:  # noqa: ARG002 - roles are the same for everybody
        """The four roles of v1, then those that administrators made; identities of every provider."""
        return {"role": Role.every(), "externalIdType": (LOCAL, *sorted(IDENTITY_KINDS))}

    def rows(self, caller: Caller) -> Any:
        """The members of the environments the caller sees."""
        return Member.objects.filter(environment__in=caller.environments()).select_related("account")

    def extras(self, caller: Caller, rows: Sequence[Any]) -> Mapping[int, str]:  # noqa: ARG002 - the base's signature
        """What each is called, also those who were never here."""
        return titles_of(rows)
