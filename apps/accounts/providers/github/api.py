"""One request to GitHub's API: with somebody's token, or as the OAuth app itself."""

from __future__ import annotations

from typing import Any

import requests

from apps.accounts.providers.errors import GithubDown
from apps.accounts.providers.github.config import GithubProviderConfig
from apps.accounts.providers.http import ProviderOverBudget, one_budget, send_request

PER_PAGE, MOST_PAGES = 100, 100
TIMEOUT_SECONDS = 4.0


def get_json(config: GithubProviderConfig, path: str, *, token: str = "", **query: Any) -> Any:
    """GitHub's JSON, or None when it does not know the thing or refuses the token; else raises `GithubDown`."""
    headers = {"Accept": "application/vnd.github+json", **({"Authorization": f"token {token}"} if token else {})}
    as_app = None if token else (config.client_id, config.client_secret)
    try:
        answer = send_request(
            "GET", config.api_url + path, params=query, headers=headers, auth=as_app, timeout=TIMEOUT_SECONDS
        )
    except requests.RequestException as error:
        raise GithubDown(f"GitHub cannot be reached: {_failure_reason(error)}.") from error
    if _is_unknown(answer, token):
        return None
    if answer.status_code == 401:
        raise GithubDown("GitHub refuses the client id and secret.")
    if answer.status_code != 200:
        raise GithubDown(f"GitHub answers {answer.status_code}; it is asked again later.")
    try:
        return answer.json()
    except ValueError as error:
        raise GithubDown("GitHub: the answer is not what GitHub's API promises.") from error


def get_all_pages(config: GithubProviderConfig, path: str, token: str) -> list[dict[str, Any]]:
    """Every page of a list."""
    found: list[dict[str, Any]] = []
    with one_budget():
        for page in range(1, MOST_PAGES + 1):
            batch = get_json(config, path, token=token, per_page=PER_PAGE, page=page)
            found += batch or []
            if not batch:  # not "fewer than requested": a server may cap the page size
                break
    return found


def _is_unknown(answer: requests.Response, token: str) -> bool:
    """Whether GitHub does not know what was asked for, or has revoked the token or suspended its owner."""
    if token and answer.status_code in {401, 403}:
        return answer.status_code == 401 or "suspended" in answer.text.lower()
    return answer.status_code in {404, 422}


def _failure_reason(error: requests.RequestException) -> str:
    if isinstance(error, ProviderOverBudget):
        return str(error).rstrip(".")
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_SECONDS:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate was refused"
    return "nothing answers there"
