"""The environment that every installation has."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.models import AccountNumber
from apps.core import ports
from apps.environments.models import Environment
from apps.environments.services.grants import members_apply


def environment_default() -> Environment:
    """The environment "Default" that every installation has, made on first need with a full set of role groups."""
    found: Environment | None = Environment.objects.filter(wire_uuid="adminProject").first()
    if found is not None:
        return found
    with transaction.atomic():
        number = AccountNumber.DEFAULT_ENVIRONMENT
        row = Environment(pk=number, name="Default", desired="active", wire_uuid="adminProject")
        ports.create(row, actor=None, request={"name": "Default"})
        members_apply(row)
    return row
