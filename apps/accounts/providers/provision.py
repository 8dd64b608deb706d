"""Accounts from what a login provider reports: created at the first login, kept current by re-sync.

People are matched by the immutable id, never by name: a directory may give a name to somebody else.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.claims import Claims, IdentityClaim, normalize_dn
from apps.accounts.identity_kinds import person_kinds
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.providers.issuer import identity_issuer_of, settle_issuer_change
from apps.accounts.site_access import access_refusal
from apps.core import hooks
from apps.core.errors import Conflict, Unauthorized


def provision_account(provider: AuthProvider, claims: Claims) -> User:
    """The account of this person, created at the first login; its groups are what the provider says now.

    Raises `Unauthorized` when site access or the account's own state keeps the person out, `Conflict` when the provider
    is at another server by now.
    """
    try:
        return _provision_account(provider, claims)
    except IntegrityError:  # two logins of this person at once, or somebody took the name meanwhile
        return _provision_account(provider, claims)


@transaction.atomic
def _provision_account(asked: AuthProvider, claims: Claims) -> User:
    person, provider = claims.person, _provider_of_claims(asked, claims)
    # First of all: until the trial of another server is confirmed, ids that are stored are those of the former.
    settled = settle_issuer_change(provider, actor=None) if provider.pending_issuer_change else {}
    known = Identity.objects.select_related("user").filter(kind=person.kind, external_id=person.external_id).first()
    user = known.user if known and known.user.desired != "purged" else None
    reason = access_refusal(provider.config, claims, user)
    if reason:
        raise Unauthorized(f"{provider}: {reason}")
    user = user or _new_account(provider, person)
    save_identities(user, provider, claims)
    if settled or (provider.is_on_trial and provider.version == asked.version):
        provider.trial_until, provider.is_reconfigured, provider.previous_config = None, False, {}
        provider.save()
        hooks.record("provider.confirmed", actor=None, account=user, request={"kind": provider.kind, **settled})
    hooks.on_identity_updated(user)
    hooks.enqueue_after_commit(User.KIND, user.pk)
    return user


def _provider_of_claims(asked: AuthProvider, claims: Claims) -> AuthProvider:
    """The provider as it is now, locked; raises `Conflict` if it is not any more at the server that made the claims.

    The row that was asked does not say at which that was: its trial may have ended since.
    """
    provider = AuthProvider.objects.select_for_update(no_key=True).get(pk=asked.pk)
    if provider.config.identity_issuer != claims.issuer:
        raise Conflict(_("%(provider)s was set up anew just now; log in again.") % {"provider": provider})
    return provider


def _new_account(provider: AuthProvider, person: IdentityClaim) -> User:
    login = _free_login(person.login.strip()[:200] or person.external_id[:200])
    user = User(login=login, name=(person.name or person.login)[:255], kind="user", desired="active")
    user.set_unusable_password()
    hooks.create(user, actor=None, request={"login": login, "name": user.name, "from": provider.kind})
    return user


def _free_login(wanted: str) -> str:
    """The wanted login name, or the first of wanted-2, wanted-3, ... that nobody has."""
    taken = {each.lower() for each in User.objects.filter(login__istartswith=wanted).values_list("login", flat=True)}
    login, number = wanted, 1
    while login.lower() in taken:
        number += 1
        login = f"{wanted}-{number}"
    return login


def save_identities(user: User, provider: AuthProvider, claims: Claims) -> None:
    """Store the person and the groups as they are now; groups that were left are deleted."""
    saved_ids = []
    for claim in (claims.person, *claims.groups):
        rows = Identity.objects.filter(kind=claim.kind, external_id=claim.external_id)
        row = (rows if claim is claims.person else rows.filter(user=user)).first()
        row = row or Identity(kind=claim.kind, external_id=claim.external_id)
        row.user, row.provider, row.dn = user, provider, normalize_dn(claim.dn)[:1024]
        row.login, row.name = claim.login[:255], claim.name[:255]
        if claim is claims.person:
            row.refreshed_at, row.rejection_reason, row.token = timezone.now(), "", claims.token or row.token
        row.save()
        saved_ids.append(row.pk)
    user.identities.filter(provider=provider).exclude(pk__in=saved_ids).delete()


def apply_resync(person: Identity, answer: Claims | str) -> str:
    """Store what the provider answered; returns why the person may not log in any more, or an empty text."""
    try:
        return _apply_resync(person, answer)
    except IntegrityError:  # the person logged in at the same moment
        return _apply_resync(person, answer)


@transaction.atomic
def _apply_resync(person: Identity, answer: Claims | str) -> str:
    provider, user = person.provider, person.user
    current = AuthProvider.objects.select_for_update(no_key=True).get(pk=provider.pk)
    if current.pending_issuer_change or (isinstance(answer, Claims) and answer.issuer != identity_issuer_of(current)):
        return person.rejection_reason  # set up at another server since it was asked
    before = _group_names(user, provider)
    if isinstance(answer, Claims):
        save_identities(user, provider, answer)
        rejection_reason = access_refusal(provider.config, answer, user)
    else:
        user.identities.filter(provider=provider).exclude(pk=person.pk).delete()
        rejection_reason = answer
    Identity.objects.filter(pk=person.pk).update(rejection_reason=rejection_reason[:255], refreshed_at=timezone.now())
    after = _group_names(user, provider)
    if rejection_reason != person.rejection_reason or before != after:
        ended = hooks.sessions_close(user) if rejection_reason and not user.is_active else 0
        changes = {"left": sorted(before - after), "joined": sorted(after - before), "out": rejection_reason}
        details = {"from": provider.kind, **changes, "sessionsEnded": ended}
        hooks.record("account.resync", actor=None, row=user, account=user, request=details)
    hooks.on_identity_updated(user)
    return rejection_reason


def _group_names(user: User, provider: AuthProvider) -> set[str]:
    groups = user.identities.filter(provider=provider).exclude(kind__in=person_kinds())
    return {str(group) for group in groups}
