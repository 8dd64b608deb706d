"""Logging in through GitHub or an Enterprise server: social-auth's OAuth flow, with settings from a row."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import requests
from django.http import HttpRequest, HttpResponse
from social_core.backends.github_enterprise import GithubEnterpriseOAuth2
from social_core.exceptions import AuthCanceled, AuthProviderError, SocialAuthBaseException
from social_core.utils import http_error, redact_request_error
from social_django.strategy import DjangoStrategy

from apps.accounts.claims import Claims
from apps.accounts.providers.github.api import MOST_PAGES, PER_PAGE, TIMEOUT_SECONDS
from apps.accounts.providers.github.config import GithubProviderConfig
from apps.accounts.providers.github.lookup import claims_of
from apps.accounts.providers.http import one_budget, send_request
from apps.core.errors import Problem, Unauthorized


class _SingleUseNonce:
    """No table of nonces: the state lives in the browser's session, and its first use removes it."""

    @staticmethod
    def use(*_: Any) -> bool:
        return True

    @staticmethod
    def consume(*_: Any) -> bool:
        return True


class _Strategy(DjangoStrategy):  # type: ignore[misc]
    """The settings of one configuration; the flow ends with claims, not with an account."""

    def __init__(self, request: HttpRequest, config: GithubProviderConfig) -> None:
        self._config = config
        self._known = {
            "SOCIAL_AUTH_GITHUB_KEY": config.client_id,
            "SOCIAL_AUTH_GITHUB_SECRET": config.client_secret,
            "SOCIAL_AUTH_GITHUB_URL": config.url,
            "SOCIAL_AUTH_GITHUB_API_URL": config.api_url,
            "SOCIAL_AUTH_REQUESTS_TIMEOUT": 5,
        }
        super().__init__(SimpleNamespace(nonce=_SingleUseNonce), request)

    def get_setting(self, name: str) -> Any:
        """The row's value; KeyError means that there is none."""
        return self._known[name]

    def authenticate(self, *_: Any, response: dict[str, Any], **__: Any) -> Claims:
        """The claims, with the token for later re-syncs."""
        claims = claims_of(self._config, response, response["orgs"], response["teams"])
        return replace(claims, token=str(response.get("access_token") or ""))


class _GithubLogin(GithubEnterpriseOAuth2):  # type: ignore[misc]
    """GitHub's flow, which also fetches every page of organizations and teams."""

    name = "github"
    DEFAULT_SCOPE = ["read:org"]

    def request(
        self, url: str, *, method: str = "GET", timeout: float | None = None, stage: Any = "user_info", **options: Any
    ) -> requests.Response:
        """As the library's own, within a budget."""
        try:
            response = send_request(method, url, timeout=timeout or TIMEOUT_SECONDS, **options)
            response.raise_for_status()
        except requests.RequestException as error:
            redact_request_error(error, request_url=url)
            if isinstance(error, requests.HTTPError):
                raise http_error(self, error, stage=stage) from error
            code = "timeout" if isinstance(error, requests.Timeout) else "connection_failed"
            raise AuthProviderError(self, code=code, stage=stage) from error
        return response

    def user_data(self, access_token: str, *_: Any, **__: Any) -> dict[str, Any]:
        """The person, with organizations and teams."""
        with one_budget():
            found: dict[str, Any] = self._user_data(access_token)
            return {**found, "orgs": self._all(access_token, "orgs"), "teams": self._all(access_token, "teams")}

    def _all(self, token: str, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            batch = self._user_data(token, f"/{what}?per_page={PER_PAGE}&page={page}")
            found += batch
            if not batch:  # not "fewer than requested": a server may cap the page size
                break
        return found


def begin(request: HttpRequest, config: GithubProviderConfig, back: str) -> HttpResponse:
    """Send the browser to GitHub; it comes back to the absolute URL `back` with a code and the session's state."""
    try:
        answer: HttpResponse = _github_login(request, config, back).start()
    except SocialAuthBaseException as error:
        raise _problem(error) from error
    return answer


def complete(request: HttpRequest, config: GithubProviderConfig, back: str) -> Claims:
    """Who GitHub says the browser's owner is.

    Raises `Unauthorized` for a wrong state or code and for a refusal at GitHub, `Problem` when GitHub is unreachable.
    """
    return _claims(lambda: _github_login(request, config, back).complete())


def redeem(request: HttpRequest, config: GithubProviderConfig, code: str, back: str) -> Claims:
    """As `complete`, for an API client that ran the browser's part, and checked its state, itself."""

    def run() -> Any:
        backend = _github_login(request, config, back)
        backend.data = {"code": code}
        backend.STATE_PARAMETER = False
        return backend.complete()

    return _claims(run)


def _claims(run: Any) -> Claims:
    try:
        claims: Claims = run()
    except SocialAuthBaseException as error:
        raise _problem(error) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise Problem("GitHub: the answer is not what GitHub's API promises.", status=502) from error
    return claims


def _github_login(request: HttpRequest, config: GithubProviderConfig, back: str) -> Any:
    return _GithubLogin(_Strategy(request, config), redirect_uri=back)


def _problem(error: SocialAuthBaseException) -> Problem:
    if isinstance(error, AuthCanceled):
        return Unauthorized("GitHub: access was denied there; try again and grant it.")
    if isinstance(error, AuthProviderError):
        return Problem(f"GitHub: {error}", status=502, code="GithubDown")
    return Unauthorized(f"GitHub: {error}")
