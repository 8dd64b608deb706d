"""Looking for people and groups: among the accounts here, and with every log-in provider that is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import Q
from django.utils.translation import gettext as _

from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.provider_config import (
    IDENTITY_KINDS,
    LOCAL_IDENTITY_KIND,
    PERSON_KINDS,
    IdentityClaim,
    normalize_dn,
)
from apps.accounts.providers.known_identities import account_claim, known_identities, save_known_identities
from apps.accounts.providers.search_pool import query_by_id, query_by_name, run_queries
from apps.core.errors import Forbidden, Problem
from apps.core.ids import row_number
from apps.core.texts import is_storable

MAX_RESULTS, MAX_SEARCH_LENGTH = 50, 255


class SearchActor(Protocol):
    """Who asks, as far as is needed here."""

    @property
    def user(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class IdentitySearchResult:
    """What a search met, at most 50 of each kind, and a sentence for each provider that could not be asked.

    Claims of the kind `rancher_id` are accounts, `external_id` is then their wire id.
    """

    claims: tuple[IdentityClaim, ...] = ()
    errors: tuple[str, ...] = ()


def identities_search(actor: SearchActor, text: str, *, exact: bool = False) -> IdentitySearchResult:
    """Accounts, people and groups with `text` in a name, or `exact`ly called that.

    Answers within five seconds, whatever a provider does. Raises `Forbidden` for a stranger.
    """
    if actor.user is None:
        raise Forbidden(_("Log in to search for people and groups."))
    text = text.strip()[:MAX_SEARCH_LENGTH]
    if not text or not is_storable(text):
        return IdentitySearchResult()
    token = _github_token_of(actor.user)
    providers = AuthProvider.objects.accepting_logins()
    claims, errors = run_queries(
        {each: query_by_name(each, text, MAX_RESULTS, exact=exact, token=token) for each in providers}
    )
    save_known_identities(claims)
    return IdentitySearchResult((*_search_accounts(text, exact=exact), *claims), tuple(errors))


def identity_find(kind: str, external_id: str) -> IdentityClaim | None:
    """The one person or group of this kind and id (or DN): as known here, else as its provider says, or None.

    Raises `Problem` when the provider cannot be asked.
    """
    if kind == LOCAL_IDENTITY_KIND:
        user = User.objects.filter(pk=row_number(external_id) or 0, removed=None).first()
        return account_claim(user) if user else None
    if kind not in IDENTITY_KINDS or not external_id or not is_storable(external_id):
        return None
    known = known_identities([(kind, external_id)]).get((kind, normalize_dn(external_id)))
    if known is not None:
        return known
    providers = [
        each
        for each in AuthProvider.objects.accepting_logins()
        if _provider_family(PERSON_KINDS[each.kind]) == _provider_family(kind)
    ]
    claims, errors = run_queries({each: query_by_id(each, kind, external_id) for each in providers})
    if errors:
        raise Problem(errors[0], status=502, code="ProviderDown")
    save_known_identities(claims)
    return claims[0] if claims else None


def _provider_family(kind: str) -> str:
    """`ldap` of `ldap_user` and of `ldap_group`."""
    return kind.partition("_")[0]


def _github_token_of(user: User) -> str:
    own = Identity.objects.filter(user=user, kind="github_user", rejection_reason="").first()
    return own.token if own else ""


def _search_accounts(text: str, *, exact: bool) -> list[IdentityClaim]:
    how = "iexact" if exact else "icontains"
    named = Q(**{f"login__{how}": text}) | Q(**{f"name__{how}": text})
    return [account_claim(user) for user in User.objects.filter(named, removed=None, desired="active")[:MAX_RESULTS]]
