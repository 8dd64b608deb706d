"""Whether a service may link to others, under these names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy

from apps.core.errors import Forbidden, Invalid
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.stacks.label_selector import parse_selector
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
    """Raise `Invalid` if the service is an alias that would lead to itself, at once or through other aliases.

    `targets` are what it is to link to by name; its selector, and those of other aliases, count with what they find
    now. The row may be one that is not saved yet.
    """
    if row.kind == ALIAS:
        _require_no_circle([row], {_key(row): [each.pk for each in targets if each.kind == ALIAS]}, field)


def check_no_circles(rows: Iterable[Service], field: str) -> None:
    """The same for several saved services with the links that they have; as many queries for many as for one."""
    aliases = [row for row in rows if row.kind == ALIAS]
    if aliases:
        _require_no_circle(aliases, {}, field)


def check_selector(row: Service, selector: str) -> None:
    """The same for a service that gets another selector of links. Raises `Invalid` on `selectorLink`."""
    if row.kind == ALIAS and selector:
        then = copy(row)
        then.selector_link = selector
        _require_no_circle([then], {}, "selectorLink")


def _require_no_circle(rows: Sequence[Service], targets: Mapping[int, Sequence[int]], field: str) -> None:
    """`targets` are the aliases that some of the rows are to link to, in place of those that they do."""
    rest = Service.all_objects.filter(environment=rows[0].environment_id, kind=ALIAS, removed=None)
    rest = rest.exclude(desired__in=("removed", "purged")).exclude(pk__in=[row.pk for row in rows if row.pk])
    aliases = {_key(each): each for each in (*rest, *rows)}
    edges: dict[int, list[int]] = {key: list(targets.get(key, ())) for key in aliases}
    links = ServiceLink.objects.filter(service__in=aliases.keys() - targets.keys(), target__in=aliases, selected=False)
    for service, target in links.values_list("service", "target"):
        edges[service].append(target)
    labels = {key: each.config.labels for key, each in aliases.items()}
    for key, each in aliases.items():
        if each.selector_link:
            selector = parse_selector(each.selector_link)
            edges[key] += [other for other in aliases if other != key and selector.matches(labels[other])]
    for row in rows:
        circle = find_circle(_key(row), edges)
        if circle is not None:
            raise Invalid(field, "InvalidReference", describe_circle(aliases[key].name for key in circle))


def _key(row: Service) -> int:
    """Its number, or one that no row has."""
    return row.pk or 0
