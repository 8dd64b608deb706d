"""Whether a service may link to others, under these names."""

from __future__ import annotations

from collections.abc import Sequence

from apps.core.errors import Forbidden, Invalid
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.stacks.link_names import check_link_name, describe_circle, find_circle, name_used_twice
from apps.stacks.locks import require_unlocked
from apps.stacks.models import Service, ServiceLink
from apps.stacks.service_options import ALIAS, EXTERNAL


def check_can_link(row: Service, targets: Sequence[Service], actor: Actor) -> None:
    """Raise `Forbidden`, `Conflict` for a lock, or `Invalid` where a service may not link to these."""
    allowed = can(actor, "operate", row.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    require_unlocked(row, actor=actor)
    if targets and row.kind == EXTERNAL:
        reason = f"{row.name} is an external service, which has no containers that could use links."
        raise Invalid("serviceId", "InvalidOption", reason)
    for target in targets:
        if target.environment_id != row.environment_id or target.removal_requested:
            raise Invalid("serviceId", "InvalidReference", "There is no such service here.")


def check_new_names(row: Service, names: Sequence[str], field: str) -> None:
    """Raise `Invalid` if a new name is none that containers can look up; those that are there were taken once."""
    known = set(ServiceLink.objects.filter(service=row).values_list("name", flat=True))
    for name in names:
        if name not in known:
            check_link_name(name, field)


def check_names_once(links: Sequence[tuple[str, int]], field: str) -> None:
    """Raise `Invalid` if one name of (name, target) leads to two targets."""
    duplicate = name_used_twice(links)
    if duplicate is not None:
        why = f"Two links are called {duplicate!r}, and a name leads to one service; give one of them another name."
        raise Invalid(field, "NotUnique", why)


def check_no_circle(row: Service, targets: Sequence[Service], field: str) -> None:
    """Raise `Invalid` if the service is an alias that would lead to itself, at once or through other aliases."""
    if row.kind != ALIAS:
        return
    names = {row.pk: row.name, **{each.pk: each.name for each in targets}}
    edges: dict[int, list[int]] = {row.pk: [each.pk for each in targets]}
    pending = [each.pk for each in targets if each.kind == ALIAS and each.pk != row.pk]
    while pending:
        found = ServiceLink.objects.filter(service__in=pending).values_list(
            "service", "target", "target__name", "target__kind"
        )
        edges |= {key: [] for key in pending}
        pending = []
        for service, target, name, kind in found:
            names[target] = name
            edges[service].append(target)
            if kind == ALIAS and target not in edges and target not in pending:
                pending.append(target)
    circle = find_circle(row.pk, edges)
    if circle is not None:
        raise Invalid(field, "InvalidReference", describe_circle(names[key] for key in circle))
