"""The services of a compose file, made together: a file of five hundred takes hardly more queries than one of five."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from apps.containers.selectors import policy_of
from apps.control.models import Operation
from apps.control.services import create_all
from apps.core.errors import Invalid
from apps.core.texts import labeled
from apps.core.unique import unique_or
from apps.environments.actor import Actor
from apps.stacks.balancer.certificates import with_certificates
from apps.stacks.compose import ComposeStack
from apps.stacks.link_checks import check_no_circles
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.new_services import (
    SERVICE_NAME_ONCE,
    build_service,
    check_name,
    describe_service,
    link_name,
    service_taken,
)
from apps.stacks.revisions import save_first_revisions
from apps.stacks.service_policies import by_actor
from apps.stacks.sidekicks import Sidekick, UnitConfig

BATCH = 100  # links for each statement

Link = tuple[Service, Service, str, Sequence[str]]


def import_services(
    stack: Stack, parsed: ComposeStack, *, actor: Actor, start: bool, parent: Operation | None = None
) -> list[str]:
    """Make the services of a new stack and their links, in the caller's transaction; `parent` counts their operations.

    Returns which links lead to nothing, in words. Raises `Invalid`, `Forbidden`; nothing is made then.
    """
    rows = [by_actor(row, actor) for row in build_services(stack, parsed, start=start)]
    with unique_or(service_taken("of this file", "dockerCompose"), SERVICE_NAME_ONCE):
        create_all(rows, actor=actor, requests=[describe_service(row) for row in rows], parent=parent)
    save_first_revisions(rows, actor, "compose")
    made = {row.name: row for row in rows}
    inner = [
        (made[each.name], made[target], alias, each.rules.get(alias, ()))
        for each in parsed.services
        for target, alias in each.links
    ]
    outer, missing = _external_links(stack, parsed, made)
    _create_links([*inner, *outer])
    check_no_circles(rows, "dockerCompose")
    return missing


def build_services(stack: Stack, parsed: ComposeStack, *, start: bool) -> list[Service]:
    """The services of a file as rows that are checked and not saved. Raises `Invalid`."""
    parsed = with_certificates(stack.environment_id, parsed)
    rows: dict[str, Service] = {}
    find_policy = functools.cache(policy_of)
    for each in parsed.services:
        name = check_name(each.name)
        if name.lower() in rows:
            raise service_taken(name, "dockerCompose")
        with _of_service(name):
            rows[name.lower()] = build_service(
                stack,
                name,
                UnitConfig(each.config, tuple(Sidekick(name, config) for name, config in each.sidekicks)),
                scale=each.scale,
                description=each.description,
                metadata=each.metadata,
                start_on_create=start and each.config.start_on_create,
                options=each.options,
                scale_policy=each.scale_policy or None,
                find_policy=find_policy,
            )
    return list(rows.values())


@contextmanager
def _of_service(name: str) -> Iterator[None]:
    """Have a refusal name the service of the file that it is about."""
    try:
        yield
    except Invalid as problem:
        is_named = name in re.findall(r"[\w-]+", problem.message)
        text = problem.message if is_named else labeled(name, problem.message)
        raise Invalid(str(problem.field), problem.code, text, problem.detail) from None


def _external_links(stack: Stack, parsed: ComposeStack, made: Mapping[str, Service]) -> tuple[list[Link], list[str]]:
    """Links to services of other stacks, written `stack/service`, and which of them are not there."""
    wanted = {target for each in parsed.services for target, _alias in each.external_links}
    names = {target.rpartition("/")[2] for target in wanted}
    found = Service.all_objects.filter(environment=stack.environment_id, name__in=names, removed=None)
    found = found.select_related("stack") if wanted else found.none()
    known = {f"{row.stack.name}/{row.name}": row for row in found if not row.removal_requested}
    links, missing = [], []
    for each in parsed.services:
        for target, alias in each.external_links:
            if target in known:
                links.append((made[each.name], known[target], alias, each.rules.get(alias, ())))
            else:
                remedy = "link it by stack/service as soon as that is there"
                missing.append(f"{each.name}: `external_links` names {target}, which is not here; {remedy}.")
    return links, missing


def _create_links(links: list[Link]) -> None:
    """Save the links; of two that one service has under one name the last counts."""
    by_name = {(row.pk, link_name(target, alias)): (row, target, ports) for row, target, alias, ports in links}
    ServiceLink.objects.bulk_create(
        [
            ServiceLink(service=row, target=target, name=name, ports=list(ports))
            for (_key, name), (row, target, ports) in by_name.items()
        ],
        batch_size=BATCH,
    )
