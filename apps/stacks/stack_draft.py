"""An upgrade of a whole stack before anything is done: what the plan asks of each service, checked as it will be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from apps.containers.launch.kind_labels import is_global
from apps.containers.selectors import policy_of
from apps.core.errors import ActionNotAvailable, Invalid, Problem
from apps.core.texts import labeled
from apps.environments.access import verdict
from apps.environments.actor import Actor
from apps.stacks.balancer.certificates import with_certificates
from apps.stacks.compose import parse
from apps.stacks.lost_host_policy import policy_name
from apps.stacks.models import Service, Stack
from apps.stacks.new_services import build_service, check_name, kept_names, name_kept, service_taken
from apps.stacks.one_address import check_scaled, with_counts
from apps.stacks.revisions import next_number
from apps.stacks.service_options import has_containers
from apps.stacks.service_policies import by_actor, columns_by_actor
from apps.stacks.services import service_columns
from apps.stacks.sidekicks import Sidekick, UnitConfig, check_unit
from apps.stacks.stack_plan import (
    CREATE,
    KEEP,
    REMOVE,
    UNCHANGED,
    UPDATE,
    UPGRADE,
    ServiceChange,
    ServiceState,
    by_name,
    plan_stack,
)
from apps.stacks.stack_revisions import StackNow
from apps.stacks.upgrade_in_place import in_place_action
from apps.stacks.upgrade_services import PreparedUpgrade, prepare_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy


@dataclass(frozen=True, slots=True)
class StackFiles:
    """What a stack is to become, as a client sends it; what is None is left as it is.

    `remove_missing` has the services go that the file does not have, `only` leaves all but these services as they are,
    `based_on` is the basis of the preview that was looked at, `note` is for the revision. `strategy` comes before what
    the file says of how upgrades go on; `force` has containers replaced also where nothing of them has changed. `notes`
    say what was left out already when the files were made.
    """

    docker_compose: str | None = None
    rancher_compose: str | None = None
    variables: Mapping[str, str] | None = None
    external_id: str | None = None
    remove_missing: bool = False
    based_on: str = ""
    note: str = ""
    only: tuple[str, ...] = ()
    strategy: Mapping[str, int] = field(default_factory=dict)
    force: bool = False
    notes: tuple[str, ...] = ()

    def chosen(self, services: dict[str, ServiceState]) -> dict[str, ServiceState]:
        """Those of the file's services that are meant. Raises `Invalid`."""
        if self.strategy:
            services = {
                name: replace(each, strategy={**each.strategy, **self.strategy}) for name, each in services.items()
            }
        if not self.only:
            return services
        if self.remove_missing:
            raise Invalid(
                "services", "InvalidOption", "Name services, or have those removed that are missing; not both."
            )
        unknown = ", ".join(sorted(set(self.only) - set(services)))
        if unknown:
            raise Invalid("services", "InvalidReference", f"The file has no service {unknown[:200]}.")
        return {name: each for name, each in services.items() if name in self.only}


@dataclass(frozen=True)
class ServiceStep:
    """One service's part: the change, its row (a new one is not saved yet), and what is to be written."""

    change: ServiceChange
    row: Service | None = None
    upgrade: PreparedUpgrade | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """The service's uuid; empty when there is no row."""
        return str(self.row.uuid) if self.row is not None else ""

    @property
    def relinks(self) -> bool:
        """Whether the service's links change."""
        before, after = self.change.before, self.change.after
        is_done = self.change.changes_anything and after is not None
        now = (dict(before.links), dict(before.rules)) if before else ({}, {})
        return is_done and after is not None and (dict(after.links), dict(after.rules)) != now

    @property
    def starts(self) -> bool:
        """Whether a service that is stopped now is started by it."""
        return self.change.what == UPGRADE and self.row is not None and self.row.desired != "active"


@dataclass(frozen=True)
class StackDraft:
    """The steps of an upgrade, and the columns of the stack that change along; with `only` just these are meant."""

    now: StackNow
    steps: tuple[ServiceStep, ...]
    sources: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def stack(self) -> Stack:
        """The stack that it is about."""
        return self.now.stack

    @property
    def problems(self) -> list[str]:
        """Why it is not possible now, by services."""
        return [each.change.problem for each in self.steps if each.change.problem]

    @property
    def changes_anything(self) -> bool:
        """Whether any service is touched."""
        return any(each.change.changes_anything for each in self.steps)


def draft_from_files(now: StackNow, files: StackFiles, actor: Actor) -> StackDraft:
    """The upgrade to a pair of compose files. Raises `Invalid` for what they say, with its line."""
    stack = now.stack
    variables = stack.variables if files.variables is None else dict(files.variables)
    docker = files.docker_compose if files.docker_compose is not None else stack.docker_compose
    rancher = files.rancher_compose if files.rancher_compose is not None else stack.rancher_compose
    if not docker.strip():
        remedy = "Send dockerCompose: this stack was not made from a compose file."
        if stack.docker_compose.strip():
            remedy = "dockerCompose is empty: leave it out for the stack's own file, or send one with services."
        raise Invalid("dockerCompose", "MissingRequired", remedy)
    present = () if files.remove_missing else now.states
    found = parse(docker, rancher, variables, stack_name=stack.name, present=present, needs_services=True)
    parsed = with_certificates(stack.environment_id, found)
    wanted = files.chosen(by_name(map(ServiceState.from_compose, parsed.services)))
    changes = plan_stack(
        now.states, wanted, shown=now.as_read_back(), remove_missing=files.remove_missing, force=files.force
    )
    warnings = (*files.notes, *parsed.warnings, *(text for each in parsed.services for text in each.warnings))
    warnings += _kept_scales(now, wanted)
    sources = {
        "docker_compose": docker,
        "rancher_compose": rancher,
        "variables": variables,
        "external_id": stack.external_id if files.external_id is None else files.external_id,
    }
    return StackDraft(now, prepare_steps(now, changes, actor), sources, warnings, files.only)


def _kept_scales(now: StackNow, wanted: Mapping[str, ServiceState]) -> tuple[str, ...]:
    """Which services keep a scale that the file does not say: all else that it does not say has its default then."""
    open_ones = [each for name, each in now.states.items() if name in wanted and wanted[name].scale is None]
    return tuple(
        f"{each.name}: the file says no scale; it keeps {each.scale}."
        for each in open_ones
        if each.scale != 1
        and has_containers(each.options.kind, each.unit.primary.image)
        and not (each.scale_policy or wanted[each.name].scale_policy or is_global(wanted[each.name].unit.primary))
    )


def prepare_steps(now: StackNow, changes: Iterable[ServiceChange], actor: Actor) -> tuple[ServiceStep, ...]:
    """The steps of the changes; what stands in the way of one is its `problem`."""
    changes = tuple(changes)
    taken = kept_names(Service.all_objects.filter(pk__in=[row.pk for row in now.rows.values()]))
    taken |= dict.fromkeys(_taken_names(changes), "")
    steps = []
    for change in changes:
        row = now.rows.get(change.name)
        try:
            steps.append(_prepare(now, change, row, taken, actor))
        except Problem as problem:
            steps.append(ServiceStep(replace(change, problem=labeled(change.name, problem.message)), row))
    return tuple(steps)


def _taken_names(changes: Iterable[ServiceChange]) -> frozenset[str]:
    """The names of services that the file does not have, and of their sidekicks: they are there until the end."""
    staying = [each.before for each in changes if each.what in {KEEP, REMOVE} and each.before is not None]
    return frozenset(
        name.lower() for each in staying for name in (each.name, *(one.name for one in each.unit.sidekicks))
    )


def _prepare(
    now: StackNow, change: ServiceChange, row: Service | None, taken: Mapping[str, str], actor: Actor
) -> ServiceStep:
    after = change.after
    if change.problem or after is None or change.what == UNCHANGED:
        return ServiceStep(change, row)
    _check_names(change, after, taken)
    if row is None:
        return ServiceStep(change, by_actor(build_from_state(now.stack, after), actor))
    columns = columns_by_actor(setting_columns(row, change), actor)
    if change.what == UPGRADE:
        _require_allowed(row, "upgrade", actor)
        return ServiceStep(change, row, prepare_return(with_counts(row, columns), change), columns)
    check_scaled(row, columns)
    if columns:
        _require_allowed(row, in_place_action(row), actor)
    return ServiceStep(change, row, columns=columns)


def _check_names(change: ServiceChange, after: ServiceState, taken: Mapping[str, str]) -> None:
    """Refuse new names that are `taken`; those that a rollback would bring back have the service whose they are."""
    old = {each.name for each in change.before.unit.sidekicks} if change.before else set()
    new = [each.name for each in after.unit.sidekicks if each.name not in old]
    for name in (*([after.name] if change.what == CREATE else []), *new):
        master = taken.get(check_name(name).lower(), change.name)
        if master != change.name:
            raise name_kept(name, master=master) if master else service_taken(name)


def _require_allowed(row: Service, action: str, actor: Actor) -> None:
    decision = verdict(actor, action, row)
    if not decision:
        remedy = " Finish or roll back its own upgrade first." if row.upgrade_phase else ""
        raise ActionNotAvailable(f"{decision.reason}{remedy}", field="action")


def build_from_state(stack: Stack, state: ServiceState) -> Service:
    """A new service that may be saved. Raises `Invalid`."""
    return build_service(
        stack,
        check_name(state.name),
        state.unit,
        find_policy=policy_of,
        scale=1 if state.scale is None or is_global(state.unit.primary) else state.scale,
        description=state.description,
        metadata=state.metadata,
        start_on_create=state.is_active,
        options=state.options,
        lost_host=(policy_name(state.lost_after), state.lost_after),
        scale_policy=state.scale_policy or None,
        schedule=state.schedule or None,
        verdict_settings=state.verdict_settings or None,
        update_policy=state.update_policy or None,
    )


def setting_columns(row: Service, change: ServiceChange) -> dict[str, Any]:
    """What changes in place, as columns. Raises `Invalid`."""
    before, after = change.before, change.after
    if before is None or after is None:
        return {}
    names = ("scale", "description", "metadata", "lost_after", "scale_policy", "schedule", "update_policy")
    changed = {name: getattr(after, name) for name in names if getattr(after, name) != getattr(before, name)}
    changed |= {name: changed[name] or None for name in ("scale_policy", "schedule") if name in changed}
    if (after.verdict_settings or {}) != (before.verdict_settings or {}):
        changed["verdict_settings"] = after.verdict_settings or None
    if is_global(after.unit.primary):
        changed.pop("scale", None)
    options = after.options if after.options != before.options else None
    then = copy(row)  # how many containers there may be is decided by its labels then, and not by those of today
    then.spec = after.unit.primary.to_json()
    columns = service_columns(then, options=options, **changed)
    if change.what == UPDATE and after.unit != before.unit:  # of a service without containers: nothing is made from it
        primary, _none = check_unit(row.name, after.unit.primary, ())
        columns |= {"spec": primary.to_json(), "image": primary.image[:512]}
    return columns


def prepare_return(row: Service, change: ServiceChange) -> PreparedUpgrade:
    """The upgrade of the service to what the change says. Raises `Invalid`."""
    after = change.after
    unit = UnitConfig(row.config) if after is None else after.unit
    number = next_number(row)
    before = {each.name: each for each in change.before.unit.sidekicks} if change.before else {}
    if change.is_forced:
        before = {}
    sidekicks = [_versioned(each, before.get(each.name), number) for each in unit.sidekicks]
    return prepare_upgrade(
        row,
        number,
        config=unit.primary if change.replaces_primary else None,
        sidekicks=sidekicks,
        balancer=after.options.balancer if after else None,
        retains_addresses=bool(after.options.address_settings.get("retainIp")) if after else None,
        strategy=_strategy((after.strategy if after else {}) or row.upgrade),  # left open, it is as the last time
    )


def _versioned(wanted: Sidekick, before: Sidekick | None, number: int) -> Sidekick:
    """A sidekick whose configuration stays is not replaced, and keeps the number of the revision that it is of."""
    is_same = before is not None and before.config == wanted.config
    return replace(wanted, version=before.version if before is not None and is_same else number)


def _strategy(said: Mapping[str, Any]) -> UpgradeStrategy:
    return UpgradeStrategy(
        said.get("batchSize", 1),
        said.get("intervalMillis", 2000),
        bool(said.get("startFirst", False)),
        min_ready=said.get("minReadySeconds"),
    )
