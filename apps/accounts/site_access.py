"""Site access: who of those with valid credentials may log in here, and the rule for local accounts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.claims import Claims
from apps.accounts.identity_kinds import LOCAL_IDENTITY_KIND
from apps.accounts.login.sessions import sessions_close
from apps.accounts.models import Session, User
from apps.accounts.provider_config import REQUIRED, UNRESTRICTED, SiteAccess
from apps.core import hooks
from apps.core.defaults import setting
from apps.core.errors import Invalid
from apps.core.hooks import ActorProtocol
from apps.core.ids import wire_id
from apps.core.services import require_recent_auth, setting_write

LOCAL_ACCESS = "auth.local.access"


def access_refusal(config: SiteAccess, claims: Claims, user: User | None) -> str:
    """Why this person may not log in, or an empty text; `user` is the account they had before, if any."""
    if user is not None and user.desired != "active":
        return _("This account is deactivated or removed; an administrator can bring it back.")
    return _refusal_reason(config, claims.names() | _account_names(user), user)


def local_access_refusal(user: User) -> str:
    """Why a local account may not log in, or an empty text; administrators always may, to mend a wrong rule."""
    return "" if user.is_admin else _refusal_reason(local_access(), _account_names(user), user)


def local_access() -> SiteAccess:
    """Who may log in with a password kept here; a setting that cannot be read lets administrators in only."""
    stored = setting(LOCAL_ACCESS)
    try:
        return SiteAccess.from_wire(json.loads(stored)) if stored else SiteAccess()
    except (ValueError, Invalid):
        return SiteAccess(access=REQUIRED)


def _refusal_reason(config: SiteAccess, names: set[tuple[str, str]], user: Any) -> str:
    if config.access == UNRESTRICTED or names & config.allowed_names():
        return ""
    if config.access == REQUIRED:
        return _("You are not among the people and groups that may log in here.")
    if hooks.is_member(names, user):
        return ""
    return _("You are neither a member of an environment nor among the people and groups that may log in here.")


def _account_names(user: User | None) -> set[tuple[str, str]]:
    return {(LOCAL_IDENTITY_KIND, wire_id("a", user.pk))} if user is not None else set()


def local_access_save(data: Mapping[str, Any], *, actor: ActorProtocol) -> int:
    """Set `accessMode` and `allowedIdentities` of local accounts; what is left out stays.

    Ends the sessions of those who may not log in any more; returns how many. Administrators are never kept out.
    Raises `Forbidden` for other actors, and `Invalid` for a wrong field.
    """
    require_recent_auth(actor)
    known = {name: value for name, value in data.items() if value is not None}
    wanted = SiteAccess.from_wire({**local_access().to_wire(), **known})
    with transaction.atomic():
        setting_write(LOCAL_ACCESS, json.dumps(wanted.to_json()), actor=actor)
        logged_in = Session.objects.filter(provider="local", account__isnull=False).values_list("account", flat=True)
        people = User.objects.filter(pk__in=set(logged_in)).exclude(kind="admin")
        return sum(sessions_close(user) for user in people if local_access_refusal(user))
