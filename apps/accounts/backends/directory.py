"""The log-in backend of everybody whose password is kept elsewhere; the LDAP library is loaded on first need."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from apps.accounts.backends.arrival import arrive
from apps.accounts.models import AuthProvider, Identity, User
from apps.accounts.spec import PERSON_KINDS, Claims, Directory
from apps.core.errors import Problem

LONGEST = 1024


class DirectoryDown(Problem):
    """A directory could not be asked; the message says why, and `inside` says it with addresses, for administrators."""

    status = 500
    code = "LdapDown"

    def __init__(self, message: str, *, inside: str = "") -> None:
        super().__init__(message)
        self.inside = inside or message


def told_inside(problem: Problem) -> str:
    """What administrators are told of a provider that could not be asked."""
    return problem.inside if isinstance(problem, DirectoryDown) else problem.message


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
        for provider in AuthProvider.objects.open().exclude(kind="github"):
            try:
                claims = identify(provider, username, password)
                if claims is not None:
                    return arrive(provider, claims)
            except Problem as problem:
                refusal = problem
        if refusal is not None:
            raise refusal
        return None

    def get_user(self, user_id: int) -> User | None:
        """The active account behind a session, as long as the provider it came through is on."""
        persons = Identity.objects.filter(kind__in=PERSON_KINDS.values(), gone="")
        vouching = persons.filter(provider__in=AuthProvider.objects.open())
        return User.objects.filter(pk=user_id, desired="active", identities__in=vouching).first()


def identify(provider: AuthProvider, username: str, password: str) -> Claims | None:
    """Ask one directory; None means that it does not know this name with this password.

    An empty password is never sent: many directories take it for a wish to be nobody, and say yes.
    """
    if not username or not password or max(len(username), len(password)) > LONGEST or "\0" in username + password:
        return None
    config = provider.config
    assert isinstance(config, Directory)  # noqa: S101 - GitHub never comes here
    found: Claims | None = reader().identify(provider.kind, config, username, password)
    return found


def reader() -> Any:
    """The module that reads directories; raises `DirectoryDown` where the LDAP library is not installed."""
    try:
        from apps.accounts.backends import reader
    except ImportError:
        raise DirectoryDown(
            "LDAP support is not installed here (requirements-ldap.txt); use another way to log in."
        ) from None
    return reader
