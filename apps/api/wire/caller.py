"""Who is calling and as what: the actor, the environment the call is about, the role that follows, and its URLs."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.core.errors import Invalid
from apps.core.ids import wire_id
from apps.environments.access import Actor
from apps.environments.models import Environment

NOBODY = 4
"""The account number under which Rancher lets the unknown ask for a token."""


@dataclass
class Caller:
    """One request's caller. `base` is the portal's URL, `prefix` `/v1` or, inside a project's URL, that project's;
    `agent` is what the program calls itself.

    `role` is `token`, `user` or `admin` outside any environment; inside one `held` says what the caller may do there.
    `notes` is what a collection has to say beside its rows, for example that somebody could not be asked.
    """

    actor: Actor
    role: str = "token"
    environment: Environment | None = None
    held: frozenset[str] | None = None
    base: str = ""
    prefix: str = "/v1"
    notes: list[str] = field(default_factory=list)
    agent: str = ""
    _found: dict[str, list[int]] = field(default_factory=dict, repr=False)

    @property
    def standing(self) -> str | frozenset[str]:
        """As what the caller's methods and actions are looked up (`wire.roles`)."""
        return self.role if self.held is None else self.held

    def environments(self, permission: str = "view") -> list[int]:
        """The environments whose rows this call is about, where the caller holds `permission`."""
        if permission not in self._found:
            self._found[permission] = self._find(permission)
        return self._found[permission]

    def _find(self, permission: str) -> list[int]:
        if self.environment is None:
            return self.actor.environments(permission, everything=True)
        held = self.actor.permissions(self.environment.pk)
        return [self.environment.pk] if permission in held else []

    def look_again(self) -> None:
        """Forget which environments there are: one was made or left."""
        self._found.clear()

    def inside(self) -> Environment:
        """The environment that something is to be made in; raises `Invalid` when the call names none."""
        if self.environment is None:
            where = "Say in which environment: ask below /v1/projects/<id>, or with the header X-API-Project-Id."
            raise Invalid("accountId", "MissingRequired", where)
        return self.environment

    def url(self, *parts: str) -> str:
        """The absolute URL of something in this context."""
        return "/".join((self.base + self.prefix, *parts))

    def socket_url(self, path: str) -> str:
        """The URL of a WebSocket below `/v1`."""
        return f"ws{self.base.removeprefix('http')}/v1/{path}"

    @property
    def account(self) -> str:
        """The wire id of the account acted as: the environment's, else the person's."""
        if self.environment is not None:
            return wire_id("a", self.environment.pk)
        return wire_id("a", self.actor.user.pk if self.actor.user else NOBODY)
