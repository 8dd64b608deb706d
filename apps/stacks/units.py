"""What to do with the sidekicks of one deployment unit: a pure function from what is there to the next steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.stacks.plan import REMOVED_STATES

_STOPPED = frozenset({"stopped", "error"})


@dataclass(frozen=True, slots=True)
class MemberView:
    """One sidekick's container as the plan sees it; `is_outdated` when it is of an older launch configuration.

    `serves_rollback` when it is of the revision that a rollback leads to: it is kept where the unit does without it.
    """

    container: int
    name: str
    desired: str = "running"
    state: str = "running"
    is_finished: bool = False
    is_outdated: bool = False
    serves_rollback: bool = False

    @property
    def is_leaving(self) -> bool:
        """Whether it is on its way out, and somebody else may have its name."""
        return self.desired in REMOVED_STATES or self.state in REMOVED_STATES

    @property
    def is_done(self) -> bool:
        """Whether it is where that of an active service should be: it runs, or has done its job."""
        return self.state == "running" or (self.state == "stopped" and self.is_finished)

    @property
    def is_at_rest(self) -> bool:
        """Whether it does not run, and is not to."""
        return self.state in _STOPPED and (self.desired == "stopped" or self.is_finished)


@dataclass(frozen=True, slots=True)
class UnitDemand:
    """What is wanted of a unit.

    `names` are its sidekicks. `replaces` when its turn in an upgrade has come; `keeps_previous` keeps what is replaced,
    stopped, for a rollback. A paused upgrade replaces nothing and removes nothing. With `awaits_primary` the primary
    container gives way to the one of before: what has stopped for that one starts again with it.
    """

    desired: str
    names: tuple[str, ...]
    replaces: bool = False
    keeps_previous: bool = False
    is_paused: bool = False
    awaits_primary: bool = False


@dataclass(slots=True)
class UnitPlan:
    """Sidekicks to `create` by name, and containers to `start`, `stop` and `remove`.

    `waiting` counts those that are not where they should be.
    """

    create: list[str] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    stop: list[int] = field(default_factory=list)
    remove: list[int] = field(default_factory=list)
    waiting: int = 0


def current_of(members: Sequence[MemberView]) -> MemberView | None:
    """Who of several has the name now: the one that is to run, else the newest."""
    there = [each for each in members if not each.is_leaving]
    return max(there, key=lambda each: (each.desired == "running", each.container), default=None)


def plan_unit(demand: UnitDemand, members: Sequence[MemberView]) -> UnitPlan:
    """The next steps for the sidekicks of one unit. At most one container of a name is to run at any time."""
    plan = UnitPlan()
    there = [each for each in members if not each.is_leaving]
    if demand.desired in REMOVED_STATES:
        plan.remove = [each.container for each in there]
        return plan
    for name in demand.names:
        group = [each for each in there if each.name == name]
        if demand.desired == "active":
            _plan_active(demand, name, group, plan)
        else:
            plan.stop += [each.container for each in group if each.desired == "running"]
            plan.waiting += sum(each.state != "stopped" for each in group)
    for each in there if not demand.is_paused else ():
        if each.name not in demand.names:
            _plan_left_out(demand, each, plan)
    return plan


def _plan_left_out(demand: UnitDemand, member: MemberView, plan: UnitPlan) -> None:
    """What the unit is to do without goes, or stays, stopped, for a rollback; while it runs its turn is awaited."""
    if member.is_at_rest:
        plan.remove += [] if member.serves_rollback else [member.container]
        return
    if demand.desired == "active" and not demand.replaces:
        return
    if not member.serves_rollback:
        plan.remove.append(member.container)
        return
    plan.waiting += demand.desired != "active"
    plan.stop += [member.container] if member.desired == "running" else []


def _plan_active(demand: UnitDemand, name: str, group: Sequence[MemberView], plan: UnitPlan) -> None:
    current = current_of(group)
    if current is None:
        plan.create.append(name)
        plan.waiting += 1
    elif not current.is_outdated:
        is_off = current.desired == "stopped" and not current.is_finished
        if not (is_off and demand.awaits_primary):  # the slot's turn is still to come: it must not wait for this one
            plan.start += [current.container] if is_off else []
            plan.waiting += not current.is_done
        _settle_others(demand, group, current, plan)
    elif demand.replaces:
        _replace(demand, name, group, current, plan)


def _settle_others(demand: UnitDemand, group: Sequence[MemberView], current: MemberView, plan: UnitPlan) -> None:
    """What else has the name is kept, stopped, while it may be wanted again."""
    for each in group:
        if each.container == current.container:
            continue
        if not (demand.keeps_previous or demand.is_paused):
            plan.remove.append(each.container)
        elif each.desired == "running":
            plan.stop.append(each.container)


def _replace(demand: UnitDemand, name: str, group: Sequence[MemberView], current: MemberView, plan: UnitPlan) -> None:
    """Stop it; once it is stopped, start what was kept of the wanted configuration, or create that.

    A job that has ended is not stopped, and does not run again.
    """
    if current.state not in _STOPPED or (current.desired == "running" and not current.is_finished):
        plan.stop += [current.container] if current.desired == "running" else []
        return
    kept = current_of([each for each in group if not each.is_outdated])
    if kept is not None:
        plan.start += [] if kept.is_finished else [kept.container]
    else:
        plan.create.append(name)
    if not demand.keeps_previous:
        plan.remove.append(current.container)
