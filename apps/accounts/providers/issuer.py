"""Whose ids a provider's are: another server gives the same number to somebody else, who must not become them here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.identity_kinds import IdentityKinds, person_kinds
from apps.accounts.login.sessions import sessions_of_provider_close
from apps.accounts.models import AuthProvider, Identity, KnownIdentity, User
from apps.accounts.provider_config import ISSUER_CHANGE, OTHER_SERVER, SAME_SERVER, ProviderConfig
from apps.accounts.selectors import local_admins
from apps.accounts.services import account_act
from apps.core import hooks
from apps.core.errors import Conflict, Invalid
from apps.core.fields import option
from apps.core.hooks import ActorProtocol

_check_change = option(SAME_SERVER, OTHER_SERVER)


@dataclass(frozen=True, slots=True)
class BoundIdentities:
    """What names people and groups by the ids of one server: accounts, member lists and lists of who may log in."""

    accounts: int
    members: int
    allowed: int

    def __bool__(self) -> bool:
        return bool(self.accounts or self.members or self.allowed)

    def __str__(self) -> str:
        parts = (
            (self.accounts, ngettext("%d account", "%d accounts", self.accounts)),
            (self.members, ngettext("%d member list entry", "%d member list entries", self.members)),
            (self.allowed, ngettext("%d allowed identity", "%d allowed identities", self.allowed)),
        )
        return ", ".join(text % count for count, text in parts if count)


def bound_identities(provider: AuthProvider, config: ProviderConfig) -> BoundIdentities:
    """What is bound to the server of this configuration."""
    kinds = provider.login_provider.identity_kinds
    people = Identity.objects.filter(provider=provider, kind__in=person_kinds()) if provider.pk else None
    return BoundIdentities(
        accounts=people.count() if people is not None else 0,
        members=hooks.count_members(_all_kinds(kinds)),
        allowed=sum(each.kind in kinds for each in config.allowed),
    )


def _all_kinds(kinds: IdentityKinds) -> list[str]:
    return [kinds.person, *kinds.groups]


def identity_issuer_of(provider: AuthProvider) -> str:
    """The server whose ids are stored: as last confirmed, else (rows older than that column) the configured one."""
    return provider.identity_issuer or (provider.config.identity_issuer if provider.stored else "")


def apply_issuer_change(provider: AuthProvider, config: ProviderConfig, data: Mapping[str, Any]) -> ProviderConfig:
    """Note on the provider, before it takes this configuration, what `data` says about its other server, if it has one.

    Returns the configuration to store: without allowed identities of a server that is left, because they would let in
    whoever has those numbers at the other. Raises `Invalid` while it is not said which it is, `Conflict` where nobody
    could administer the installation afterwards.
    """
    bound_to, issuer = identity_issuer_of(provider), config.identity_issuer
    if not bound_to or issuer == bound_to:
        provider.issuer_change, provider.identity_issuer = "", issuer
        return config
    provider.identity_issuer = bound_to
    change = data.get(ISSUER_CHANGE) or ""
    if not change and provider.issuer_change and issuer == provider.config.identity_issuer:
        return config  # it was said when this server was set
    before = provider.config
    found = bound_identities(provider, before)
    if not change and found:
        raise _question(found, bound_to, issuer)
    provider.issuer_change = _check_change(ISSUER_CHANGE, change or OTHER_SERVER)
    if provider.issuer_change == SAME_SERVER:
        return config
    if found.accounts:
        _require_local_admin()
    kinds = provider.login_provider.identity_kinds
    return replace(
        config, allowed=tuple(each for each in config.allowed if not _is_left(each.kind, each, before, kinds))
    )


def _is_left(kind: str, entry: Any, before: ProviderConfig, kinds: IdentityKinds) -> bool:
    return kind in kinds and entry in before.allowed


def _question(found: BoundIdentities, bound_to: str, issuer: str) -> Invalid:
    message = _(
        "Known from %(former)s: %(found)s. Another server gives the same numbers to other people. Say with "
        "issuerChange what %(issuer)s is: sameServer (the same server at another address, everything is kept) or "
        "otherServer (they are forgotten when the change is confirmed)."
    )
    details = {"found": found, "former": bound_to, "issuer": issuer}
    return Invalid(ISSUER_CHANGE, "MissingRequired", message % details)


def _require_local_admin() -> None:
    if not local_admins():
        raise Conflict(
            _(
                "No active administrator has a password kept here, so nobody could administer this installation after "
                "the accounts of the former server are forgotten; make such an administrator first."
            )
        )


def deleted_on_confirmation(provider: AuthProvider) -> BoundIdentities | None:
    """What is forgotten once the provider is confirmed at its other server; None when nothing is."""
    if provider.pending_issuer_change != OTHER_SERVER:
        return None
    return bound_identities(provider, replace(provider.config, allowed=())) or None


def settle_issuer_change(provider: AuthProvider, *, actor: ActorProtocol | None) -> dict[str, Any]:
    """Carry out what was said about the other server, as its configuration is confirmed; returns what to record.

    To be called in the transaction that confirms, with the row locked, before anybody of the other server is looked
    up; the caller saves the row.
    """
    change, former = provider.pending_issuer_change, provider.identity_issuer
    deleted = _delete_identities(provider, actor) if change == OTHER_SERVER else {}
    provider.identity_issuer, provider.issuer_change = provider.config.identity_issuer, ""
    return {"issuerChange": change, "formerIssuer": former, **deleted} if change else {}


def _delete_identities(provider: AuthProvider, actor: ActorProtocol | None) -> dict[str, int]:
    """Forget everybody and everything that the ids of the former server name; the accounts stay.

    An account that had no other way in is deactivated: without a password and without identities it would count as
    one that is meant for keys only, and its keys would work for ever.
    """
    people = list(User.objects.filter(identities__provider=provider).distinct())
    if people:
        _require_local_admin()
    kinds = _all_kinds(provider.login_provider.identity_kinds)
    members = hooks.remove_members(kinds, actor=actor)
    Identity.objects.filter(provider=provider).delete()
    KnownIdentity.objects.filter(kind__in=kinds).delete()
    ended = sessions_of_provider_close(provider.kind)
    stranded = [each for each in people if each.desired == "active" and not _has_another_way_in(each)]
    for each in stranded:
        account_act(each, "deactivate", actor=actor)
    for each in people:
        hooks.on_identity_updated(each)
    return {"accounts": len(people), "members": members, "deactivated": len(stranded), "sessionsEnded": ended}


def _has_another_way_in(user: User) -> bool:
    return user.has_usable_password() or user.identities.filter(kind__in=person_kinds()).exists()
