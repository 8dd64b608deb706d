"""The upgrade of a whole stack in the loop: what it asks of the services next, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apps.control.models import PENDING_STATES, Operation
from apps.control.services import request_change
from apps.core.errors import Problem
from apps.core.plurals import counted
from apps.core.result import ReconcileResult, percent
from apps.core.texts import labeled
from apps.environments.actor import SYSTEM
from apps.stacks.lifecycle import SERVICE
from apps.stacks.models import Service, Stack
from apps.stacks.selectors import health_of_stack
from apps.stacks.stack_plan import CREATE, REMOVE, UPGRADE
from apps.stacks.stack_succession import RETURN
from apps.stacks.upgrade import CANCELED, CANCELED_ROLLBACK, ROLLING_BACK, UPGRADING
from apps.stacks.upgrade_services import service_upgrade_step

FINISHING = "finishing"
BACK = "back"  # a service that goes back by another upgrade, which is finished then
RECHECK_SECONDS, RESYNC_SECONDS = 5.0, 300.0

# What the stack is once the loop has done what the phase asks for, and which states of services it waits for.
STEADY = {
    UPGRADING: "upgraded",
    CANCELED: "canceled-upgrade",
    CANCELED_ROLLBACK: "canceled-upgrade",
    ROLLING_BACK: "active",
    FINISHING: "active",
}
_ONLY_THESE = {
    CANCELED: frozenset({"upgrading", "canceling-upgrade"}),
    CANCELED_ROLLBACK: frozenset({"rolling-back", "canceling-rollback"}),
}
OVER = "upgrade_over"  # in the stack's status: the revision whose upgrade has come to its end
_OVER = frozenset({ROLLING_BACK, FINISHING})


def next_action(phase: str, kind: str, state: str, *, was_active: bool = False) -> str:
    """What is to be requested of a service in this state, of this part in the upgrade; empty for nothing. Pure."""
    wanted = ""
    if kind == RETURN and phase in {UPGRADING, ROLLING_BACK, FINISHING}:
        wanted = "activate" if state == "inactive" else ""
    elif phase == CANCELED and kind in {UPGRADE, BACK}:
        wanted = "cancelupgrade"
    elif phase == CANCELED_ROLLBACK and kind == UPGRADE:
        wanted = "cancelrollback"
    elif phase == ROLLING_BACK:
        back_to_work = "activate" if was_active and state == "inactive" else ""
        wanted = {CREATE: "remove", BACK: "finishupgrade", REMOVE: back_to_work}.get(kind, "")
    elif phase == FINISHING:
        wanted = {REMOVE: "remove", UPGRADE: "finishupgrade", BACK: "finishupgrade"}.get(kind, "")
    return wanted if wanted and SERVICE.allows(wanted, state) else ""


def is_waited_for(phase: str, kind: str, state: str, *, was_active: bool = False) -> bool:
    """Whether a service in this state is not yet where the phase wants it. Pure."""
    if phase in _ONLY_THESE:
        return state in _ONLY_THESE[phase]
    if (phase, kind) in {(ROLLING_BACK, CREATE), (FINISHING, REMOVE)}:
        return True  # until it is gone
    return state in SERVICE.transitional or bool(next_action(phase, kind, state, was_active=was_active))


def reconcile_rollout(stack: Stack, services: Sequence[Service]) -> ReconcileResult | None:
    """Take the next steps of the stack's upgrade and say how far it is; None when there is nothing of it to do."""
    phase = str(stack.upgrade.get("phase", ""))
    number = stack.upgrade.get("to")
    # What is over stays over: a service that somebody stops later is not started again by a stack that is renamed.
    if phase not in STEADY or (phase in _OVER and stack.status.get(OVER) == number):
        return None
    is_achieved = stack.status.get("achieved") == stack.generation
    kinds, active = stack.upgrade.get("services", {}), set(stack.upgrade.get("start", ()))
    mine = [(each, kinds[str(each.uuid)], str(each.uuid) in active) for each in services if str(each.uuid) in kinds]
    operation = Operation.all_objects.filter(kind=stack.KIND, target=stack.pk, state__in=PENDING_STATES).first()
    for service, kind, was_active in mine:
        if kind == RETURN and is_achieved:  # it has run, and may have been stopped by somebody since
            continue
        _request(service, next_action(phase, kind, service.display_state, was_active=was_active), operation)
    waiting = [
        each for each, kind, was_active in mine if is_waited_for(phase, kind, each.display_state, was_active=was_active)
    ]
    status = {**stack.status, "health": health_of_stack(services)}
    if is_achieved or not waiting:
        status |= {"achieved": stack.generation, **({OVER: number} if phase in _OVER else {})}
        return ReconcileResult(state=STEADY[phase], status=status, requeue_after=RESYNC_SECONDS)
    done, total = len(mine) - len(waiting), len(mine)
    return ReconcileResult(
        state=stack.transition_state or stack.display_state,
        status=status,
        message=_first_trouble(waiting) or f"{done} of {counted(total, 'service')} done; next is {waiting[0].name}",
        progress=percent(done, total),
        requeue_after=RECHECK_SECONDS,
    )


def _request(service: Service, action: str, operation: Operation | None) -> None:
    """Request it unless somebody was faster: a later reconcile looks again."""
    if not action:
        return
    try:
        if action in {"remove", "activate"}:
            request_change(service, action, actor=SYSTEM, parent=operation)
        else:
            service_upgrade_step(service, action, actor=SYSTEM, parent=operation)
    except Problem:
        return


def _first_trouble(services: Iterable[Service]) -> str:
    found = next((each for each in services if each.fault and each.message), None)
    return labeled(found.name, found.message) if found is not None else ""
