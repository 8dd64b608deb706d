"""Searches for people and groups: among the accounts here, and with every login provider that is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from django.utils.translation import gettext as _

from apps.accounts.claims import IdentityClaim, normalize_dn
from apps.accounts.identity_kinds import LOCAL_IDENTITY_KIND, provider_identity_kinds
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.provider_config import OTHER_SERVER
from apps.accounts.providers.known_identities import known_identities, save_known_identities
from apps.accounts.providers.local import find_account, search_accounts
from apps.accounts.providers.search_pool import query_by_id, query_by_name, run_queries
from apps.core.errors import Forbidden, Problem
from apps.core.texts import is_storable

MAX_RESULTS, MAX_SEARCH_LENGTH = 50, 255


class SearchActor(Protocol):
    """Who searches, as far as is needed here."""

    @property
    def user(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class IdentitySearchResult:
    """What a search found, at most 50 of each kind, and a sentence for each provider that could not be asked.

    Claims of the kind `rancher_id` are accounts, `external_id` is then their wire id.
    """

    claims: tuple[IdentityClaim, ...] = ()
    errors: tuple[str, ...] = ()


def identities_search(actor: SearchActor, text: str, *, exact: bool = False) -> IdentitySearchResult:
    """Accounts, people and groups with `text` in a name, or `exact`ly called that.

    Answers within five seconds, whatever a provider does. Raises `Forbidden` for anonymous actors.
    """
    if actor.user is None:
        raise Forbidden(_("Log in to search for people and groups."))
    text = text.strip()[:MAX_SEARCH_LENGTH]
    if not text or not is_storable(text):
        return IdentitySearchResult()
    tokens = _tokens_of(actor.user)
    claims, errors = run_queries(
        {
            each: query_by_name(each, text, MAX_RESULTS, exact=exact, token=tokens.get(each.pk, ""))
            for each in _searchable_providers()
        }
    )
    save_known_identities(claims)
    return IdentitySearchResult((*search_accounts(text, MAX_RESULTS, exact=exact), *claims), tuple(errors))


def identity_find(kind: str, external_id: str) -> IdentityClaim | None:
    """The one person or group of this kind and id (or DN): as known here, else as its provider says, or None.

    Raises `Problem` when the provider cannot be asked.
    """
    if kind == LOCAL_IDENTITY_KIND:
        return find_account(external_id)
    if kind not in provider_identity_kinds() or not external_id or not is_storable(external_id):
        return None
    known = known_identities([(kind, external_id)]).get((kind, normalize_dn(external_id)))
    if known is not None:
        return known
    providers = [each for each in _searchable_providers() if kind in each.login_provider.identity_kinds]
    claims, errors = run_queries({each: query_by_id(each, kind, external_id) for each in providers})
    if errors:
        raise Problem(errors[0], status=502, code="ProviderDown")
    save_known_identities(claims)
    return claims[0] if claims else None


def _searchable_providers() -> list[AuthProvider]:
    """Those that are on. Not one on trial at another server: what is found there would name people of the former."""
    return [each for each in AuthProvider.objects.accepting_logins() if each.pending_issuer_change != OTHER_SERVER]


def _tokens_of(user: User) -> dict[int, str]:
    """What providers gave this person at their logins, by provider."""
    own = Identity.objects.filter(user=user, rejection_reason="").exclude(token="")
    return {each.provider_id: each.token for each in own}
