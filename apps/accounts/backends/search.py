"""Looking for people and groups: among the accounts here, and with every log-in provider that is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import Q
from django.utils.translation import gettext as _

from apps.accounts.backends.asking import ask_all, by_id, by_name
from apps.accounts.backends.names import account_claim, names_known, remember
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.spec import IDENTITY_KINDS, LOCAL, PERSON_KINDS, Claim, plain_dn
from apps.core.errors import Forbidden, Problem
from apps.core.ids import row_number
from apps.core.texts import is_storable

MOST, LONGEST = 50, 255


class Asker(Protocol):
    """Who asks, as far as is needed here."""

    @property
    def user(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What a search met, at most 50 of each kind, and a sentence for each provider that could not be asked.

    Claims of the kind `rancher_id` are accounts, `external_id` is then their wire id.
    """

    claims: tuple[Claim, ...] = ()
    troubles: tuple[str, ...] = ()


def identities_search(actor: Asker, text: str, *, exact: bool = False) -> Found:
    """Accounts, people and groups with `text` in a name, or `exact`ly called that.

    Answers within five seconds, whatever a provider does. Raises `Forbidden` for a stranger.
    """
    if actor.user is None:
        raise Forbidden(_("Log in to search for people and groups."))
    text = text.strip()[:LONGEST]
    if not text or not is_storable(text):
        return Found()
    token = _token_of(actor.user)
    open_ones = AuthProvider.objects.open()
    claims, troubles = ask_all({each: by_name(each, text, MOST, exact=exact, token=token) for each in open_ones})
    remember(claims)
    return Found((*_accounts(text, exact=exact), *claims), tuple(troubles))


def identity_find(kind: str, external_id: str) -> Claim | None:
    """The one person or group of this kind and id (or DN): as known here, else as its provider says, or None.

    Raises `Problem` when the provider cannot be asked.
    """
    if kind == LOCAL:
        user = User.objects.filter(pk=row_number(external_id) or 0, removed=None).first()
        return account_claim(user) if user else None
    if kind not in IDENTITY_KINDS or not external_id or not is_storable(external_id):
        return None
    known = names_known([(kind, external_id)]).get((kind, plain_dn(external_id)))
    if known is not None:
        return known
    speakers = [each for each in AuthProvider.objects.open() if _family(PERSON_KINDS[each.kind]) == _family(kind)]
    claims, troubles = ask_all({each: by_id(each, kind, external_id) for each in speakers})
    if troubles:
        raise Problem(troubles[0], status=502, code="ProviderDown")
    remember(claims)
    return claims[0] if claims else None


def _family(kind: str) -> str:
    """`ldap` of `ldap_user` and of `ldap_group`."""
    return kind.partition("_")[0]


def _token_of(user: User) -> str:
    own = Identity.objects.filter(user=user, kind="github_user", gone="").first()
    return own.token if own else ""


def _accounts(text: str, *, exact: bool) -> list[Claim]:
    how = "iexact" if exact else "icontains"
    named = Q(**{f"login__{how}": text}) | Q(**{f"name__{how}": text})
    return [account_claim(user) for user in User.objects.filter(named, removed=None, desired="active")[:MOST]]
