"""Upgrading a whole stack by file or back to a revision: looked at first, then done in one transaction, and decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction

from apps.control.models import Operation, OperationLine
from apps.control.services import create_all, request_change
from apps.core.edits import StaleEdit
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.core.unique import unique_or
from apps.environments.access import can, verdict
from apps.environments.actor import SYSTEM, Actor
from apps.stacks.balancer.targets import parse_target_ports
from apps.stacks.link_checks import check_no_circles
from apps.stacks.locks import require_unlocked
from apps.stacks.models import Service, ServiceRevision, Stack
from apps.stacks.new_services import SERVICE_NAME_ONCE, describe_service, service_taken
from apps.stacks.one_address import with_counts
from apps.stacks.port_shortage import draft_port_shortage
from apps.stacks.revisions import check_note, save_first_revisions, shown_unit
from apps.stacks.service_options import ALIAS
from apps.stacks.services import links_restore, removal_columns
from apps.stacks.stack_draft import (
    ServiceStep,
    StackDraft,
    StackFiles,
    draft_from_files,
    prepare_return,
    prepare_steps,
    setting_columns,
)
from apps.stacks.stack_history import StackRevision
from apps.stacks.stack_plan import CREATE, REMOVE, UPGRADE, ServiceChange, plan_stack
from apps.stacks.stack_revisions import (
    StackNow,
    find_stack_revision,
    keep_current,
    next_stack_number,
    save_stack_revision,
    sources_of,
    stack_now,
    states_of,
)
from apps.stacks.stack_rollout import BACK, FINISHING
from apps.stacks.stack_succession import RETURN, UnfinishedUpgrade, is_replaceable, join_parts, unfinished_upgrade
from apps.stacks.undo import undo_columns
from apps.stacks.upgrade import CANCELED, CANCELED_ROLLBACK, ROLLING_BACK, UPGRADING
from apps.stacks.upgrade_in_place import write_in_place
from apps.stacks.upgrade_services import service_upgrade_step, write_upgrade

PHASES = {
    "cancelupgrade": CANCELED,
    "cancelrollback": CANCELED_ROLLBACK,
    "rollback": ROLLING_BACK,
    "finishupgrade": FINISHING,
}


def stack_act(row: Stack, action: str, *, actor: Actor, undo_seconds: int = 0) -> Stack:
    """Remove or purge a stack, or decide about its upgrade; a removal begins after `undo_seconds`."""
    held = undo_columns(undo_seconds)
    if action == "rollback":
        return _roll_back(row, actor)
    changes: dict[str, Any] = {**held, "removal": removal_columns(row, actor)} if action == "remove" else {}
    if action in PHASES:
        changes = {"upgrade": {**row.upgrade, "phase": PHASES[action]}}
    request_change(row, action, actor=actor, changes=changes)
    return row


def preview_upgrade(row: Stack, files: StackFiles, *, actor: Actor) -> StackDraft:
    """What an upgrade by these files would do, and what stands in its way. Raises `Forbidden`, `Invalid`."""
    _require_operator(row, actor)
    return _with_shortage(draft_from_files(stack_now(row), files, actor))


def _with_shortage(draft: StackDraft) -> StackDraft:
    """The draft with what is short of hosts' ports among its warnings: it would wait, which is no reason against it."""
    return replace(draft, warnings=(*draft.warnings, *draft_port_shortage(draft)))


def stack_upgrade(row: Stack, files: StackFiles, *, actor: Actor) -> Stack:
    """Bring the services to what the files say: all of it is desired when this returns, or nothing.

    What was before is kept as a revision, what is to be as the next one. An upgrade that is not finished is replaced:
    rolling back leads to what was before that one. Services that the file does not have stay,
    unless they are to go: then they are stopped now, and removed when the upgrade is finished. Raises `Invalid` (what
    the files say, and what stands in the way of any service), `StaleEdit` (not what the preview was based on any more),
    `Forbidden`, `ActionNotAvailable`, `Conflict`.
    """
    _require_upgradable(row, actor)
    note = check_note(files.note)
    with transaction.atomic():
        now = _lock(row)
        if files.based_on and files.based_on != now.basis:
            raise StaleEdit(row.name)
        _apply(draft_from_files(now, files, actor), actor, note)
    return row


def preview_return(row: Stack, number: int, *, actor: Actor) -> StackDraft:
    """What going back to a revision would do. Raises `Forbidden`, `Invalid`."""
    _require_operator(row, actor)
    return _with_shortage(_draft_from_revision(stack_now(row), find_stack_revision(row, number), actor))


def stack_return_to(row: Stack, number: int, *, actor: Actor, note: str = "", based_on: str = "") -> Stack:
    """Upgrade the stack to what its revision `number` was, links included, as a new revision; also long afterwards.

    Services that came since then go. Raises as `stack_upgrade` does.
    """
    _require_upgradable(row, actor)
    note = check_note(note) or f"Back to revision {number}"
    with transaction.atomic():
        now = _lock(row)
        if based_on and based_on != now.basis:
            raise StaleEdit(row.name)
        draft = _draft_from_revision(now, find_stack_revision(row, number), actor)
        if not draft.changes_anything:
            raise Invalid("revision", "InvalidOption", f"{row.name} is what revision {number} says already.")
        _apply(draft, actor, note)
    return row


def _draft_from_revision(now: StackNow, revision: StackRevision, actor: Actor) -> StackDraft:
    changes = plan_stack(now.states, states_of(revision), remove_missing=True)
    return StackDraft(now, prepare_steps(now, changes, actor), sources_of(revision))


def _require_operator(row: Stack, actor: Actor) -> None:
    allowed = can(actor, "operate", row.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)


def _require_upgradable(row: Stack, actor: Actor) -> None:
    """Say so of the stack before anything is said of its services."""
    require_unlocked(row, actor=actor, action="upgrade")
    decision = verdict(actor, "upgrade", row)
    if decision and row.display_state == "canceled-upgrade" and row.upgrade.get("phase") == CANCELED_ROLLBACK:
        why = f"The rollback of {row.name} was canceled half-way: roll back or finish its upgrade first."
        raise ActionNotAvailable(why, field="action")
    if not decision:
        raise (
            Forbidden(decision.reason)
            if decision.is_forbidden
            else ActionNotAvailable(f"upgrade: {decision.reason}", field="action")
        )


def _lock(row: Stack) -> StackNow:
    """The stack as it is now, with no other upgrade of it at the same time."""
    Stack.all_objects.select_for_update(no_key=True).get(pk=row.pk)
    return stack_now(row)


def _apply(draft: StackDraft, actor: Actor, note: str) -> None:
    if draft.problems:
        raise Invalid("dockerCompose", "InvalidOption", " ".join(draft.problems)[:2000])
    stack = draft.stack
    last = unfinished_upgrade(stack.display_state, stack.upgrade)
    steps = [each for each in draft.steps if each.row is not None and _has_work(each, last)]
    before = last.origin if last else keep_current(draft.now)
    number = max(stack.revision, before, next_stack_number(stack) - 1) + 1
    revision = save_stack_revision(stack, number, (), draft.sources, actor, note)
    parts = join_parts(last or UnfinishedUpgrade(before), _changes(draft), draft.only)
    upgrade = {
        "phase": UPGRADING,
        "services": parts,
        "start": _to_start_again(draft, parts, last),
        "from": before,
        "to": number,
    }
    changes = {**draft.sources, "revision": number, "previous_revision": before, "upgrade": upgrade}
    request = {"revision": number, "changes": {each.change.name: each.change.what for each in steps}, "note": note}
    operation = request_change(stack, "upgrade", actor=actor, changes=changes, request=request)
    OperationLine.objects.bulk_create([OperationLine(operation=operation, text=text) for text in draft.warnings])
    _create(steps, actor, operation, revision)
    for step in steps:
        _write(step, actor, operation, revision, last)
    _link(draft.now, steps, actor)
    _check_aliases(steps)
    there = stack_now(stack).states
    gone = {each.change.name for each in draft.steps if REMOVE in {each.change.what, parts.get(each.uuid)}}
    revision.services = [state.to_json() for name, state in sorted(there.items()) if name not in gone]
    revision.save(update_fields=["services"])


def _has_work(step: ServiceStep, last: UnfinishedUpgrade | None) -> bool:
    """Whether anything is to be requested of the service."""
    return step.change.changes_anything or _resumes(step, last)


def _resumes(step: ServiceStep, last: UnfinishedUpgrade | None) -> bool:
    """Whether the service's part in the upgrade before was canceled, and is to go on."""
    is_mine = last is not None and step.uuid in last.parts and step.row is not None
    return (
        is_mine
        and step.row is not None
        and is_replaceable(step.row.display_state, CANCELED)
        and (step.row.upgrade_phase == CANCELED and step.row.upgrade_target_id is None)
    )


def _changes(draft: StackDraft) -> list[tuple[str, str, str]]:
    return [(each.uuid, each.change.name, each.change.what) for each in draft.steps if each.row is not None]


def _to_start_again(draft: StackDraft, parts: Mapping[str, str], last: UnfinishedUpgrade | None) -> list[str]:
    """The services that run, or ran, and are to be removed or to return: a rollback has them run again."""
    was_stopped = last.stopped if last else frozenset()
    rows = [each.row for each in draft.steps if each.row is not None]
    return [
        str(row.uuid)
        for row in rows
        if parts.get(str(row.uuid)) in {REMOVE, RETURN} and (row.desired == "active" or str(row.uuid) in was_stopped)
    ]


def _create(steps: list[ServiceStep], actor: Actor, operation: Operation, revision: StackRevision | None) -> None:
    rows = [each.row for each in steps if each.change.what == CREATE and each.row is not None]
    with unique_or(service_taken("of this file", "dockerCompose"), SERVICE_NAME_ONCE):
        create_all(rows, actor=actor, requests=[describe_service(row) for row in rows], parent=operation)
    save_first_revisions(rows, actor, "compose", revision)


def _write(
    step: ServiceStep, actor: Actor, operation: Operation, revision: StackRevision, last: UnfinishedUpgrade | None
) -> None:
    """Request what becomes of the service. What the `last` upgrade made may go at once, what it canceled goes on."""
    is_new, resumes = last is not None and last.parts.get(step.uuid) == CREATE, _resumes(step, last)
    row, columns = step.row, step.columns
    if row is None or step.change.what == CREATE:
        return
    if step.upgrade is not None:
        write_upgrade(
            row,
            step.upgrade,
            actor=actor,
            note=revision.note,
            columns=columns,
            parent=operation,
            stack_revision=revision,
        )
    elif step.change.what == REMOVE:
        _stop(row, actor, operation, is_new=is_new)
    elif columns or resumes:
        write_in_place(row, columns, actor=actor, resumes=resumes, parent=operation)


def _stop(row: Service, actor: Actor, operation: Operation, *, is_new: bool) -> None:
    """What goes is stopped until the upgrade is finished; what is in the middle of an upgrade stops there."""
    if is_new:
        request_change(row, "remove", actor=SYSTEM, parent=operation)
    elif row.LIFECYCLE.allows("deactivate", row.display_state):
        request_change(row, "deactivate", actor=actor, changes={"restart": {}}, parent=operation)
    elif row.LIFECYCLE.allows("cancelupgrade", row.display_state):
        service_upgrade_step(row, "cancelupgrade", actor=actor, parent=operation)


def _link(now: StackNow, steps: list[ServiceStep], actor: Actor) -> None:
    """Set the links of the services whose links change; those that lead to nothing are left out."""
    relinked = [each for each in steps if each.relinks]
    if not relinked:
        return
    rows = {**now.rows, **{each.change.name: each.row for each in steps if each.row is not None}}
    outer = _outer_services(now.stack, relinked)
    for step in relinked:
        after, row = step.change.after, step.row
        if after is None or row is None:
            continue
        found = [(rows.get(name) or outer.get(name), alias) for alias, name in after.links.items()]
        rules = {alias: parse_target_ports(after.rules.get(alias, ())) for alias in after.links}
        links_restore(row, [(target, alias) for target, alias in found if target is not None], actor=actor, rules=rules)


def _check_aliases(steps: list[ServiceStep]) -> None:
    """Raise `Invalid` if an alias leads to itself once all links are as the files say, also through other stacks."""
    keys = [step.row.pk for step in steps if step.row is not None and step.row.kind == ALIAS]
    if keys:
        check_no_circles(Service.all_objects.filter(pk__in=keys, removed=None), "dockerCompose")


def _outer_services(stack: Stack, steps: list[ServiceStep]) -> Mapping[str, Service]:
    """The services of other stacks that are linked to, by `stack/service`."""
    names = {name for each in steps if each.change.after for name in each.change.after.links.values() if "/" in name}
    if not names:
        return {}
    services = {name.rpartition("/")[2] for name in names}
    found = Service.all_objects.filter(environment=stack.environment_id, name__in=services, removed=None)
    known = {f"{row.stack.name}/{row.name}": row for row in found.select_related("stack") if not row.removal_requested}
    return {name: row for name, row in known.items() if name in names}


def _roll_back(stack: Stack, actor: Actor) -> Stack:
    """Take back what the upgrade did: its services to what they were, links included; new ones go.

    Each service goes back the shortest way: by the rollback of its own upgrade, which starts the containers that were
    kept, or, if somebody has finished that meanwhile, by another upgrade. What people added since stays. It is a new
    revision, which says the same as the one of before.
    """
    target = StackRevision.objects.filter(stack=stack, number=stack.upgrade.get("from") or 0).first()
    if target is None:
        raise Invalid("action", "InvalidState", "There is no revision to roll back to.")
    with transaction.atomic():
        now = _lock(stack)
        kinds = dict(stack.upgrade.get("services", {}))
        wanted = states_of(target)
        changes = [
            each
            for each in plan_stack(now.states, wanted)
            if each.what == CREATE or str(now.rows[each.name].uuid) in kinds
        ]
        steps = [_step_back(now, each, actor) for each in changes]
        kinds |= {str(each.row.uuid): BACK for each in steps if each.upgrade is not None and each.row is not None}
        number, sources = next_stack_number(stack), sources_of(target)
        note = f"Rolled back to revision {target.number}"
        revision = save_stack_revision(stack, number, wanted.values(), sources, actor, note)
        columns = {
            **sources,
            "revision": number,
            "previous_revision": stack.upgrade.get("to"),
            "upgrade": {**stack.upgrade, "phase": ROLLING_BACK, "services": kinds},
        }
        request = {"revision": number, "rolledBackTo": target.number}
        operation = request_change(stack, "rollback", actor=actor, changes=columns, request=request)
        _create(steps, actor, operation, revision)
        for step in steps:
            _write_back(step, actor, operation, revision, target.number)
        _link(now, steps, actor)
    return stack


def _step_back(now: StackNow, change: ServiceChange, actor: Actor) -> ServiceStep:
    row = now.rows.get(change.name)
    if row is None:
        (step,) = prepare_steps(now, [change], actor)
        if step.change.problem:
            raise Invalid("action", "InvalidState", step.change.problem)
        return step
    columns = setting_columns(row, change)
    if change.what != UPGRADE or _way_back(row, change):
        return ServiceStep(change, row, columns=columns)
    if not row.LIFECYCLE.allows("upgrade", row.display_state):
        why = f"{row.name} is {row.display_state} by an upgrade of its own: finish or roll back that first."
        raise Invalid("action", "InvalidState", why)
    return ServiceStep(change, row, prepare_return(with_counts(row, columns), change), columns)


def _way_back(row: Service, change: ServiceChange) -> str:
    """The action that ends the service's own upgrade with what the change says; empty when there is none."""
    if not row.LIFECYCLE.allows("rollback", row.display_state):
        return ""
    before = ServiceRevision.objects.filter(service=row, number=row.previous_revision or 0).select_related("service")
    found, after = before.first(), change.after
    if found is None or after is None:
        return ""
    one, other = shown_unit(found), after.unit
    is_same = one.primary == other.primary and {each.name: each.config for each in one.sidekicks} == {
        each.name: each.config for each in other.sidekicks
    }
    return "rollback" if is_same else ""


def _write_back(step: ServiceStep, actor: Actor, operation: Operation, revision: StackRevision, before: int) -> None:
    row, columns = step.row, step.columns
    if row is None or step.change.what == CREATE:
        return
    if step.upgrade is not None:
        write_upgrade(
            row,
            step.upgrade,
            actor=actor,
            note=f"Back to revision {before} of the stack",
            columns=columns,
            parent=operation,
            stack_revision=revision,
        )
    elif step.change.what == UPGRADE:
        service_upgrade_step(row, "rollback", actor=actor, columns=columns, parent=operation, stack_revision=revision)
    elif row.LIFECYCLE.allows("finishupgrade", row.display_state):  # a rollback that was canceled half-way goes on
        service_upgrade_step(row, "finishupgrade", actor=actor, columns=columns, parent=operation)
    elif columns:
        request_change(row, "update", actor=actor, changes=columns, request=columns, parent=operation)
