"""The links of services in their history: kept with a revision when another one takes its place, and gone back to."""

from __future__ import annotations

from typing import Any

from apps.stacks.models import Service, ServiceLink, ServiceRevision
from apps.stacks.service_options import BALANCER

Links = list[dict[str, Any]]


def keep_links(row: Service, links: Links | None = None) -> None:
    """Keep the links that a service has now with its revision of today, which another one is about to replace.

    Of a balancer what it does with them, too: while an upgrade goes on that is changed without a revision.
    """
    found = links_of(row) if links is None else links
    mine = ServiceRevision.objects.filter(service=row, number=row.revision)
    columns = {"balancer": row.balancer} if row.kind == BALANCER else {}
    mine.update(links=found, selector_link=row.selector_link, **columns)


def links_of(row: Service) -> Links:
    """The links of a service, those of its selector aside, with the rules that a balancer has for them."""
    links = ServiceLink.objects.filter(service=row, selected=False).order_by("name")
    return [{"name": each.name, "target": each.target_id, "ports": each.ports} for each in links]


def links_of_revision(row: Service, revision: ServiceRevision) -> None:
    """Have links and rules be what they were at the end of a revision; those to services that are gone stay away.

    The caller's transaction.
    """
    if revision.links is None or revision.links == links_of(row):
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


def selector_of_revision(revision: ServiceRevision) -> dict[str, Any]:
    """The column that its selector of links was then; empty where the revision does not know."""
    return {} if revision.links is None else {"selector_link": revision.selector_link}


def links_at(revision: Service | ServiceRevision, row: Service, now: Links) -> Links | None:
    """The links at the end of a revision; None where they were not kept."""
    if isinstance(revision, Service) or revision.number == row.revision:
        return now
    return revision.links
