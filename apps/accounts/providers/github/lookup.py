"""Queries to GitHub's API outside a login: a person's groups with their stored token, and names as the OAuth app."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from apps.accounts.claims import Claims, IdentityClaim
from apps.accounts.providers.errors import GithubDown
from apps.accounts.providers.github.api import get_all_pages, get_json
from apps.accounts.providers.github.config import GithubProviderConfig
from apps.core.ids import parse_key


def claims_of(
    config: GithubProviderConfig, person: dict[str, Any], orgs: list[dict[str, Any]], teams: list[dict[str, Any]]
) -> Claims:
    """What GitHub says about a person, as claims: identified by numbers, never by names."""
    found = [_organization_claim(each) for each in orgs]
    found += [_team_claim(each) for each in teams]
    return Claims(_user_claim(person), tuple(found), issuer=config.identity_issuer)


def _user_claim(each: dict[str, Any]) -> IdentityClaim:
    return IdentityClaim("github_user", str(each["id"]), each["login"], each.get("name") or each["login"])


def _organization_claim(each: dict[str, Any]) -> IdentityClaim:
    return IdentityClaim("github_org", str(each["id"]), each["login"], each.get("name") or each["login"])


def _team_claim(team: dict[str, Any]) -> IdentityClaim:
    name = f"{team['organization']['login']}/{team['name']}" if team.get("organization") else str(team["name"])
    return IdentityClaim("github_team", str(team["id"]), team["slug"], name)


def person(config: GithubProviderConfig, external_id: str, token: str) -> Claims | str:
    """What GitHub says now about the owner of the token; a text says why they may not log in any more."""
    if not token:
        return "GitHub was not allowed to be asked about this person; logging in again allows it."
    found = get_json(config, "user", token=token)
    if found is None or str(found.get("id")) != external_id:
        return "GitHub does not let this person be asked about any more; logging in again may help."
    try:
        orgs, teams = get_all_pages(config, "user/orgs", token), get_all_pages(config, "user/teams", token)
        return claims_of(config, found, orgs, teams)
    except (KeyError, TypeError) as error:
        raise GithubDown("GitHub: the answer is not what GitHub's API promises.") from error


def by_id(config: GithubProviderConfig, kind: str, external_id: str) -> IdentityClaim | None:
    """The person or organization with this number; GitHub shows teams only to their members."""
    paths = {"github_user": "user", "github_org": "organizations"}
    if kind not in paths or parse_key(external_id) is None:
        return None
    found = get_json(config, f"{paths[kind]}/{external_id}")
    return (_user_claim if kind == "github_user" else _organization_claim)(found) if found else None


def by_name(
    config: GithubProviderConfig, text: str, limit: int, *, exact: bool, token: str = ""
) -> list[IdentityClaim]:
    """People and organizations called `text`, or with it in their names; teams only those of the token's owner."""
    if exact:
        one = get_json(config, f"users/{quote(text, safe='')}", token=token)
        found = [one] if one else []
    else:
        answer = get_json(config, "search/users", token=token, q=f"{text} in:login in:name", per_page=limit)
        found = list((answer or {}).get("items") or [])
    claims = [(_organization_claim if each.get("type") == "Organization" else _user_claim)(each) for each in found]
    return [*claims, *(_own_teams(config, text, token, exact=exact) if token else [])]


def _own_teams(config: GithubProviderConfig, text: str, token: str, *, exact: bool) -> list[IdentityClaim]:
    word = text.lower()
    teams = [_team_claim(each) for each in get_all_pages(config, "user/teams", token)]
    names = [(each, {each.login.lower(), each.name.lower(), each.name.rpartition("/")[2].lower()}) for each in teams]
    return [each for each, known in names if (word in known if exact else any(word in name for name in known))]
