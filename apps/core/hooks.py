"""The few functions that lower apps call and higher apps provide; filled once at start by the app configurations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from apps.core.models import Managed


class ActorProtocol(Protocol):
    """Who acts, as far as the lowest apps need to know; `environments.actor.Actor` is the real thing."""

    @property
    def via(self) -> str: ...

    @property
    def is_admin(self) -> bool: ...

    @property
    def api_key(self) -> Any: ...

    @property
    def is_person(self) -> bool: ...

    @property
    def recently_authenticated(self) -> bool: ...


EnvironmentRemovedHook = Callable[[int], int]
CertificateUsersHook = Callable[[Collection[int]], "Mapping[int, Iterable[Managed]]"]
EnvironmentCreatedHook = Callable[[Any, Mapping[str, Any]], None]
Renderer = Callable[[str, int, Any, str, str], Mapping[str, Any] | None]


class Hooks:
    """What higher apps provide: `control` the first four, the others whoever is named here.

    * `request_change`, `create`, `record`, `enqueue_after_commit`: see the functions of these names in `control`.
    * `on_environment_removed`, one of every app with tenant rows: takes an environment's key, requests the removal of
      what the app still has there and returns how many things are left.
    * `on_environment_created`: called with a new environment and what was chosen for it, in the transaction that makes
      it; raises `Invalid` for a choice that cannot be.
    * `rights_changed`: called with what changed, `{"environment": key}` (None: the whole installation) or
      `{"account": key}`.
    * `render(kind, key, actor, base, dialect)`: the resource of a row as the actor sees it (None: not at all), in `v1`
      or `v2-beta`, with links below the URL `base` (`https://portal`); provided by the API.
    * `sessions_close(account)`: ends the sessions of an account at once and returns how many there were.
    * `revoking(actor, accounts=..., keys=..., environments=...)`: entered around a change of what these may do; closes
      the sockets that lost their permission and counts sockets, sessions and keys
      (`environments.services.revocation`).
    * `on_identity_updated(user)`: called when a login provider reported anew who the account is and its groups.
    * `reason_to_run(container, since)`: why a container that is to stop since that time must run a while longer, and
      the rows (kind, key) that are to be reconciled for that to end; an empty reason when it may stop now.
    * `holds_keys(container)`: whether there are private keys in it that nobody is shown, so that a shell in it needs
      the right to see secret values too.
    * `lock_refusal(actor, action, row)`: why a lock prevents the action, empty when none does.
    * `owner_refusal(actor, action, row)`: why the owner of a row, such as the service of a container, prevents the
      action; empty when it does not.
    * `certificate_users(certificates)`, one of every app whose rows serve with certificates: takes keys of certificates
      and returns those rows by certificate, in a constant number of queries.
    * `images_needed(environment)`, one of every app whose rows name images: the names of those that an environment
      needs though no container of it may run just now.
    * `role_giving_rules`, one of every app that has them: the model of rules by which somebody outside gets a role,
      with the columns `role` and `removed`.
    * `is_member(names, user)`: whether an environment has such an identity, or that account, as a member.
    * `count_members(kinds)`: how many entries of member lists name an identity of these kinds.
    * `remove_members(kinds, actor=...)`: takes these entries from all member lists, and returns how many there were.
    """

    def __init__(self) -> None:
        self.request_change: Callable[..., Any] = _not_installed
        self.create: Callable[..., Any] = _not_installed
        self.record: Callable[..., Any] = _not_installed
        self.enqueue_after_commit: Callable[[str, int], None] = _not_installed
        self.on_environment_removed: list[EnvironmentRemovedHook] = []
        self.on_environment_created: list[EnvironmentCreatedHook] = []
        self.role_giving_rules: list[Any] = []
        self.rights_changed: list[Callable[[Mapping[str, Any]], int]] = []
        self.render: Renderer = _render_nothing
        self.sessions_close: Callable[[Any], int] = _not_installed
        self.revoking: Callable[..., AbstractContextManager[None]] = _no_revocation
        self.on_identity_updated: Callable[[Any], Any] = _not_installed
        self.reason_to_run: Callable[[Any, str], tuple[str, Sequence[tuple[str, int]]]] = _no_reason
        self.holds_keys: Callable[[Any], bool] = _no_keys
        self.lock_refusal: Callable[[Any, str, Managed], str] = _no_refusal
        self.owner_refusal: Callable[[Any, str, Managed], str] = _no_refusal
        self.certificate_users: list[CertificateUsersHook] = []
        self.images_needed: list[Callable[[int], Iterable[str]]] = []
        self.is_member: Callable[[set[tuple[str, str]], Any], bool] = _not_installed
        self.count_members: Callable[[Collection[str]], int] = _not_installed
        self.remove_members: Callable[..., int] = _not_installed


def _not_installed(*_: object, **__: object) -> Any:
    raise RuntimeError("apps.control is not installed")


def _render_nothing(*_: object) -> None:
    return None


def _no_reason(*_: object) -> tuple[str, Sequence[tuple[str, int]]]:
    return "", ()


def _no_keys(_container: object) -> bool:
    return False


def _no_refusal(*_: object) -> str:
    return ""


def _no_revocation(*_: object, **__: object) -> AbstractContextManager[None]:
    return nullcontext()


hooks = Hooks()


def request_change(row: Managed, action: str, **kwargs: Any) -> Any:
    """Change the desired state of a row; see `control.services.request_change`."""
    return hooks.request_change(row, action, **kwargs)


def create(row: Managed, **kwargs: Any) -> Any:
    """Save a new row with its first desired state; see `control.services.create`."""
    return hooks.create(row, **kwargs)


def environment_created(row: Managed, options: Mapping[str, Any]) -> None:
    """Have every app make what a new environment has of its own."""
    for make in hooks.on_environment_created:
        make(row, options)


def enqueue_after_commit(kind: str, key: int) -> None:
    """Have a row reconciled once the transaction is committed; see `control.queue`."""
    hooks.enqueue_after_commit(kind, key)


def record(event: str, **kwargs: Any) -> None:
    """Write one audit entry; see `control.services.record`."""
    hooks.record(event, **kwargs)


def revoking(actor: Any, *, accounts: Iterable[int] = (), keys: Iterable[int] = ()) -> AbstractContextManager[None]:
    """Enter this around a change of what accounts or keys may do; see `environments.services.revocation`."""
    return hooks.revoking(actor, accounts=accounts, keys=keys)


def on_identity_updated(user: Any) -> None:
    """Bring the account's memberships up to date; see `environments.services.memberships_sync`."""
    hooks.on_identity_updated(user)


def is_member(names: set[tuple[str, str]], user: Any) -> bool:
    """Whether any environment has one of these (kind, id) pairs, or the account, as a member."""
    return hooks.is_member(names, user)


def count_members(kinds: Collection[str]) -> int:
    """How many entries of member lists name an identity of these kinds."""
    return hooks.count_members(kinds)


def remove_members(kinds: Collection[str], *, actor: ActorProtocol | None) -> int:
    """Take these entries from all member lists; see `environments.services.provider_members`."""
    return hooks.remove_members(kinds, actor=actor)


def account_changed(account: int) -> None:
    """Have the open sockets of an account check its permissions again at once, after commit."""
    for notify in hooks.rights_changed:
        notify({"account": account})


def sessions_close(user: Any) -> int:
    """End an account's sessions; see `accounts.login.sessions.sessions_close`."""
    return hooks.sessions_close(user)
