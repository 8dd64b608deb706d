"""Login providers that cannot be asked, and why."""

from __future__ import annotations

from apps.core.errors import Problem


class ProviderDown(Problem):
    """A login provider could not be asked; the message says why.

    `admin_detail` says it with addresses, which people who have not logged in must not see.
    """

    status = 502
    code = "ProviderDown"

    def __init__(self, message: str, *, admin_detail: str = "") -> None:
        super().__init__(message)
        self.admin_detail = admin_detail or message


class DirectoryDown(ProviderDown):
    """An LDAP directory or Active Directory could not be asked."""

    status = 500
    code = "LdapDown"


class GithubDown(ProviderDown):
    """GitHub could not be asked."""

    status = 502
    code = "GithubDown"


def admin_message(problem: Problem) -> str:
    """What administrators are told of a provider that could not be asked."""
    return problem.admin_detail if isinstance(problem, ProviderDown) else problem.message
