"""Entries of member lists that name people and groups of a login provider, of all environments at once."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from apps.core import hooks
from apps.environments.actor import Actor
from apps.environments.models import Environment, Member
from apps.environments.services.members import role_groups_sync
from apps.environments.services.revocation import revoking


def count_members(kinds: Collection[str]) -> int:
    """How many entries name an identity of these kinds."""
    return Member.objects.filter(identity_type__in=kinds).count()


@transaction.atomic
def remove_members(kinds: Collection[str], *, actor: Actor | None) -> int:
    """Take the entries that name an identity of these kinds from every list; returns how many there were.

    An environment may be left without an owner by that: administrators own them all.
    """
    found = Member.objects.filter(identity_type__in=kinds)
    keys = sorted(set(found.values_list("environment", flat=True)))
    with revoking(actor, environments=keys):
        # As in `members_set`: a list that is saved meanwhile must not bring the entries back.
        environments = list(Environment.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))
        removed = list(found.filter(environment__in=environments))
        found.filter(pk__in=[each.pk for each in removed]).delete()
        for row in environments:
            role_groups_sync(row)
            entries = [_as_entry(each) for each in removed if each.environment_id == row.pk]
            hooks.record(
                "environment.setmembers", actor=actor, row=row, environment_id=row.pk, request={"removed": entries}
            )
    return len(removed)


def _as_entry(member: Member) -> dict[str, str]:
    return {"externalId": member.identity, "externalIdType": member.identity_type, "role": member.role}
