"""The context of a request: actor, environment (from path, headers, query or key), the role that follows, and URLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.api.wire.dialect import V1, Dialect
from apps.core.errors import Forbidden, Invalid, NotFound, Unauthorized
from apps.core.ids import row_number, wire_id
from apps.environments.actor import Actor
from apps.environments.models import Environment, KeyScope, Member

ANONYMOUS_ACCOUNT_ID = 4
"""The account number that Rancher reports for callers that are not logged in."""


@dataclass
class ApiCaller:
    """One request's caller. `base` is the portal's URL; `prefix` is the dialect's root, such as `/v1`, or the project's
    URL for requests below one; `agent` is the User-Agent header, `query` the URL's parameters.

    `role` is `token`, `user` or `admin` outside any environment; inside one `permissions` says what the caller may do
    there. `messages` are added to a collection, for example that a login provider did not answer.
    """

    actor: Actor
    role: str = "token"
    environment: Environment | None = None
    permissions: frozenset[str] | None = None
    base: str = ""
    prefix: str = "/v1"
    messages: list[str] = field(default_factory=list)
    agent: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    dialect: Dialect = V1
    _environment_ids: dict[str, list[int]] = field(default_factory=dict, repr=False)

    @property
    def role_or_permissions(self) -> str | frozenset[str]:
        """What the caller's methods and actions are looked up by (`wire.roles`)."""
        return self.role if self.permissions is None else self.permissions

    def environments(self, permission: str = "view") -> list[int]:
        """The environments that this request covers and where the caller holds `permission`."""
        if permission not in self._environment_ids:
            self._environment_ids[permission] = self._load_environment_ids(permission)
        return self._environment_ids[permission]

    def _load_environment_ids(self, permission: str) -> list[int]:
        if self.environment is None:
            return self.actor.environments(permission, everything=True)
        permissions = self.actor.permissions(self.environment.pk)
        return [self.environment.pk] if permission in permissions else []

    def forget_environments(self) -> None:
        """Drop the cached ids: an environment was created or left."""
        self._environment_ids.clear()

    def require_environment(self) -> Environment:
        """The environment to create something in; raises `Invalid` when the request names none."""
        if self.environment is None:
            root = self.dialect.root
            where = f"Name the environment: use {root}/projects/<id>/... or send the header X-API-Project-Id."
            raise Invalid("accountId", "MissingRequired", where)
        return self.environment

    def url(self, *parts: str) -> str:
        """The absolute URL of a path in this context."""
        return "/".join((self.base + self.prefix, *parts))

    def socket_url(self, path: str) -> str:
        """The URL of a WebSocket below `/v1`."""
        return f"ws{self.base.removeprefix('http')}/v1/{path}"

    @property
    def account_id(self) -> str:
        """The wire id of the account acted as: the environment, else the user."""
        if self.environment is not None:
            return wire_id("a", self.environment.pk)
        return wire_id("a", self.actor.user.pk if self.actor.user else ANONYMOUS_ACCOUNT_ID)


def caller_with_role(who: str | frozenset[str]) -> ApiCaller:
    """Nobody in particular with one of the roles outside environments, or with these permissions inside one.

    For what depends on the role alone: schemas and documents.
    """
    actor = Actor(None, "api")
    return ApiCaller(actor, who) if isinstance(who, str) else ApiCaller(actor, "user", permissions=who)


def resolve_caller(
    actor: Actor, path: Sequence[str], requested: Mapping[str, Any], base: str, dialect: Dialect = V1
) -> tuple[ApiCaller, list[str]]:
    """The caller of a request, and the path within its context.

    `requested` holds `project` and `key` from headers and query. Raises `NotFound` for an environment that the actor
    is no member of, `Forbidden` for one of theirs that is not active.
    """
    inside = len(path) > 2 and path[0].lower() in {"project", "projects"}
    if actor.user is None:
        if inside:
            raise Unauthorized("Unauthorized")
        return ApiCaller(actor, base=base, prefix=dialect.root, dialect=dialect), list(path)
    environment = _find_environment(actor, path[1] if inside else requested.get("project"), requested.get("key"))
    role = "admin" if actor.is_admin and environment is None else "user"
    permissions = None if environment is None else actor.permissions(environment.pk)
    caller = ApiCaller(actor, role, environment, permissions, base, dialect.root, dialect=dialect)
    if inside and environment is not None:
        caller.prefix = f"{dialect.root}/projects/{wire_id('a', environment.pk)}"
    return caller, list(path[2:] if inside else path)


def _find_environment(actor: Actor, project: str | None, key: str | None) -> Environment | None:
    """The environment requested by id or by one of its keys; an environment key works for its own environment only."""
    environment_id = _requested_environment_id(project, key)
    if actor.scope is not None:
        if environment_id not in {None, actor.scope.environment_id}:
            raise NotFound("There is no such environment.")
        environment_id = actor.scope.environment_id
    if environment_id is None:
        return None
    row = Environment.objects.filter(pk=environment_id).exclude(desired__in=("removed", "purged")).first()
    if row is None:
        raise NotFound("There is no such environment.")
    return _require_access(actor, row)


def _requested_environment_id(project: str | None, key: str | None) -> int | None:
    if project:
        # 0 matches no row: a malformed id is an unknown environment, not a request outside any.
        return row_number(project) or 0
    if key:
        found = KeyScope.objects.filter(key__public_value=key).values_list("environment_id", flat=True).first()
        return found or 0
    return None


def _require_access(actor: Actor, row: Environment) -> Environment:
    permissions = actor.permissions(row.pk)
    if row.desired != "active" and (permissions or Member.objects.filter(environment=row, account=actor.user).exists()):
        raise Forbidden(f"The environment {row.name} is not active; an owner can activate it.")
    if not permissions:
        raise NotFound("There is no such environment.")
    return row
