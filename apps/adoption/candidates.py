"""What could be adopted: containers that somebody else made, by the project that their labels name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from apps.adoption.member import ProjectMember
from apps.adoption.origin import Kind, Origin, origin_of
from apps.adoption.plan import AdoptionPlan, plan_adoption
from apps.containers.models import Container
from apps.containers.policy.enforce import find_violations
from apps.containers.selectors import policy_of
from apps.core.errors import Forbidden, Invalid, NotFound, Problem
from apps.drivers.base import Driver, EngineError, EngineImage, EngineNotFound
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

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
    known = Container.objects.within([host.environment_id]).filter(host=host, removed=None).exclude(external_id="")
    keys = dict(known.values_list("external_id", "pk"))
    return with_policy(plan_adoption(candidate.kind, project, members, host=host.pk, keys=keys), host)


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


def with_policy(plan: AdoptionPlan, host: Host) -> AdoptionPlan:
    """The plan with what the host policy forbids of it among the obstacles."""
    policy = policy_of(host.environment_id)
    refused = [
        f"{service.name}: {violation.option}: {violation.why}"
        for service in plan.services
        for violation in find_violations(service.config, host.environment_id, policy)
    ]
    remedy = "an administrator can allow it (Environment, Host policy)"
    found = [f"The host policy does not allow it: {each}; {remedy}." for each in refused]
    return replace(plan, obstacles=(*plan.obstacles, *found))
