"""Site access: whether somebody who proved who they are may come in."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.accounts.spec import LOCAL, REQUIRED, UNRESTRICTED, Claims, Provider
from apps.core import ports
from apps.core.defaults import setting
from apps.core.errors import Invalid
from apps.core.ids import wire_id

LOCAL_ACCESS = "auth.local.access"


def refusal(config: Provider, claims: Claims, user: User | None) -> str:
    """Why this person may not come in, or nothing; `user` is the account they had before, if any."""
    if user is not None and user.desired != "active":
        return _("This account is deactivated or removed; an administrator can bring it back.")
    return _kept_out(config, claims.names() | _account(user), user)


def local_refusal(user: User) -> str:
    """Why a local account may not come in, or nothing; administrators always may, or nobody could mend a mistake."""
    return "" if user.is_admin else _kept_out(local_access(), _account(user), user)


def local_access() -> Provider:
    """Who may come in with a password that is kept here; a setting that cannot be read lets administrators in only."""
    stored = setting(LOCAL_ACCESS)
    try:
        return Provider.from_wire(json.loads(stored)) if stored else Provider()
    except (ValueError, Invalid):
        return Provider(access=REQUIRED)


def _kept_out(config: Provider, names: set[tuple[str, str]], user: Any) -> str:
    if config.access == UNRESTRICTED or names & config.allowed_names():
        return ""
    if config.access == REQUIRED:
        return _("You are not among the people and groups that may log in here.")
    if ports.is_member(names, user):
        return ""
    return _("You are neither a member of an environment nor among the people and groups that may log in here.")


def _account(user: User | None) -> set[tuple[str, str]]:
    return {(LOCAL, wire_id("a", user.pk))} if user is not None else set()
