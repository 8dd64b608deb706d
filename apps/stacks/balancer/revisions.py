"""The links and rules of balancers in their history: kept with each revision, and gone back to with it."""

from __future__ import annotations

from typing import Any

from apps.control.services import request_change
from apps.environments.actor import Actor
from apps.stacks.models import Service, ServiceLink, ServiceRevision
from apps.stacks.service_options import BALANCER


def keep_links(row: Service) -> None:
    """Keep the links of a balancer with its revision of today, which another one is about to replace."""
    if row.kind == BALANCER:
        ServiceRevision.objects.filter(service=row, number=row.revision).update(links=_links_of(row))


def _links_of(row: Service) -> list[dict[str, Any]]:
    links = ServiceLink.objects.filter(service=row, selected=False).order_by("name")
    return [{"name": each.name, "target": each.target_id, "ports": each.ports} for each in links]


def links_of_revision(row: Service, revision: ServiceRevision) -> None:
    """Have the links and rules be what they were at the end of a revision; those to services that are gone stay away.

    The caller's transaction.
    """
    if row.kind != BALANCER or revision.links is None or revision.links == _links_of(row):
        return
    targets = [each["target"] for each in revision.links]
    there = Service.all_objects.filter(pk__in=targets, environment=row.environment_id, removed=None)
    known = set(there.exclude(desired="removed").values_list("pk", flat=True))
    ServiceLink.objects.filter(service=row, selected=False).delete()
    names = {each["name"] for each in revision.links}
    ServiceLink.objects.filter(service=row, name__in=names).delete()  # selected ones come back under another name
    ServiceLink.objects.bulk_create(
        ServiceLink(service=row, target_id=each["target"], name=each["name"], ports=each["ports"])
        for each in revision.links
        if each["target"] in known
    )


def return_in_place(row: Service, revision: ServiceRevision, actor: Actor) -> bool:
    """Go back to the settings, links and rules of a revision whose containers are those of today.

    Returns whether anything differed.
    """
    if row.kind != BALANCER:
        return False
    is_same = revision.links is None or revision.links == _links_of(row)
    if is_same and revision.balancer == row.balancer:
        return False
    request = {"revision": revision.number}
    request_change(row, "update", actor=actor, changes={"balancer": revision.balancer}, request=request)
    links_of_revision(row, revision)
    return True
