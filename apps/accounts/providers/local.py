"""The Local log-in backend: a password against its Argon2 hash, and no telling which half was wrong."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.site_access import local_access_refusal
from apps.core.errors import Unauthorized


class LocalBackend(BaseBackend):
    """Accounts whose password this installation holds."""

    def authenticate(
        self,
        request: HttpRequest | None,  # noqa: ARG002 - Django's signature
        username: str = "",
        password: str = "",
        **_: Any,
    ) -> User | None:
        """The active account with this name and password; an unknown name costs the same time as a wrong password.

        Raises `Unauthorized` when the password was right but the account may not come in.
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
