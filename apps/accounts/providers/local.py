"""Accounts whose password is kept here: always on, without a configuration, for when providers fail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.db.models import Q
from django.http import HttpRequest

from apps.accounts.claims import IdentityClaim
from apps.accounts.models import User
from apps.accounts.providers.known_identities import account_claim
from apps.accounts.site_access import local_access_refusal
from apps.core.errors import Unauthorized
from apps.core.ids import row_number


class LocalBackend(BaseBackend):
    """Checks a password against its Argon2 hash, without saying which half of a wrong pair was wrong."""

    def authenticate(
        self,
        request: HttpRequest | None,  # noqa: ARG002 - Django's signature
        username: str = "",
        password: str = "",
        **_: Any,
    ) -> User | None:
        """The active account with this name and password; an unknown name costs the same time as a wrong password.

        Raises `Unauthorized` when the password was right but the account may not log in.
        """
        user = User.objects.filter(login__iexact=username, removed=None).first()
        if user is None:
            make_password(password)
            return None
        if not user.check_password(password) or not user.is_active:
            return None
        reason = local_access_refusal(user)
        if reason:
            raise Unauthorized(reason)
        return user

    def get_user(self, user_id: int) -> User | None:
        """The active account behind a session."""
        user = User.objects.filter(pk=user_id).first()
        return user if user and user.is_active else None


def search_accounts(text: str, limit: int, *, exact: bool) -> list[IdentityClaim]:
    """The active accounts with `text` in a name, or `exact`ly called that."""
    operator = "iexact" if exact else "icontains"
    named = Q(**{f"login__{operator}": text}) | Q(**{f"name__{operator}": text})
    return [account_claim(user) for user in User.objects.filter(named, removed=None, desired="active")[:limit]]


def find_account(external_id: str) -> IdentityClaim | None:
    """The account with this wire id, or None."""
    user = User.objects.filter(pk=row_number(external_id) or 0, removed=None).first()
    return account_claim(user) if user else None
