"""What could be adopted: containers that somebody else made, by the project that their labels name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext as _

from apps.adoption.imported import ImportedService, actual_config, plan_take_over
from apps.adoption.member import ProjectMember
from apps.adoption.origin import Kind, Origin, origin_of
from apps.adoption.plan import AdoptionPlan, plan_adoption
from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import is_global
from apps.containers.models import Container
from apps.containers.policy.enforce import find_violations
from apps.containers.selectors import policy_of
from apps.core.errors import Forbidden, Invalid, NotFound, Problem
from apps.drivers.base import Driver, EngineError, EngineImage, EngineNotFound
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.stacks.adopted import IMPORTED_PREFIX
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.service_options import BALANCER

MAX_CONTAINERS = 200  # of one project: each is asked for on its engine
_KINDS: tuple[Kind, ...] = ("compose", "rancher", "container")


@dataclass
class Candidate:
    """A project on one host: its containers by the names of its services."""

    kind: Kind
    project: str
    host: Host
    services: dict[str, list[Container]] = field(default_factory=dict)

    @property
    def pk(self) -> str:
        """What it is known by: nothing is stored of it."""
        return f"{self.kind}.{self.host.pk}.{self.project}"

    @property
    def environment_id(self) -> int:
        """The environment of its host."""
        return int(self.host.environment_id)

    @property
    def host_id(self) -> int:
        """The number of its host."""
        return int(self.host.pk)

    @property
    def containers(self) -> list[Container]:
        """All of them."""
        return [each for group in self.services.values() for each in group]

    @property
    def running(self) -> int:
        """How many of them run."""
        return sum(each.display_state == "running" for each in self.containers)


def foreign_containers(environments: Iterable[int]) -> Iterable[tuple[Container, Origin]]:
    """The containers that nobody made here and that no service has, with what their labels say; one query."""
    rows = Container.objects.within(environments).filter(
        native=True, keep_running=False, spread_key="", removed=None, host__isnull=False, host__removed=None
    )
    rows = rows.exclude(desired__in=("removed", "purged")).exclude(external_id="").select_related("host")
    return [(row, origin_of(row.name, row.config.labels)) for row in rows.defer("placement").order_by("pk")]


def candidates_of(actor: Actor, *environments: int) -> list[Candidate]:
    """What environments (keys) could adopt, projects before single containers, by name; one query for all of them."""
    actor.prefetch_permissions(environments)
    mine = [key for key in environments if "view" in actor.permissions(key)]
    found: dict[tuple[Kind, str, int], Candidate] = {}
    for row, origin in foreign_containers(mine):
        if row.host is not None:
            key = origin.kind, origin.project, row.host.pk
            candidate = found.setdefault(key, Candidate(origin.kind, origin.project, row.host))
            candidate.services.setdefault(origin.service, []).append(row)
    return sorted(found.values(), key=lambda each: (_KINDS.index(each.kind), each.project.lower(), each.host.pk))


def find_candidate(actor: Actor, host: Host, kind: str, project: str) -> Candidate:
    """One of them. Raises `NotFound`."""
    for each in candidates_of(actor, host.environment_id):
        if (each.kind, each.project, each.host.pk) == (kind, project, host.pk):
            return each
    raise NotFound(f"There is nothing called {project[:100]!r} to adopt on {host}.")


def preview(actor: Actor, host: Host, kind: str, project: str) -> AdoptionPlan:
    """What adopting a project would make of it, asked of its engine now; nothing is changed.

    Raises `Forbidden`, `NotFound`, `Invalid` for one that is too big, and `Problem` (503) while its host does not
    answer.
    """
    allowed = can(actor, "operate", host.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    candidate = find_candidate(actor, host, kind, project)
    rows = candidate.containers
    if len(rows) > MAX_CONTAINERS:
        why = f"{project} has {len(rows)} containers; at most {MAX_CONTAINERS} are adopted at once."
        raise Invalid("project", "MaxLimitExceeded", why)
    try:
        members = read_members(driver_of(host), rows)
    except EngineError as error:
        raise Problem(f"{host} does not answer: {error}", status=503, code="Service Unavailable") from None
    stack = imported_stack(host.environment_id, project) if candidate.kind == "rancher" else None
    if stack is not None:
        plan = plan_take_over(project, stack.pk, imported_services(stack, host), members)
        taken = {each.key for each in plan.containers}
        return with_policy(plan, host, {each.name: actual_config(each) for each in members if each.key in taken})
    known = Container.objects.within([host.environment_id]).filter(host=host, removed=None).exclude(external_id="")
    keys = dict(known.values_list("external_id", "pk"))
    return with_policy(plan_adoption(candidate.kind, project, members, host=host.pk, keys=keys), host)


def imported_stack(environment_id: int, project: str) -> Stack | None:
    """The stack that was imported from a Rancher server under this name; it takes over the containers of it."""
    rows = Stack.all_objects.filter(
        environment=environment_id, name__iexact=project, external_id__startswith=IMPORTED_PREFIX, removed=None
    )
    found: Stack | None = rows.exclude(desired__in=("removed", "purged")).first()
    return found


def imported_services(stack: Stack, host: Host) -> list[ImportedService]:
    """Its services as the plan of a take-over on a host sees them; two queries."""
    rows = Service.all_objects.filter(stack=stack, removed=None).exclude(desired__in=("removed", "purged"))
    numbers: dict[int, set[int]] = {}
    on_host = set()
    for key, number, place in Slot.objects.filter(service__in=rows).values_list("service", "number", "container__host"):
        numbers.setdefault(key, set()).add(number)
        on_host |= {key} if place == host.pk else set()
    return [
        ImportedService(
            row.pk,
            row.name,
            row.config,
            {each.name: each.config for each in row.sidekicks},
            frozenset(numbers.get(row.pk, ())),
            is_active=row.desired == "active",
            is_global=is_global(row.config),
            no_containers=_why_none(row, is_on_host=row.pk in on_host),
        )
        for row in rows.order_by("pk")
    ]


def _why_none(row: Service, *, is_on_host: bool) -> str:
    """Why a service takes no running container over; empty for one that does."""
    if row.kind == BALANCER:
        return _("the old server configures it. Stop it there before the balancer %(name)s is started here.") % {
            "name": row.name
        }
    if row.schedule:
        return _("%(name)s runs on a schedule here, each time in a new container.") % {"name": row.name}
    if is_on_host and is_global(row.config):
        return _("%(name)s has its container on this host already.") % {"name": row.name}
    return "" if row.has_containers else _("%(name)s has no containers here.") % {"name": row.name}


def read_members(engine: Driver, rows: Sequence[Container]) -> list[ProjectMember]:
    """The containers as their engine shows them, each image asked for once; what is gone meanwhile is left out."""
    images: dict[str, EngineImage | None] = {}

    def image_of(reference: str) -> EngineImage | None:
        if reference and reference not in images:
            images[reference] = engine.find_image(reference)
        return images.get(reference)

    found = []
    for row in rows:
        try:
            seen = engine.inspect(row.external_id)
        except EngineNotFound:
            continue
        used, named = image_of(seen.image_id), image_of(seen.image)
        found.append(ProjectMember(row.pk, seen.raw, used.config if used else None, named.id if named else ""))
    return found


def with_policy(plan: AdoptionPlan, host: Host, configs: Mapping[str, LaunchConfig] | None = None) -> AdoptionPlan:
    """The plan with what the host policy forbids of its services, or of `configs` by name, among the obstacles."""
    policy = policy_of(host.environment_id)
    judged = {service.name: service.config for service in plan.services} if configs is None else configs
    refused = [
        f"{name}: {violation.option}: {violation.why}"
        for name, config in judged.items()
        for violation in find_violations(config, host.environment_id, policy)
    ]
    remedy = "an administrator can allow it (Environment, Host policy)"
    found = [f"The host policy does not allow it: {each}; {remedy}." for each in refused]
    return replace(plan, obstacles=(*plan.obstacles, *found))
