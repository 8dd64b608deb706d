"""Deciding who may come in with a password that is kept here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.accounts.access import LOCAL_ACCESS, local_access, local_refusal
from apps.accounts.login.sessions import sessions_close
from apps.accounts.models import Session, User
from apps.accounts.spec import Provider
from apps.core.ports import Asker
from apps.core.services import insist_fresh, setting_write


def local_access_save(data: Mapping[str, Any], *, actor: Asker) -> int:
    """Set `accessMode` and `allowedIdentities` of local accounts; what is left out stays.

    The sessions of those who may not come in any more end; how many that were. Raises `Forbidden` for others than
    administrators, whom the rule never holds back themselves, and `Invalid` for a wrong field.
    """
    insist_fresh(actor)
    known = {name: value for name, value in data.items() if value is not None}
    wanted = Provider.from_wire({**local_access().to_wire(), **known})
    with transaction.atomic():
        setting_write(LOCAL_ACCESS, json.dumps(wanted.to_json()), actor=actor)
        inside = Session.objects.filter(provider="local", account__isnull=False).values_list("account", flat=True)
        people = User.objects.filter(pk__in=set(inside)).exclude(kind="admin")
        return sum(sessions_close(user) for user in people if local_refusal(user))
