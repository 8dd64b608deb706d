"""The revisions of a whole stack: what it is now as values, and what it was to be, kept, listed and found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Max, QuerySet

from apps.core.errors import Invalid
from apps.environments.actor import Actor
from apps.stacks.balancer.certificates import with_certificates
from apps.stacks.compose import export, parse
from apps.stacks.compose_export import to_compose_service
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.revisions import shown_unit
from apps.stacks.stack_history import StackRevision
from apps.stacks.stack_plan import ServiceState, by_name

# What of a stack its revisions keep beside the services.
SOURCES = ("docker_compose", "rancher_compose", "variables", "external_id")
CHANGED_ONE_BY_ONE = "Changed service by service"


@dataclass(frozen=True)
class StackNow:
    """The services of a stack as they are to be now: rows and states by name, and what changes whenever they do."""

    stack: Stack
    rows: Mapping[str, Service] = field(default_factory=dict)
    links: Sequence[ServiceLink] = ()
    states: Mapping[str, ServiceState] = field(default_factory=dict)

    @property
    def basis(self) -> str:
        """A digest that is another one after any change of the stack, a service or a link."""
        services = sorted((row.pk, row.generation) for row in self.rows.values())
        links = sorted((link.service_id, link.name, link.target_id) for link in self.links)
        facts = [self.stack.pk, self.stack.generation, services, links]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def as_read_back(self) -> Mapping[str, ServiceState]:
        """The states that a file of these services is read as; those themselves where no file can say them."""
        services = [
            to_compose_service(row, [link for link in self.links if link.service_id == row.pk])
            for row in self.rows.values()
        ]
        try:
            parsed = parse(*export(services, self.stack.name), stack_name=self.stack.name)
            parsed = with_certificates(self.stack.environment_id, parsed)
        except Invalid:
            return self.states
        return by_name(map(ServiceState.from_compose, parsed.services))


def stack_now(stack: Stack) -> StackNow:
    """Read the services of a stack and their links, in two queries."""
    rows = list(Service.all_objects.filter(stack=stack, removed=None).select_related("stack").order_by("name"))
    staying = {row.name: row for row in rows if not row.removal_requested}
    links = list(
        ServiceLink.objects.filter(service__in=[row.pk for row in staying.values()], selected=False).select_related(
            "target__stack"
        )
    )
    return StackNow(stack, staying, links, {name: _state(row, links) for name, row in staying.items()})


def _state(row: Service, links: Iterable[ServiceLink]) -> ServiceState:
    return ServiceState(
        row.name,
        shown_unit(row),
        row.scale,
        row.description,
        row.metadata,
        row.options,
        row.lost_after,
        {link.name: _target(row, link.target) for link in links if link.service_id == row.pk},
        row.desired == "active",
        scale_policy=row.scale_policy,
        schedule=row.timetable.to_wire() if row.timetable is not None else {},
        rules={link.name: link.ports for link in links if link.service_id == row.pk and link.ports},
        verdict_settings=row.verdict_settings,
        update_policy=row.update_policy,
    )


def _target(row: Service, target: Service) -> str:
    return target.name if target.stack_id == row.stack_id else f"{target.stack.name}/{target.name}"


def next_stack_number(stack: Stack) -> int:
    """The number of the stack's next revision; none is used twice."""
    last = StackRevision.objects.filter(stack=stack).aggregate(last=Max("number"))["last"]
    return max(stack.revision, last or 0) + 1


def save_stack_revision(
    stack: Stack,
    number: int,
    states: Iterable[ServiceState],
    sources: Mapping[str, Any],
    actor: Actor | None,
    note: str = "",
) -> StackRevision:
    """Keep states under a number; without an actor nobody in particular made them so."""
    return StackRevision.objects.create(
        stack=stack,
        number=number,
        services=[each.to_json() for each in sorted(states, key=lambda each: each.name)],
        account=actor.user if actor is not None else None,
        via=actor.via if actor is not None else "",
        note=note,
        **sources,
    )


def sources_of(stack: Stack | StackRevision) -> dict[str, Any]:
    """The compose texts, variables and external id, as the columns that a stack and its revisions have in common."""
    return {name: getattr(stack, name) for name in SOURCES}


def states_of(revision: StackRevision) -> dict[str, ServiceState]:
    """The services of a revision by name."""
    return by_name(map(ServiceState.from_json, revision.services))


def is_as_kept(now: StackNow, revision: StackRevision) -> bool:
    """Whether the services are what the revision says, whether they run or not."""
    kept = states_of(revision)
    names = {*kept, *now.states}
    return all(name in kept and name in now.states and _same(kept[name], now.states[name]) for name in names)


def _same(one: ServiceState, other: ServiceState) -> bool:
    return _comparable(one) == _comparable(other)


def _comparable(state: ServiceState) -> dict[str, Any]:
    kept = state.to_json()
    kept["verdict_settings"] = kept["verdict_settings"] or {}  # older portals kept none
    return {**kept, "is_active": None, "sidekicks": [{**each, "version": 1} for each in kept["sidekicks"]]}


def keep_current(now: StackNow) -> int:
    """The number of the revision that says what the stack is now, kept under a new one where none does yet.

    Services are changed one by one as well: what they had become is not lost when the whole stack is upgraded.
    """
    stack = now.stack
    last = StackRevision.objects.filter(stack=stack, number=stack.revision).first()
    if last is not None and is_as_kept(now, last):
        return last.number
    number = next_stack_number(stack)
    note = CHANGED_ONE_BY_ONE if last is not None else ""
    save_stack_revision(stack, number, now.states.values(), sources_of(stack), None, note)
    return number


def stack_revisions_of(stack: Stack) -> QuerySet[StackRevision]:
    """The stack's revisions with who made them, the newest first."""
    return StackRevision.objects.filter(stack=stack).select_related("account", "stack")


def find_stack_revision(stack: Stack, number: int) -> StackRevision:
    """The revision of this number. Raises `Invalid`."""
    found = stack_revisions_of(stack).filter(number=number).first() if 0 < number < 2**31 else None
    if found is None:
        raise Invalid("revision", "InvalidReference", f"{stack.name} has no revision {number}.")
    return found
