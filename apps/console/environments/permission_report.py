"""Effective access of an account or key: permissions with what grants them, and what a revocation would take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.console.administration.accounts import find as find_account
from apps.console.environments.environments import find as find_environment
from apps.console.keys.api_keys import keys_of_account, keys_of_environment
from apps.console.request_context import (
    RequestContext,
    admin_required,
    login_required,
    member_required,
)
from apps.environments.evaluator import EnvironmentRef
from apps.environments.reasons import (
    Access,
    MembershipMatch,
    Revocation,
    Subject,
    explain,
    lost_permissions,
    possible_revocations,
)
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors import (
    environment_refs_of,
    member_accounts_of,
    subject_of_key,
    subjects_of,
)

REFUSAL_TEXTS: dict[str, str | Promise] = {
    "inactive": gettext_lazy("Nothing: the account or the key is not active, or the key has expired."),
    "elsewhere": gettext_lazy("Nothing: the key is for another environment."),
    "stranger": gettext_lazy("Nothing: not a member here, neither directly nor through a group."),
    "asleep": gettext_lazy("Nothing for now: the environment is not active, and only its owners still see it."),
    "limit": gettext_lazy("Nothing: the key's role covers none of what its maker may do here."),
}
REVOCATION_LABELS: dict[str, str | Promise] = {
    "admin": gettext_lazy("being an administrator"),
    "member": gettext_lazy("membership"),
    "group": gettext_lazy("group"),
    "role": gettext_lazy("role"),
}


def _describe_path(match: MembershipMatch | None) -> dict[str, Any]:
    if match is None:
        return {"icon": "shield-lock", "text": _("administrator"), "note": ""}
    kind = _("through the group %(name)s") if match.is_group else _("as a member")
    note = kind % {"name": match.display_name} if match.is_group else kind
    return {"icon": "users" if match.is_group else "user", "text": match.role, "note": note}


def _describe_access(access: Access) -> dict[str, Any]:
    return {
        "ref": access.ref,
        "refused": REFUSAL_TEXTS.get(access.refused, ""),
        "rows": [
            (PERMISSIONS[name], [_describe_path(match) for match in matches]) for name, matches in access.paths.items()
        ],
        "kept_back": [text for name, text in PERMISSIONS.items() if name in access.beyond_limit],
    }


def _describe_revocation(subject: Subject, revocation: Revocation, refs: Sequence[EnvironmentRef]) -> dict[str, Any]:
    gone, names = lost_permissions(subject, revocation, refs), {ref.environment: ref.name for ref in refs}
    lost = [(names[key], [name for name in PERMISSIONS if name in gone[key]]) for key in gone]
    name = revocation.name
    if revocation.kind == "member":
        name = next((names[match.environment] for match in subject.matches if match.member == revocation.key), name)
    return {"kind": REVOCATION_LABELS[revocation.kind], "name": name, "loses": lost}


def _page(ctx: RequestContext, subject: Subject, title: str, back: str) -> HttpResponse:
    refs = environment_refs_of([subject])
    context = {
        "title": title,
        "back": back,
        "subject": subject,
        "accesses": [_describe_access(explain(subject, ref)) for ref in refs],
        "changes": [_describe_revocation(subject, revocation, refs) for revocation in possible_revocations(subject)],
    }
    return ctx.render("console/effective_access.html", context)


def _of_user(ctx: RequestContext, user: User, back: str) -> HttpResponse:
    return _page(ctx, subjects_of([user])[user.pk], user.name or user.login, back)


@login_required
def own(ctx: RequestContext) -> HttpResponse:
    """The effective access of the current account."""
    user = ctx.actor.user
    assert user is not None  # noqa: S101 - `login_required` guarantees it
    return _of_user(ctx, user, "")


@admin_required
def account(ctx: RequestContext, pk: int) -> HttpResponse:
    """The effective access of an account."""
    return _of_user(ctx, find_account(pk), ctx.url("accounts"))


@member_required
def environment_key(ctx: RequestContext, pk: int) -> HttpResponse:
    """The effective access of a key of this environment; only its creator sees what grants it elsewhere."""
    row = ctx.get_or_404(keys_of_environment(ctx), pk)
    return _page(ctx, subject_of_key(row), row.name or row.public_value, ctx.url("keys"))


@login_required
def account_key(ctx: RequestContext, pk: int) -> HttpResponse:
    """The effective access of one of the account's own keys."""
    row = ctx.get_or_404(keys_of_account(ctx), pk)
    return _page(ctx, subject_of_key(row), row.name or row.public_value, ctx.url("account-keys"))


@login_required
def environment(ctx: RequestContext, pk: int) -> HttpResponse:
    """Who may do what here: all members for those who manage them, for others only themselves."""
    row = find_environment(ctx, pk)
    people = member_accounts_of(row.pk)
    if "members" not in ctx.actor.permissions(row.pk):
        people = [each for each in people if each == ctx.actor.user]
    subjects = subjects_of(people, [row.pk])
    ref = EnvironmentRef(row.pk, row.name, row.desired == "active")
    entries = [(user, _permission_sources(explain(subjects[user.pk], ref))) for user in people]
    return ctx.render("console/environment_access.html", {"row": row, "entries": entries, "permissions": PERMISSIONS})


def _permission_sources(access: Access) -> list[str]:
    """For each permission what grants it; empty where nothing does."""
    return [
        ", ".join(f"{path['text']} {path['note']}".strip() for path in map(_describe_path, access.paths[name]))
        if name in access.paths
        else ""
        for name in PERMISSIONS
    ]
