"""The revisions of a service: kept when its launch configuration changes, listed, and gone back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Max, QuerySet

from apps.containers.models import Container
from apps.core.errors import Invalid
from apps.core.texts import is_storable
from apps.environments.actor import Actor
from apps.stacks.models import Service, ServiceRevision, Slot
from apps.stacks.rollout import revision_of
from apps.stacks.sidekicks import UnitConfig, shown
from apps.stacks.stack_history import StackRevision

MAX_NOTE = 500
COLUMNS = ("spec", "image", "secondary", "primary_version", "balancer", "image_pins")


def check_note(note: str) -> str:
    """What somebody wrote about a revision, if it may be kept. Raises `Invalid`."""
    if not isinstance(note, str):
        raise Invalid("note", "InvalidFormat", "A note is a text.")
    text = note.strip()
    if len(text) > MAX_NOTE:
        raise Invalid("note", "MaxLengthExceeded", f"A note has at most {MAX_NOTE} characters.")
    if not is_storable(text):
        raise Invalid("note", "InvalidCharacters", "A note must not contain NUL or broken Unicode.")
    return text


def next_number(row: Service) -> int:
    """The number of the service's next revision; none is used twice."""
    last = ServiceRevision.objects.filter(service=row).aggregate(last=Max("number"))["last"]
    return max(row.revision, last or 0) + 1


def columns_of(revision: Service | ServiceRevision) -> dict[str, Any]:
    """What makes up a revision, as the columns that a service and its revisions have in common."""
    return {name: getattr(revision, name) for name in COLUMNS}


def columns_as_of(revision: ServiceRevision) -> dict[str, Any]:
    """The columns of another revision that says the same: what was made from this one needs no replacement."""
    return {**columns_of(revision), "primary_version": revision.primary_version or revision.number}


def shown_unit(revision: Service | ServiceRevision) -> UnitConfig:
    """What deployment units are made from, as people see it: the primary is called as its service is now."""
    name = revision.name if isinstance(revision, Service) else revision.service.name
    sidekicks = tuple(replace(each, config=shown(name, each.config)) for each in revision.sidekicks)
    return UnitConfig(shown(name, revision.config), sidekicks)


def save_revision(
    row: Service,
    number: int,
    columns: Mapping[str, Any],
    actor: Actor | None,
    note: str = "",
    stack_revision: StackRevision | None = None,
    *,
    returns_to: int | None = None,
) -> None:
    """Keep configurations under their number, unless it is kept already; without an actor it is the service's first.

    `returns_to` is the revision that it brings back.
    """
    if ServiceRevision.objects.filter(service=row, number=number).exists():
        return
    times = {} if actor is not None else {"created": row.created}
    ServiceRevision.objects.create(
        service=row,
        number=number,
        account=actor.user if actor is not None else None,
        via=actor.via if actor is not None else "",
        note=note,
        stack_revision=stack_revision,
        returns_to=returns_to,
        **columns,
        **times,
    )


def note_return(row: Service, number: int) -> None:
    """Note that the service's revision of today, made in the same transaction, brings revision `number` back."""
    ServiceRevision.objects.filter(service=row, number=row.revision).exclude(number=number).update(returns_to=number)


def is_return_to(row: Service, number: int) -> bool:
    """Whether the service's revision of today brought revision `number` back, maybe by bringing back a return to it."""
    returns = dict(
        ServiceRevision.objects.filter(service=row, returns_to__isnull=False).values_list("number", "returns_to")
    )
    current: int | None = row.revision
    while current is not None and current != number:
        current = returns.get(current)
    return current == number != row.revision


def save_first_revisions(
    rows: Sequence[Service], actor: Actor, via: str = "", stack_revision: StackRevision | None = None
) -> None:
    """Keep what new services are made from as their first revisions, in one statement."""
    ServiceRevision.objects.bulk_create(
        [
            ServiceRevision(
                service=row,
                number=row.revision,
                created=row.created,
                account=actor.user,
                via=via or actor.via,
                stack_revision=stack_revision,
                **columns_of(row),
            )
            for row in rows
        ],
        batch_size=100,
    )


def keep_verdict(row: Service) -> None:
    """Keep how upgrades are judged with the revision of today, which another one is about to replace."""
    mine = ServiceRevision.objects.filter(service=row, number=row.revision)
    mine.update(verdict_settings=row.verdict_settings)


def verdict_of(revision: ServiceRevision) -> dict[str, Any]:
    """The column of the service that says how its upgrades were judged then; empty where that was not kept."""
    return {} if revision.verdict_settings is None else {"verdict_settings": revision.verdict_settings}


def revisions_of(row: Service) -> QuerySet[ServiceRevision]:
    """The service's revisions with who made them, the newest first."""
    return ServiceRevision.objects.filter(service=row).select_related("account", "service")


def find_revision(row: Service, number: int) -> ServiceRevision:
    """The revision of this number. Raises `Invalid`."""
    found = revisions_of(row).filter(number=number).first() if 0 < number < 2**31 else None
    if found is None:
        raise Invalid("revision", "InvalidReference", f"{row.name} has no revision {number}.")
    return found


def note_image(row: Service, slots: Sequence[Slot]) -> None:
    """Note which image the current revision turned out to be on the hosts: a tag may be another one tomorrow."""
    primaries = [slot.container for slot in slots if slot.container is not None]
    # After an upgrade that was canceled half-way some, or all, are of the revision before.
    current = [_image_id(each) for each in primaries if revision_of(each) == row.current_version]
    found = next(filter(None, current), "")
    if found:
        mine = ServiceRevision.objects.filter(service=row, number=row.revision, image_id="")
        mine.update(image_id=found[:100])


def _image_id(container: Container) -> str:
    return str(container.status.get("image_id") or "") if container.display_state == "running" else ""
