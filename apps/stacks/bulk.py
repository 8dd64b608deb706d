"""One action for many stacks: what it will do to each, said first; then done to each by itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.errors import ActionNotAvailable, Forbidden, Problem
from apps.environments.access import Verdict, can, state_refusal, verdict
from apps.environments.actor import Actor
from apps.stacks.locks import lock_refusal, require_unlocked
from apps.stacks.models import Service, Stack
from apps.stacks.restart_services import RestartStrategy, service_restart
from apps.stacks.services import service_act
from apps.stacks.stack_upgrade import stack_act

START, STOP, RESTART, REMOVE = "activate", "deactivate", "restart", "remove"
ACTIONS = (START, STOP, RESTART, REMOVE)
MOST = 200


@dataclass(frozen=True, slots=True)
class BulkStep:
    """What an action means for one stack: `text` says what is done, `problem` why it cannot be; one of them is empty.

    After the action was requested, `text` says what was.
    """

    stack: Stack
    text: str = ""
    problem: str = ""


def preview_bulk(rows: Sequence[Stack], action: str, *, actor: Actor) -> list[BulkStep]:
    """What the action would do to each of the stacks now; in a constant number of queries."""
    services: dict[int, list[Service]] = defaultdict(list)
    found = Service.all_objects.filter(stack__in=[row.pk for row in rows], removed=None)
    for service in found.defer("spec", "secondary", "balancer", "metadata"):
        services[service.stack_id].append(service)
    actor.prefetch_permissions({row.environment_id for row in rows})
    return [_step(row, services[row.pk], action, actor) for row in rows]


def _step(row: Stack, services: Sequence[Service], action: str, actor: Actor) -> BulkStep:
    decision = verdict(actor, REMOVE, row) if action == REMOVE else _may_operate(row, actor)
    if not decision:
        return BulkStep(row, problem=decision.reason)
    if action == REMOVE:
        containers = sum(each.wanted_containers for each in services)
        text = ngettext("deleted with %(count)d service", "deleted with %(count)d services", len(services))
        more = ngettext("%(count)d container", "%(count)d containers", containers) % {"count": containers}
        return BulkStep(row, f"{text % {'count': len(services)}}, {more}")
    concerned = [each for each in services if _concerns(each, action)]
    if not concerned:
        return BulkStep(row, problem=_("No service is in a state for this."))
    return BulkStep(row, _TEXTS[action](len(concerned)) % {"count": len(concerned), "all": len(services)})


_TEXTS = {
    START: lambda n: ngettext("starts %(count)d of %(all)d service", "starts %(count)d of %(all)d services", n),
    STOP: lambda n: ngettext("stops %(count)d of %(all)d service", "stops %(count)d of %(all)d services", n),
    RESTART: lambda n: ngettext("restarts %(count)d of %(all)d service", "restarts %(count)d of %(all)d services", n),
}


def _may_operate(row: Stack, actor: Actor) -> Verdict:
    allowed = can(actor, "operate", row.environment_id)
    reason = lock_refusal(actor, REMOVE, row) if allowed else ""  # a lock inside counts: all of them or none
    return Verdict(allowed=False, reason=reason, is_locked=True) if reason else allowed


def _concerns(service: Service, action: str) -> bool:
    return service.LIFECYCLE.allows(action, service.display_state) and not service.refusal(action)


def bulk_act(rows: Iterable[Stack], action: str, *, actor: Actor) -> list[BulkStep]:
    """Do it to each of the stacks; what is refused of one stops none of the others."""
    steps = preview_bulk(list(rows), action, actor=actor)
    return [step if step.problem else _act(step, action, actor) for step in steps]


def _act(step: BulkStep, action: str, actor: Actor) -> BulkStep:
    try:
        if action == REMOVE:
            stack_act(step.stack, REMOVE, actor=actor)
        elif action == RESTART:
            _restart(step.stack, actor)
        else:
            stack_services_act(step.stack, action, actor=actor)
    except Problem as problem:
        return BulkStep(step.stack, problem=problem.message)
    return step


def stack_services_act(row: Stack, action: str, *, actor: Actor) -> list[str]:
    """Activate or deactivate every service of a stack whose state allows it; why each of the others is left as it is.

    Raises `ActionNotAvailable` where there is nothing but others.
    """
    allowed = can(actor, "operate", row.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    require_unlocked(row, actor=actor, action="remove")  # refused for a lock inside as well: all of them or none
    left, count = list[str](), 0
    for service in Service.all_objects.filter(stack=row, removed=None):
        if service.LIFECYCLE.allows(action, service.display_state):
            service_act(service, action, actor=actor)
            count += 1
        elif not service.removal_requested and (service.desired == "active") != (action == "activate"):
            left.append(f"{service.name}: {state_refusal(service, action, frozenset())}")
    if left and not count:
        raise ActionNotAvailable(" ".join(left), field="action")
    return left


def _restart(row: Stack, actor: Actor) -> None:
    services = Service.all_objects.filter(stack=row, removed=None)
    concerned = [each for each in services if _concerns(each, RESTART)]
    if not concerned:
        raise ActionNotAvailable(_("No service is in a state for this."), field="action")
    for each in concerned:
        service_restart(each, actor=actor, strategy=RestartStrategy())


def count_outcomes(steps: Iterable[BulkStep]) -> tuple[int, int]:
    """How many were, or would be, done, and how many refused."""
    found = Counter(bool(each.problem) for each in steps)
    return found[False], found[True]
