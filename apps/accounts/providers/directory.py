"""The log-in backend of everybody whose password is kept elsewhere; the LDAP library is loaded on first need."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.provider_config import PERSON_KINDS, Claims, DirectoryProviderConfig
from apps.accounts.providers.provision import provision_account
from apps.core.errors import Problem

MAX_CREDENTIAL_LENGTH = 1024


class DirectoryDown(Problem):
    """A directory could not be asked; the message says why, and `admin_detail` says it with addresses, for
    administrators.
    """

    status = 500
    code = "LdapDown"

    def __init__(self, message: str, *, admin_detail: str = "") -> None:
        super().__init__(message)
        self.admin_detail = admin_detail or message


def admin_message(problem: Problem) -> str:
    """What administrators are told of a provider that could not be asked."""
    return problem.admin_detail if isinstance(problem, DirectoryDown) else problem.message


class DirectoryBackend(BaseBackend):
    """People of the directories by name and password, and the sessions of everybody who came through a provider."""

    def authenticate(
        self,
        request: HttpRequest | None,  # noqa: ARG002 - Django's signature
        username: str = "",
        password: str = "",
        **_: Any,
    ) -> User | None:
        """The account of the person with this name and password in the first directory that knows them.

        Raises `DirectoryDown` when none knows them and one could not be asked, `Unauthorized` when the password was
        right but the person may not come in.
        """
        refusal: Problem | None = None
        for provider in AuthProvider.objects.accepting_logins().exclude(kind="github"):
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
        """The active account behind a session, as long as the provider it came through is on."""
        persons = Identity.objects.filter(kind__in=PERSON_KINDS.values(), rejection_reason="")
        active_persons = persons.filter(provider__in=AuthProvider.objects.accepting_logins())
        return User.objects.filter(pk=user_id, desired="active", identities__in=active_persons).first()


def identify(provider: AuthProvider, username: str, password: str) -> Claims | None:
    """Ask one directory; None means that it does not know this name with this password.

    An empty password is never sent: many directories take it for a wish to be nobody, and say yes.
    """
    if (
        not username
        or not password
        or max(len(username), len(password)) > MAX_CREDENTIAL_LENGTH
        or "\0" in username + password
    ):
        return None
    config = provider.config
    assert isinstance(config, DirectoryProviderConfig)  # noqa: S101 - GitHub never comes here
    found: Claims | None = ldap_lookup().identify(provider.kind, config, username, password)
    return found


def ldap_lookup() -> Any:
    """The module that reads directories; raises `DirectoryDown` where the LDAP library is not installed."""
    try:
        from apps.accounts.providers.ldap import lookup
    except ImportError:
        raise DirectoryDown(
            "LDAP support is not installed here (requirements-ldap.txt); use another way to log in."
        ) from None
    return lookup
