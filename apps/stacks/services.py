"""Changes to stacks, services and links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import is_global
from apps.control.models import Operation, OperationLine
from apps.control.queue import enqueue_after_commit
from apps.control.services import create, record, request_change
from apps.core.errors import Invalid
from apps.core.unique import unique_or
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.balancer.links import LinkRules, checked_rules
from apps.stacks.balancer.revisions import revision_in_place
from apps.stacks.balancer.services import check_in_place, check_settings
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.compose import ComposeStack, parse
from apps.stacks.compose_import import import_services
from apps.stacks.link_checks import check_can_link, check_names_once, check_new_names, check_no_circle, check_selector
from apps.stacks.link_names import check_link_name
from apps.stacks.lost_host_policy import parse_lost_after
from apps.stacks.models import RUN_NOW, Service, ServiceLink, Stack
from apps.stacks.new_services import (
    SERVICE_NAME_ONCE,
    ServiceSettings,
    build_service,
    check_global_scale,
    check_metadata,
    check_name,
    check_names_free,
    check_own_sidekicks,
    check_scale,
    describe_service,
    link_name,
    service_taken,
)
from apps.stacks.one_address import check_scaled
from apps.stacks.removed_links import RemovedServiceLink
from apps.stacks.revisions import save_first_revisions
from apps.stacks.scheduled_services import activation_columns, service_run_now
from apps.stacks.service_options import BALANCER, ServiceOptions, without_containers
from apps.stacks.service_policies import by_actor, changed_policies, columns_by_actor
from apps.stacks.sidekicks import UnitConfig
from apps.stacks.stack_revisions import save_stack_revision, sources_of, stack_now
from apps.stacks.undo import undo_columns
from apps.stacks.upgrade_services import PHASES, service_upgrade_step

STACK_NAME_ONCE = "stack_name_once"


def _check_stack_name(name: Any, environment_id: int, exclude_pk: int | None = None) -> str:
    checked = check_name(name)
    taken = Stack.all_objects.filter(environment=environment_id, name__iexact=checked, removed=None).exclude(
        pk=exclude_pk
    )
    if taken.exists():
        raise stack_taken(checked)
    return checked


def stack_taken(name: str) -> Invalid:
    """The refusal of a stack's name that another one has."""
    return Invalid("name", "NotUnique", f"There is a stack {name!r} already; choose another name.")


def _check_service_name(name: Any, stack: Stack, exclude_pk: int | None = None) -> str:
    checked = check_name(name)
    if Service.all_objects.filter(stack=stack, name__iexact=checked, removed=None).exclude(pk=exclude_pk).exists():
        raise service_taken(checked)
    return checked


def stack_create(
    *,
    actor: Actor,
    environment: Environment,
    name: str,
    description: str = "",
    docker_compose: str = "",
    rancher_compose: str = "",
    variables: Mapping[str, str] | None = None,
    external_id: str = "",
    start_on_create: bool = False,
    notes: Sequence[str] = (),
) -> Stack:
    """A new stack, with the services of its compose texts if there are any: all of them or nothing.

    `notes` are kept with the warnings. Raises `Invalid` (name, compose file with its line), `Forbidden`.
    """
    parsed: ComposeStack | None = None
    checked = _check_stack_name(name, environment.pk)
    if docker_compose:
        parsed = parse(docker_compose, rancher_compose, dict(variables or {}), stack_name=checked, needs_services=True)
    row = Stack(
        environment=environment,
        name=checked,
        description=description,
        docker_compose=docker_compose,
        rancher_compose=rancher_compose,
        variables=dict(variables or {}),
        external_id=external_id,
        start_on_create=start_on_create,
        desired="active",
        revision=0 if parsed is None else 1,
    )
    with transaction.atomic():
        with unique_or(stack_taken(row.name), STACK_NAME_ONCE):
            operation = create(row, actor=actor, request={"name": name, "dockerCompose": docker_compose})
        if parsed is not None:
            texts = row.file_warnings = (*notes, *import_warnings(parsed), *_import(row, parsed, actor, operation))
            OperationLine.objects.bulk_create([OperationLine(operation=operation, text=text) for text in texts])
    return row


def _import(row: Stack, parsed: ComposeStack, actor: Actor, operation: Operation) -> list[str]:
    """Make the services and the stack's first revision; what its links lead to that is not there, in words."""
    missing = import_services(row, parsed, actor=actor, start=row.start_on_create, parent=operation)
    save_stack_revision(row, row.revision, stack_now(row).states.values(), sources_of(row), actor)
    return missing


def import_warnings(parsed: ComposeStack) -> list[str]:
    """What of a compose file was not imported, for the activity page."""
    unkept = (each.name for each in parsed.services if each.upgrade_strategy)
    return [
        *parsed.warnings,
        *(text for each in parsed.services for text in each.warnings),
        *(f"{name}: `upgrade_strategy` counts when the stack is upgraded by file, and is not kept." for name in unkept),
    ]


def stack_update(row: Stack, *, actor: Actor, **changes: Any) -> Stack:
    """Change a stack's name, description, outputs or external id."""
    known = {"name", "description", "outputs", "external_id"}
    allowed = {k: v for k, v in changes.items() if k in known and v is not None}
    if allowed.get("name", row.name) != row.name:
        allowed["name"] = _check_stack_name(allowed["name"], row.environment_id, exclude_pk=row.pk)
    with unique_or(stack_taken(str(allowed.get("name", row.name))), STACK_NAME_ONCE):
        request_change(row, "update", actor=actor, changes=allowed, request=allowed)
    return row


def service_create(
    *, actor: Actor, stack: Stack, name: str, config: LaunchConfig | UnitConfig, **settings: Unpack[ServiceSettings]
) -> Service:
    """A new service of a stack. Raises `Invalid` (name, scale, policy, stack on its way out), `Forbidden`."""
    if stack.removal_requested:
        raise Invalid("environmentId", "InvalidState", f"The stack {stack.name} is being removed.")
    row = build_service(stack, _check_service_name(name, stack), config, **settings)
    with transaction.atomic(), unique_or(service_taken(row.name), SERVICE_NAME_ONCE):
        Stack.all_objects.select_for_update(no_key=True).get(pk=stack.pk)  # no index knows the sidekicks' names
        check_names_free(stack, row.name, row.sidekick_names)
        create(by_actor(row, actor), actor=actor, request=describe_service(row))
        save_first_revisions([row], actor)
    return row


def service_update(
    row: Service,
    *,
    actor: Actor,
    lost_host: tuple[str | None, int | None] = (None, None),
    options: ServiceOptions | None = None,
    undo_seconds: int = 0,
    **changes: Any,
) -> Service:
    """Change a service's scale, name, description, metadata, options or its policy and seconds for lost hosts.

    `lost_after` says the same as `lost_host` in one value: the seconds, None to wait. Containers keep the name they
    were made with. A smaller scale takes effect after `undo_seconds`.
    """
    check_in_place(row, options)
    allowed = service_columns(row, lost_host=lost_host, options=options, **changes)
    check_scaled(row, allowed)
    if allowed.get("name", row.name) != row.name:
        allowed["name"] = _check_service_name(allowed["name"], row.stack, exclude_pk=row.pk)
        check_names_free(row.stack, allowed["name"], exclude_pk=row.pk)
        check_own_sidekicks(row, allowed["name"])
    held = undo_columns(undo_seconds) if allowed.get("scale", row.scale) < row.scale else {}
    with transaction.atomic(), unique_or(service_taken(str(allowed.get("name", row.name))), SERVICE_NAME_ONCE):
        held |= revision_in_place(row, allowed, actor)
        changed = {**columns_by_actor(allowed, actor), **held}
        request_change(row, "update", actor=actor, changes=changed, request=allowed)
    return row


def service_columns(
    row: Service,
    *,
    lost_host: tuple[str | None, int | None] = (None, None),
    options: ServiceOptions | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The desired columns that such a change is, checked, a name excepted. Raises `Invalid`."""
    known = {"scale", "name", "description", "metadata"}
    allowed = {k: v for k, v in changes.items() if k in known and v is not None}
    if lost_host != (None, None):
        allowed["lost_after"] = parse_lost_after(*lost_host, current=row.lost_after)
    elif "lost_after" in changes:
        after = changes["lost_after"]
        allowed["lost_after"] = parse_lost_after("wait" if after is None else "reschedule", after)
    if "scale" in allowed:
        allowed["scale"] = check_scale(allowed["scale"])
        _require_scalable(row, allowed["scale"], changes)
    if options is not None:
        check_settings(row.environment_id, options)
        allowed |= {name: value for name, value in options.columns().items() if getattr(row, name) != value}
        check_selector(row, allowed.get("selector_link", ""))
    allowed |= changed_policies(row, changes)
    if "metadata" in allowed:
        allowed["metadata"] = check_metadata(allowed["metadata"])
    return allowed


def _require_scalable(row: Service, scale: int, changes: Mapping[str, Any]) -> None:
    """Refuse another scale than it says already, which clients send along, where it would change nothing."""
    if scale == row.scale:
        return
    if not row.has_containers:
        raise Invalid("scale", "InvalidOption", f"{row.name} cannot be scaled: {without_containers(row.kind)}.")
    if is_global(row.config):
        check_global_scale(row.name, scale)
    if row.schedule and "schedule" not in changes:
        raise Invalid("scale", "InvalidOption", f"{row.name} cannot be scaled: each of its runs is one container.")
    if row.fit_policy is not None and "scale_policy" not in changes:
        why = f"{row.name} has as many containers as fit: change its scalePolicy instead."
        raise Invalid("scale", "InvalidOption", why)


def service_act(row: Service, action: str, *, actor: Actor, undo_seconds: int = 0) -> Service:
    """Activate, deactivate, remove or purge a service, decide about its upgrade, or run a scheduled one now.

    A removal begins after `undo_seconds`.
    """
    if action in PHASES:
        return service_upgrade_step(row, action, actor=actor)
    if action == RUN_NOW:
        service_run_now(row, actor=actor)
        return row
    # A service that is stopped meanwhile is not restarted any further once it is started again.
    changes: dict[str, Any] = {"restart": {}} if action == "deactivate" and row.restart else {}
    changes |= activation_columns(row) if action == "activate" else {}
    held = undo_columns(undo_seconds)
    changes |= {**held, "removal": removal_columns(row, actor)} if action == "remove" else {}
    request_change(row, action, actor=actor, changes=changes)
    return row


def service_remove(row: Service, *, actor: Actor, with_stack: bool = False) -> Service:
    """Remove a service and its containers; `with_stack` because its stack goes, with which it would come back."""
    removal = {**removal_columns(row, actor), "withStack": with_stack}
    request_change(row, "remove", actor=actor, changes={"removal": removal})
    return row


def removal_columns(row: Stack | Service, actor: Actor) -> dict[str, Any]:
    """What a restoring needs to know of a deletion: who asked for it, and what was desired before."""
    return {"by": str(actor.user) if actor.user is not None else "", "desired": row.desired}


def links_set(
    row: Service, links: Iterable[tuple[Service, str]], *, actor: Actor, rules: LinkRules | None = None
) -> None:
    """Replace the services that `row` links to; an empty list removes all links.

    `rules` are those of a balancer's targets by the links' names; where there are none they stay as they are. Raises
    `Invalid`: a name that leads to two services or is no host name, an alias that would lead to itself.
    """
    wanted = [(target, link_name(target, name)) for target, name in links]
    check_can_link(row, [target for target, _name in wanted], actor)
    check_new_names(row, [name for _target, name in wanted], "serviceLinks")
    check_names_once([(name, at) for at, (_target, name) in enumerate(wanted)], "serviceLinks")
    check_no_circle(row, [target for target, _name in wanted], "serviceLinks")
    links_restore(row, wanted, actor=actor, rules=rules)


def links_restore(
    row: Service, links: Iterable[tuple[Service, str]], *, actor: Actor, rules: LinkRules | None = None
) -> None:
    """Replace the links by ones that were there before, or were checked already; the last of one name counts."""
    wanted = list(links)
    check_can_link(row, [target for target, _name in wanted], actor)
    by_name = {link_name(target, name): target for target, name in wanted}
    with transaction.atomic():
        before = list(ServiceLink.objects.filter(service=row, selected=False))
        ports = checked_rules(row, by_name, rules or {}, before)
        now = {link.name: (link.target_id, link.ports) for link in before}
        if now == {name: (target.pk, ports[name]) for name, target in by_name.items()}:
            return  # clients set the same links at every `up`; nothing has changed, so that nothing is recorded
        kept = {(target.pk, name) for name, target in by_name.items()}
        _remove_links([link for link in before if (link.target_id, link.name) not in kept])
        for name, target in by_name.items():
            _save_link(row, target, name, ports[name])
        described = [_describe_link(target, name, ports[name]) for name, target in by_name.items()]
        _record_link_change(row, "set", actor, serviceLinks=described)


def link_add(
    row: Service, target: Service, name: str, *, actor: Actor, rules: Sequence[TargetPort] | None = None
) -> None:
    """Link to one more service; `rules` are those of a balancer's target. Raises `Invalid` as `links_set` does."""
    check_can_link(row, [target], actor)
    name = check_link_name(link_name(target, name), "serviceLink")
    with transaction.atomic():
        # One at a time for each service: of two at once with one name, each would see that it is free.
        Service.all_objects.select_for_update(no_key=True).values_list("pk").get(pk=row.pk)
        before = ServiceLink.objects.filter(service=row, selected=False)
        check_names_once([*before.values_list("name", "target"), (name, target.pk)], "serviceLink")
        check_no_circle(row, [target], "serviceLink")
        ports = checked_rules(row, {name: target}, {} if rules is None else {name: rules}, before)[name]
        _save_link(row, target, name, ports)
        _record_link_change(row, "add", actor, serviceLink=_describe_link(target, name, ports))


def link_remove(row: Service, target: Service, name: str, *, actor: Actor) -> None:
    """Unlink a service; an empty name removes every link to it."""
    check_can_link(row, [target], actor)
    found = ServiceLink.objects.filter(service=row, target=target, selected=False)
    with transaction.atomic():
        _remove_links(found.filter(name=name) if name else found)
        _record_link_change(row, "remove", actor, serviceLink=_describe_link(target, name))


def links_remove_all(row: Service) -> None:
    """Remove every link from and to a service that is gone."""
    with transaction.atomic():
        _remove_links(ServiceLink.objects.filter(Q(service=row) | Q(target=row)), with_service=True)


def _remove_links(links: Iterable[ServiceLink], *, with_service: bool = False) -> None:
    """Delete links; for a while they are found under their numbers still, `with_service` as long as that is kept."""
    gone = list(links)
    if not gone:
        return
    kept = [
        RemovedServiceLink(
            pk=each.pk,
            service_id=each.service_id,
            target_id=each.target_id,
            name=each.name,
            ports=each.ports,
            with_service=with_service and not each.selected,  # a selector finds its own again
        )
        for each in gone
    ]
    RemovedServiceLink.objects.bulk_create(kept)
    ServiceLink.objects.filter(pk__in=[each.pk for each in gone]).delete()
    RemovedServiceLink.objects.filter(
        with_service=False, removed__lt=timezone.now() - RemovedServiceLink.SHOWN_FOR
    ).delete()


def _record_link_change(row: Service, verb: str, actor: Actor, **request: Any) -> None:
    """Record a change of links in the audit log, under the name of v1's action."""
    # Links of its selector make way for those made by hand, and come back after them.
    if row.selector_link or row.kind == BALANCER:
        enqueue_after_commit("service", row.pk)
    event = f"service.{verb}servicelink{'s' if verb == 'set' else ''}"
    record(event, actor=actor, row=row, environment_id=row.environment_id, request=request)


def _describe_link(target: Service, name: str, ports: Sequence[str] = ()) -> dict[str, Any]:
    return {"service": target.name, "name": name, **({"ports": list(ports)} if ports else {})}


def _save_link(row: Service, target: Service, name: str, ports: Sequence[str]) -> None:
    defaults = {"target": target, "selected": False, "ports": list(ports)}
    ServiceLink.objects.update_or_create(service=row, name=name, defaults=defaults)


def remove_environment_stacks(environment_id: int) -> int:
    """Request the removal of every stack of an environment that is being removed; return how many are left."""
    left = 0
    for row in Stack.all_objects.filter(environment=environment_id, removed=None):
        left += 1
        if not row.removal_requested:
            request_change(row, "remove", actor=None)
    return left
