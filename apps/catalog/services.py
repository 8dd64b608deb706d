"""Changes to catalogs: added, changed, refreshed, switched on and off, removed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import Q

from apps.catalog.git import GitCredential
from apps.catalog.git_url import GitUrl, parse_branch, parse_git_url
from apps.catalog.lifecycle import PERMISSION
from apps.catalog.models import GIT, Catalog
from apps.control.services import create, request_change
from apps.core.edits import require_current
from apps.core.errors import Forbidden, Invalid
from apps.core.fields import integer, text
from apps.core.unique import unique_or
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment

PRESENT = ("active", "inactive")
MAX_SECRET = 32_768
MAX_CATALOGS = 50  # of one environment
NAME_ONCE = ("catalog_name_once", "site_catalog_name_once", "catalog_catalog.environment_id", "catalog_catalog.name")
WIRE_NAMES = {
    "name": "name",
    "description": "description",
    "url": "url",
    "branch": "branch",
    "username": "username",
    "secret": "secretValue",
    "poll_seconds": "pollSeconds",
}
"""What people and programs call the columns that they set; `Invalid` names the field so."""
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
_CHECKS = {
    "name": text(low=1, high=63, pattern=_NAME, hint="use letters, digits, dots, dashes and underscores"),
    "username": text(high=255, pattern=r"[^\x00-\x1f:]*", hint="a user name has no colon"),
    "secret": text(high=MAX_SECRET),
    "poll_seconds": integer(60, 604_800),
    "description": text(high=1024),
}


def catalog_create(
    *,
    actor: Actor,
    environment: Environment | None,
    name: str,
    url: str,
    branch: str = "",
    username: str = "",
    secret: str = "",
    poll_seconds: int = 300,
    description: str = "",
) -> Catalog:
    """A new catalog of an environment, or (None) of the whole installation. Raises `Invalid`, `Forbidden`.

    Its repository is fetched by the loop; what is wrong with it shows then.
    """
    allowed = can(actor, PERMISSION, environment.pk if environment else None)
    if not allowed:
        raise Forbidden(allowed.reason)
    given = {
        "name": name,
        "url": url,
        "branch": branch,
        "username": username,
        "secret": secret,
        "poll_seconds": poll_seconds,
        "description": description,
    }
    columns = _check(given)
    _check_account(columns["url"], columns["secret"])
    _require_name_free(columns["name"], environment.pk if environment else None)
    mine = Catalog.all_objects.filter(environment=environment, desired__in=PRESENT)
    if mine.count() >= MAX_CATALOGS:
        raise Invalid("name", "MaxLimitExceeded", f"There are {MAX_CATALOGS} catalogs already; remove one first.")
    row = Catalog(environment=environment, source=GIT, **{**columns, "url": columns["url"].text})
    with unique_or(_name_taken(row.name), *NAME_ONCE):
        create(row, actor=actor, request=_describe({**columns, "url": row.url}))
    return row


def _check(given: Mapping[str, Any]) -> dict[str, Any]:
    """The checked columns; the address as a `GitUrl`."""
    found: dict[str, Any] = {}
    for column, value in given.items():
        name = WIRE_NAMES[column]
        if column == "url":
            found[column] = parse_git_url(name, value, allow_local=settings.CATALOG_LOCAL_REPOSITORIES)
        elif column == "branch":
            found[column] = parse_branch(name, value)
        else:
            found[column] = _CHECKS[column](name, value)
    return found


def _check_account(url: GitUrl, secret: str) -> None:
    is_key = GitCredential(secret=secret).is_private_key
    if secret and url.scheme == "ssh" and not is_key:
        remedy = "paste a private key (-----BEGIN ...), or use the https address"
        raise Invalid("secretValue", "InvalidFormat", f"An address of ssh is opened by a private key: {remedy}.")
    if secret and url.scheme == "https" and (is_key or re.search(r"[\r\n]", secret)):
        raise Invalid(
            "secretValue", "InvalidFormat", "An address of https is opened by a password or token of one line."
        )


def _require_name_free(name: str, environment_id: int | None, but: int | None = None) -> None:
    """Names are unique where they are seen: external ids and addresses name catalogs by them."""
    seen = Q(environment=environment_id) | Q(environment=None)
    rows = Catalog.all_objects.filter(seen if environment_id else Q(), name__iexact=name, desired__in=PRESENT)
    if rows.exclude(pk=but).exists():
        raise _name_taken(name)


def _name_taken(name: str) -> Invalid:
    return Invalid("name", "NotUnique", f"There is a catalog {name} already; choose another name.")


def catalog_update(row: Catalog, *, actor: Actor, **changes: Any) -> Catalog:
    """Change name, address, branch, account, interval or description; an empty secret keeps the one that is there.

    With another server the stored secret is not sent along: it is to be entered again. Raises `Invalid`, `Forbidden`,
    `ActionNotAvailable`, `StaleEdit`.
    """
    if not changes.get("secret"):
        changes.pop("secret", None)
    columns = _check(changes)
    old = parse_git_url("url", row.url, allow_local=True)
    new: GitUrl = columns.get("url", old)
    if "url" in columns:
        columns["url"] = new.text
        if (
            row.secret
            and "secret" not in columns
            and (new.scheme, new.host, new.port) != (old.scheme, old.host, old.port)
        ):
            columns["secret"] = ""
    _check_account(new, columns.get("secret", row.secret))
    if columns.get("name", row.name) != row.name:
        _require_name_free(columns["name"], row.environment_id, but=row.pk)
    # Here and not in `request_change`, whose refusal names each value that differs: a secret must not be among them.
    require_current(row, {name: value for name, value in columns.items() if name != "secret"})
    row.based_on = None
    with unique_or(_name_taken(str(columns.get("name", row.name))), *NAME_ONCE):
        request_change(row, "update", actor=actor, changes=columns, request=_describe(columns))
    return row


def catalog_act(row: Catalog, action: str, *, actor: Actor | None) -> Catalog:
    """Refresh, activate, deactivate, remove or purge a catalog. Raises `Forbidden`, `ActionNotAvailable`, `Invalid`."""
    changes: dict[str, Any] = {"secret": ""} if action == "remove" else {}
    if action == "activate":
        _require_name_free(row.name, row.environment_id, but=row.pk)
    with unique_or(_name_taken(row.name), *NAME_ONCE):
        request_change(row, action, actor=actor, changes=changes)
    return row


def _describe(columns: Mapping[str, Any]) -> dict[str, Any]:
    """What was requested, by the wire's names, for the audit log, which blanks the secret."""
    return {WIRE_NAMES[name]: value for name, value in columns.items()}


def remove_environment_catalogs(environment_id: int) -> int:
    """Request the removal of every catalog of an environment that is being removed; return how many are left."""
    left = 0
    rows = Catalog.all_objects.filter(environment=environment_id).exclude(state__in=("removed", "purged"))
    for row in rows:
        left += 1
        if not row.removal_requested:
            if not row.LIFECYCLE.allows("remove", row.display_state):
                request_change(row, "deactivate", actor=None)
            request_change(row, "remove", actor=None, changes={"secret": ""})
    return left
