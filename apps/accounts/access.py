"""Site access: whether somebody who proved who they are may come in."""

from __future__ import annotations

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.accounts.spec import REQUIRED, UNRESTRICTED, Claims, Config
from apps.core import ports


def refusal(config: Config, claims: Claims, user: User | None) -> str:
    """Why this person may not come in, or nothing; `user` is the account they had before, if any."""
    if user is not None and user.desired != "active":
        return _("This account is deactivated or removed; an administrator can bring it back.")
    if config.access == UNRESTRICTED:
        return ""
    names = claims.names()
    if names & config.allowed_names():
        return ""
    if config.access == REQUIRED:
        return _("You are not among the people and groups that may log in here.")
    if ports.is_member(names, user):
        return ""
    return _("You are neither a member of an environment nor among the people and groups that may log in here.")
