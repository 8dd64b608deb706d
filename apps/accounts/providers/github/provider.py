"""GitHub as a login provider: its OAuth flow, and its API for everything else."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.identity_kinds import IdentityKinds
from apps.accounts.providers.base import RedirectProvider
from apps.accounts.providers.github.config import GithubProviderConfig


class GithubProvider(RedirectProvider[GithubProviderConfig]):
    """github.com, or an Enterprise server; people count with their organizations and teams."""

    kind = "github"
    title = "GitHub"
    wire_type = "githubconfig"
    identity_kinds: ClassVar[IdentityKinds] = IdentityKinds("github_user", ("github_org", "github_team"))
    config_class = GithubProviderConfig
    setup_hint = "Register an OAuth app there with this callback address:"

    def search(
        self, config: GithubProviderConfig, text: str, limit: int, *, exact: bool, token: str
    ) -> list[IdentityClaim]:
        """People and organizations; of teams only those that `token` shows."""
        from apps.accounts.providers.github import lookup

        return lookup.by_name(config, text, limit, exact=exact, token=token)

    def lookup(self, config: GithubProviderConfig, identity_kind: str, external_id: str) -> IdentityClaim | None:
        """The person or organization with this number."""
        from apps.accounts.providers.github import lookup

        return lookup.by_id(config, identity_kind, external_id)

    def resync(self, config: GithubProviderConfig, external_id: str, token: str) -> Claims | str:
        """What GitHub says now about the owner of the token."""
        from apps.accounts.providers.github import lookup

        return lookup.person(config, external_id, token)

    def begin(self, request: HttpRequest, config: GithubProviderConfig, return_url: str) -> HttpResponse:
        """To GitHub, with a state that only this browser's session knows."""
        from apps.accounts.providers.github import oauth

        return oauth.begin(request, config, return_url)

    def complete(self, request: HttpRequest, config: GithubProviderConfig, return_url: str) -> Claims:
        """Redeem the code that GitHub sent the browser back with."""
        from apps.accounts.providers.github import oauth

        return oauth.complete(request, config, return_url)

    def origin(self, config: GithubProviderConfig) -> str:
        """GitHub's own pages."""
        url = urlsplit(config.url)
        return f"{url.scheme}://{url.netloc}"
