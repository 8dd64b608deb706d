"""The login backend of everybody whose password is kept elsewhere, and of all sessions that began at a provider."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from apps.accounts.claims import Claims
from apps.accounts.identity_kinds import person_kinds
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.providers.base import PasswordProvider
from apps.accounts.providers.provision import provision_account
from apps.accounts.providers.registry import password_kinds
from apps.core.errors import Problem

MAX_CREDENTIAL_LENGTH = 1024


class DirectoryBackend(BaseBackend):
    """People of providers by name and password, and the sessions of everybody who came through a provider."""

    def authenticate(
        self,
        request: HttpRequest | None,  # noqa: ARG002 - Django's signature
        username: str = "",
        password: str = "",
        **_: Any,
    ) -> User | None:
        """The account of the person with this name and password at the first provider that knows them.

        Raises `ProviderDown` when none knows them and one could not be asked, `Unauthorized` when the password was
        right but the person may not log in.
        """
        refusal: Problem | None = None
        for provider in AuthProvider.objects.accepting_logins().filter(kind__in=password_kinds()):
            try:
                claims = identify(provider, username, password)
                if claims is not None:
                    return provision_account(provider, claims)
            except Problem as problem:
                refusal = problem
        if refusal is not None:
            raise refusal
        return None

    def get_user(self, user_id: int) -> User | None:
        """The active account behind a session, as long as its provider is on."""
        persons = Identity.objects.filter(kind__in=person_kinds(), rejection_reason="")
        active_persons = persons.filter(provider__in=AuthProvider.objects.vouching_for_identities())
        return User.objects.filter(pk=user_id, desired="active", identities__in=active_persons).first()


def identify(provider: AuthProvider, username: str, password: str) -> Claims | None:
    """Ask one provider; None means that it does not know this name with this password.

    An empty password is never sent: many directories take it for an anonymous bind, and say yes.
    """
    is_too_long = max(len(username), len(password)) > MAX_CREDENTIAL_LENGTH
    if not username or not password or is_too_long or "\0" in username + password:
        return None
    login_provider = provider.login_provider
    if not isinstance(login_provider, PasswordProvider):
        return None
    claims: Claims | None = login_provider.authenticate(provider.config, username, password)
    return claims
