"""Asking GitHub's API beside a log-in: a person's groups with the token that was left, and names as the OAuth app."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from apps.accounts.backends.hubapi import GithubDown, ask, ask_all
from apps.accounts.spec import Claim, Claims, Github


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
    found = ask(config, "user", token=token)
    if found is None or str(found.get("id")) != external_id:
        return "GitHub does not let this person be asked about any more; logging in again may help."
    try:
        return claims_of(found, ask_all(config, "user/orgs", token), ask_all(config, "user/teams", token))
    except (KeyError, TypeError) as error:
        raise GithubDown("GitHub: the answer is not what GitHub's API promises.") from error


def by_id(config: Github, kind: str, external_id: str) -> Claim | None:
    """The person or organization with this number; teams are only told to their members."""
    paths = {"github_user": "user", "github_org": "organizations"}
    if kind not in paths or not external_id.isdigit():
        return None
    found = ask(config, f"{paths[kind]}/{external_id}")
    return (_user if kind == "github_user" else _org)(found) if found else None


def by_name(config: Github, text: str, most: int, *, exact: bool, token: str = "") -> list[Claim]:
    """People and organizations called `text`, or with it in their names; the asker's own teams of that name too."""
    if exact:
        one = ask(config, f"users/{quote(text, safe='')}", token=token)
        found = [one] if one else []
    else:
        answer = ask(config, "search/users", token=token, q=f"{text} in:login in:name", per_page=most)
        found = list((answer or {}).get("items") or [])
    claims = [(_org if each.get("type") == "Organization" else _user)(each) for each in found]
    return [*claims, *(_own_teams(config, text, token, exact=exact) if token else [])]


def _own_teams(config: Github, text: str, token: str, *, exact: bool) -> list[Claim]:
    word = text.lower()
    teams = [_claim(each) for each in ask_all(config, "user/teams", token)]
    names = [(each, {each.login.lower(), each.name.lower(), each.name.rpartition("/")[2].lower()}) for each in teams]
    return [each for each, known in names if (word in known if exact else any(word in name for name in known))]
