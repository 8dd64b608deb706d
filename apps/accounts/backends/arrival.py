"""From what a provider says about a person to their account: found by the id that never changes, never by name."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.access import refusal
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.spec import Claim, Claims, plain_dn
from apps.core import ports
from apps.core.errors import Unauthorized


def arrive(provider: AuthProvider, claims: Claims) -> User:
    """The account of this person, made at the first arrival; its groups are what the provider says now.

    Raises `Unauthorized` when site access or the account's own state keeps the person out.
    """
    try:
        return _arrive(provider, claims)
    except IntegrityError:  # the same person arrives twice at once, or somebody took the name: look again
        return _arrive(provider, claims)


@transaction.atomic
def _arrive(provider: AuthProvider, claims: Claims) -> User:
    person = claims.person
    known = Identity.objects.select_related("user").filter(kind=person.kind, external_id=person.external_id).first()
    user = known.user if known and known.user.desired != "purged" else None
    reason = refusal(provider.config, claims, user)
    if reason:
        raise Unauthorized(f"{provider}: {reason}")
    user = user or _new_account(provider, person)
    remember(user, provider, claims)
    if provider.is_on_trial:
        tried = AuthProvider.objects.filter(pk=provider.pk, version=provider.version)
        tried.update(trial_until=None, is_change=False, former={})
        ports.record("provider.confirmed", actor=None, account=user, request={"kind": provider.kind})
    ports.identified(user)
    ports.wake(User.KIND, user.pk)
    return user


def _new_account(provider: AuthProvider, person: Claim) -> User:
    login = _free_login(person.login.strip()[:200] or person.external_id[:200])
    user = User(login=login, name=(person.name or person.login)[:255], kind="user", desired="active")
    user.set_unusable_password()
    ports.create(user, actor=None, request={"login": login, "name": user.name, "from": provider.kind})
    return user


def _free_login(wanted: str) -> str:
    """The wanted log-in name, or the first of wanted-2, wanted-3, ... that nobody has."""
    taken = {each.lower() for each in User.objects.filter(login__istartswith=wanted).values_list("login", flat=True)}
    login, number = wanted, 1
    while login.lower() in taken:
        number += 1
        login = f"{wanted}-{number}"
    return login


def remember(user: User, provider: AuthProvider, claims: Claims) -> None:
    """Write down the person and the groups as they are now; a group of yesterday is forgotten."""
    kept = []
    for claim in (claims.person, *claims.groups):
        rows = Identity.objects.filter(kind=claim.kind, external_id=claim.external_id)
        row = (rows if claim is claims.person else rows.filter(user=user)).first()
        row = row or Identity(kind=claim.kind, external_id=claim.external_id)
        row.user, row.provider, row.dn = user, provider, plain_dn(claim.dn)[:1024]
        row.login, row.name = claim.login[:255], claim.name[:255]
        if claim is claims.person:
            row.asked_at, row.gone, row.token = timezone.now(), "", claims.token or row.token
        row.save()
        kept.append(row.pk)
    user.identities.filter(provider=provider).exclude(pk__in=kept).delete()
