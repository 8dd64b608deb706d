"""The images that services name: of what runs now, and of the revision that an upgrade can be rolled back to."""

from __future__ import annotations

from django.db.models import F, Q

from apps.stacks.models import Service, ServiceRevision


def images_of_services(environment_id: int) -> set[str]:
    """The names of images in the services of an environment that are not removed, sidekicks included; two queries."""
    services = Service.all_objects.filter(environment=environment_id, removed=None)
    found: set[str] = set()
    for service in services.only("image", "secondary"):
        found.update([service.image, *(each.config.image for each in service.sidekicks)])
    current = Q(number=F("service__revision")) | Q(number=F("service__previous_revision"))
    revisions = ServiceRevision.objects.filter(current, service__in=services.values("pk"))
    for revision in revisions.only("image", "secondary"):
        found.update([revision.image, *(each.config.image for each in revision.sidekicks)])
    return found - {""}
