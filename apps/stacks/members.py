"""What services are reached at and which links selectors make: kept up to date, and who looks when labels change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from apps.containers.fleet import stored_labels
from apps.containers.models import Container
from apps.control.queue import enqueue_after_commit
from apps.stacks.balancer.links import rules_of_selected
from apps.stacks.balancer.targets import write_target_ports
from apps.stacks.label_selector import LabelSelector, parse_selector
from apps.stacks.models import Service, ServiceLink, ServiceMember
from apps.stacks.service_options import EXTERNAL

Key = tuple[int | None, str, str, bool]
BATCH = 200  # rows for each statement


def refresh_members(row: Service) -> None:
    """Have the service's members and selected links be what they should be now; removed services have none."""
    is_going = row.removal_requested
    wanted = [] if is_going else [*_own(row), *_selected(row)]
    targets = [] if is_going else _selected_services(row)
    is_new = row.observed_generation != row.generation
    with transaction.atomic():
        if _save_members(row, wanted):
            # Containers are members before they run, and may wait for a host for long.
            for each in _selecting(row.environment_id, "selector_container"):
                enqueue_after_commit("service", each.pk)
        if row.selector_link or is_new:
            _save_selected_links(row, targets)
        if is_new:
            for kind, key in selecting_services(row):
                enqueue_after_commit(kind, key)


def _own(row: Service) -> Iterable[Key]:
    if row.kind == EXTERNAL:
        target = row.options.external
        return [*((None, each, "", True) for each in target.addresses), *_host_names(target.hostname)]
    mine = Container.all_objects.filter(spread_key=str(row.uuid), removed=None, kept_by=None)
    mine = mine.exclude(desired="removed")
    return [(key, "", "", True) for key in mine.values_list("pk", flat=True)]


def _host_names(hostname: str) -> Iterable[Key]:
    return [(None, "", hostname, True)] if hostname else []


def _selected(row: Service) -> Iterable[Key]:
    """The containers of others that the service's selector finds."""
    if not row.selector_container:
        return []
    selector = selector_of(row.selector_container)
    others = Container.all_objects.filter(environment=row.environment_id, removed=None).exclude(desired="removed")
    found = list(others.exclude(spread_key=str(row.uuid)).values_list("uuid", "generation", "pk", "tags"))
    labels = stored_labels(Container, [(uuid, generation) for uuid, generation, _pk, _tags in found])
    return [
        (pk, "", "", False)
        for uuid, generation, pk, tags in found
        if selector.matches({**tags, **labels.get((uuid, generation), {})})
    ]


def selector_of(text: str) -> LabelSelector:
    """A stored selector, which was checked when it was stored."""
    return parse_selector(text)


def labels_of(container: Container) -> Mapping[str, str]:
    """The labels of a container: its owner's, and those that it was given."""
    return {**container.tags, **container.config.labels}


def _save_members(row: Service, wanted: Iterable[Key]) -> bool:
    """Returns whether there are other containers of the service's own than before."""
    known = {(each.container_id, each.address, each.hostname, each.managed): each.pk for each in row.members.all()}
    keys = list(dict.fromkeys(wanted))
    gone = [known[key] for key in known.keys() - set(keys)]
    if gone:
        ServiceMember.objects.filter(pk__in=gone).delete()
    new = [
        ServiceMember(service=row, container_id=container, address=address, hostname=hostname, managed=managed)
        for container, address, hostname, managed in keys
        if (container, address, hostname, managed) not in known
    ]
    ServiceMember.objects.bulk_create(new, batch_size=BATCH, ignore_conflicts=True)
    changed = known.keys() ^ set(keys)
    return any(container is not None and is_managed for container, _address, _hostname, is_managed in changed)


def _selected_services(row: Service) -> Sequence[Service]:
    """The services of the environment that the service's selector of links finds."""
    if not row.selector_link:
        return []
    selector = selector_of(row.selector_link)
    others = Service.all_objects.filter(environment=row.environment_id, removed=None).exclude(desired="removed")
    others = others.exclude(pk=row.pk).select_related("stack").only("uuid", "generation", "name", "stack__name")
    found = list(others)
    labels = stored_labels(Service, [(each.uuid, each.generation) for each in found])
    return [each for each in found if selector.matches(labels.get((each.uuid, each.generation), {}))]


def _save_selected_links(row: Service, targets: Sequence[Service]) -> None:
    """Links to these services besides those that somebody made; a name that is taken gets the stack's name too."""
    links = list(ServiceLink.objects.filter(service=row))
    if not targets and not any(link.selected for link in links):
        return
    by_hand = {link.target_id for link in links if not link.selected}
    taken = {link.name for link in links if not link.selected}
    wanted: dict[tuple[str, int], list[str]] = {}
    for target in sorted(targets, key=lambda each: each.pk):
        if target.pk not in by_hand:
            name = target.name if target.name not in taken else f"{target.name}.{target.stack.name}"
            taken.add(name)
            wanted[name, target.pk] = write_target_ports(rules_of_selected(row, target))
    known = {(link.name, link.target_id): link.pk for link in links if link.selected}
    gone = [key for pair, key in known.items() if pair not in wanted]
    if gone:
        ServiceLink.objects.filter(pk__in=gone).delete()
    new = [
        ServiceLink(service=row, target_id=target, name=name, selected=True, ports=ports)
        for (name, target), ports in wanted.items()
        if (name, target) not in known
    ]
    ServiceLink.objects.bulk_create(new, batch_size=BATCH, ignore_conflicts=True)


def selecting_containers(row: Container) -> Iterable[tuple[str, int]]:
    """The services that have the container as a member and should not, or should and have not."""
    services = _selecting(row.environment_id, "selector_container")
    if not services:
        return []
    labels = {} if row.removal_requested else labels_of(row)
    now = set(ServiceMember.objects.filter(container=row, managed=False).values_list("service_id", flat=True))
    others = [each for each in services if str(each.uuid) != row.spread_key]
    return [
        ("service", each.pk)
        for each in others
        if selector_of(each.selector_container).matches(labels) != (each.pk in now)
    ]


def selecting_services(row: Service) -> Iterable[tuple[str, int]]:
    """The same for the services whose selector of links finds, or found, this one."""
    services = _selecting(row.environment_id, "selector_link")
    if not services:
        return []
    labels = {} if row.removal_requested else row.config.labels
    links = list(ServiceLink.objects.filter(target=row).values_list("service_id", "selected"))
    linked, selected = {key for key, _selected in links}, {key for key, is_selected in links if is_selected}
    others = [each for each in services if each.pk != row.pk]
    return [
        ("service", each.pk)
        for each in others
        if (each.pk not in linked if selector_of(each.selector_link).matches(labels) else each.pk in selected)
    ]


def links_by_selector(environment: int | None, targets: Sequence[Service]) -> Iterable[tuple[Service, Service]]:
    """The other services of the environment whose selector of links finds one of these, with the one it finds.

    Some have a link to it already; others get it when they are reconciled next.
    """
    keys = {each.pk for each in targets}
    services = [each for each in _selecting(environment, "selector_link") if each.pk not in keys]
    if not services:
        return
    labels = stored_labels(Service, [(each.uuid, each.generation) for each in targets])
    for service in services:
        selector = selector_of(service.selector_link)
        for target in targets:
            if selector.matches(labels.get((target.uuid, target.generation), {})):
                yield service, target


def _selecting(environment: int | None, column: str) -> Sequence[Service]:
    found: Any = Service.all_objects.filter(environment=environment, removed=None).exclude(**{column: ""})
    return list(
        found.exclude(desired="removed")
        .only("pk", "uuid", "name", "kind", "stack__name", column)
        .select_related("stack")
    )
