"""Asking GitHub's API beside a log-in: a person's groups with the token that was left, and names as the OAuth app."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from apps.accounts.spec import Claim, Claims, Github
from apps.core.errors import Problem

PER_PAGE, MOST_PAGES = 100, 100
PATIENCE = 4.0


class GithubDown(Problem):
    """GitHub could not be asked; the message says why."""

    status = 502
    code = "GithubDown"


def claims_of(person: dict[str, Any], orgs: list[dict[str, Any]], teams: list[dict[str, Any]]) -> Claims:
    """What GitHub says about a person as identities: every one by its number, never by its name."""
    found = [_org(each) for each in orgs]
    found += [_claim(each) for each in teams]
    return Claims(_user(person), tuple(found))


def _user(each: dict[str, Any]) -> Claim:
    return Claim("github_user", str(each["id"]), each["login"], each.get("name") or each["login"])


def _org(each: dict[str, Any]) -> Claim:
    return Claim("github_org", str(each["id"]), each["login"], each.get("name") or each["login"])


def _claim(team: dict[str, Any]) -> Claim:
    name = f"{team['organization']['login']}/{team['name']}" if team.get("organization") else str(team["name"])
    return Claim("github_team", str(team["id"]), team["slug"], name)


def person(config: Github, external_id: str, token: str) -> Claims | str:
    """What GitHub says now about the person who left the token; a text says why the person is out."""
    if not token:
        return "GitHub was not allowed to be asked about this person; logging in again allows it."
    found = _ask(config, "user", token=token)
    if found is None or str(found.get("id")) != external_id:
        return "GitHub does not let this person be asked about any more; logging in again may help."
    try:
        return claims_of(found, _all(config, "user/orgs", token), _all(config, "user/teams", token))
    except (KeyError, TypeError) as error:
        raise GithubDown("GitHub: the answer is not what GitHub's API promises.") from error


def _all(config: Github, path: str, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, MOST_PAGES + 1):
        batch = _ask(config, path, token=token, per_page=PER_PAGE, page=page)
        found += batch or []
        if not batch:  # a server may give fewer than asked for on each page
            break
    return found


def by_id(config: Github, kind: str, external_id: str) -> Claim | None:
    """The person or organization with this number; teams are only told to their members."""
    paths = {"github_user": "user", "github_org": "organizations"}
    if kind not in paths or not external_id.isdigit():
        return None
    found = _ask(config, f"{paths[kind]}/{external_id}")
    return (_user if kind == "github_user" else _org)(found) if found else None


def by_name(config: Github, text: str, most: int, *, exact: bool, token: str = "") -> list[Claim]:
    """People and organizations called `text`, or with it in their names; the asker's own teams of that name too."""
    if exact:
        one = _ask(config, f"users/{quote(text, safe='')}", token=token)
        found = [one] if one else []
    else:
        answer = _ask(config, "search/users", token=token, q=f"{text} in:login in:name", per_page=most)
        found = list((answer or {}).get("items") or [])
    claims = [(_org if each.get("type") == "Organization" else _user)(each) for each in found]
    return [*claims, *(_own_teams(config, text, token, exact=exact) if token else [])]


def _own_teams(config: Github, text: str, token: str, *, exact: bool) -> list[Claim]:
    word = text.lower()
    teams = [_claim(each) for each in _all(config, "user/teams", token)]
    names = [(each, {each.login.lower(), each.name.lower(), each.name.rpartition("/")[2].lower()}) for each in teams]
    return [each for each, known in names if (word in known if exact else any(word in name for name in known))]


def _ask(config: Github, path: str, *, token: str = "", **query: Any) -> Any:
    """GitHub's JSON, or None when it knows no such thing or refuses the token; raises `GithubDown` for all else."""
    headers = {"Accept": "application/vnd.github+json", **({"Authorization": f"token {token}"} if token else {})}
    as_app = None if token else (config.client_id, config.client_secret)
    try:
        answer = requests.get(config.api_url + path, params=query, headers=headers, auth=as_app, timeout=PATIENCE)
    except requests.RequestException as error:
        raise GithubDown(f"GitHub cannot be reached: {_words(error)}.") from error
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


def _is_unknown(answer: requests.Response, token: str) -> bool:
    """Whether GitHub was asked about nobody it knows, or with the token of somebody who may not be asked about."""
    if token and answer.status_code in {401, 403}:
        return answer.status_code == 401 or "suspended" in answer.text.lower()
    return answer.status_code in {404, 422}


def _words(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer within {PATIENCE:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate was refused"
    return "nothing answers there"
