"""An upgrade of a stack that replaces one which is not finished: what counts on of the one before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.stacks.lifecycle import REPLACEABLE
from apps.stacks.stack_plan import CREATE, KEEP, REMOVE, UNCHANGED, UPDATE, UPGRADE
from apps.stacks.upgrade import CANCELED, UPGRADING

RETURN = "return"  # a service that the upgrade before stopped, and that is to run after all


@dataclass(frozen=True, slots=True)
class UnfinishedUpgrade:
    """What a stack keeps of an upgrade that is neither finished nor taken back.

    `origin` is the revision that a rollback leads to, `parts` says what became of which service, by its uuid, and
    `stopped` are the uuids of those that ran before they were stopped to be removed.
    """

    origin: int
    parts: Mapping[str, str] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()


def is_replaceable(state: str, phase: str) -> bool:
    """Whether a stack or service in this state is in an upgrade that another one may replace."""
    return phase in {UPGRADING, CANCELED} and state in REPLACEABLE.split()


def unfinished_upgrade(state: str, upgrade: Mapping[str, Any]) -> UnfinishedUpgrade | None:
    """The upgrade that a stack in this state would replace by another one; None when there is none."""
    if not is_replaceable(state, str(upgrade.get("phase", ""))) or not upgrade.get("from"):
        return None
    return UnfinishedUpgrade(
        int(upgrade["from"]), dict(upgrade.get("services", {})), frozenset(upgrade.get("start", ()))
    )


def part_of(before: str, what: str, *, has_run: bool = False) -> str:
    """What a service is to the new upgrade, that it was `before` and of which the new file makes `what`.

    Rolling back leads to where the first of both upgrades began: what that one made goes then, and what it replaced
    comes back. Empty when nothing is left of the service: it was new, and is not wanted any more. `has_run` is whether
    a service that was to go ran before.
    """
    if what == REMOVE:
        return "" if before == CREATE else REMOVE
    if before == REMOVE and what != UPGRADE:
        return RETURN if has_run else UPDATE
    if before in {CREATE, UPGRADE} and what in {UPGRADE, UPDATE, UNCHANGED, KEEP}:
        return before
    return before if what in {UNCHANGED, KEEP} else what


def join_parts(
    last: UnfinishedUpgrade, changes: Iterable[tuple[str, str, str]], only: Sequence[str] = ()
) -> dict[str, str]:
    """What each service is to the new upgrade, by its uuid.

    `changes` are uuid, name and what becomes of each service; with `only` those that are not among these names stay
    what they were to the upgrade before.
    """
    found = {}
    for uuid, name, what in changes:
        before = last.parts.get(uuid, "")
        if only and name not in only:
            part = before
        elif not before:
            part = "" if what in {UNCHANGED, KEEP} else what
        else:
            part = part_of(before, what, has_run=uuid in last.stopped)
        if part:
            found[uuid] = part
    return found
