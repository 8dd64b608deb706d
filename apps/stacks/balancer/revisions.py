"""Revisions that replace no container: each change of a balancer is one, and what services do besides goes back too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction

from apps.control.services import request_change
from apps.core.errors import Conflict
from apps.environments.actor import Actor
from apps.stacks.balancer.differences import BalancerState, diff_balancers
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.revision_diff import FieldChange, diff_configs, diff_settings
from apps.stacks.revision_links import (
    Links,
    keep_links,
    links_at,
    links_of,
    links_of_revision,
    selector_of_revision,
)
from apps.stacks.revisions import COLUMNS, columns_of, next_number, save_revision, shown_unit
from apps.stacks.service_options import BALANCER
from apps.vault.models import Certificate

_OF_LISTENERS = frozenset({"ports", "expose"})  # of a launch configuration: the listeners say more


def revision_in_place(
    row: Service, columns: Mapping[str, Any], actor: Actor, note: str = "", links: Links | None = None
) -> dict[str, Any]:
    """Keep the next revision of a balancer whose containers stay; the columns that it is, besides those of the change.

    Empty where none is kept: of one that does not run, or whose upgrade may still be rolled back. `links` are those of
    before, where they have changed already. The caller's transaction. Raises `Conflict`.
    """
    is_change = links is not None or "balancer" in columns
    if row.kind != BALANCER or row.desired != "active" or row.upgrade_phase or not is_change:
        return {}
    number, version = next_number(row), row.current_version
    save_revision(row, row.revision, columns_of(row), None)
    keep_links(row, links)
    changed = {name: value for name, value in columns.items() if name in COLUMNS}
    try:
        with transaction.atomic():
            save_revision(row, number, {**columns_of(row), **changed, "primary_version": version}, actor, note)
    except IntegrityError:  # two changes took the same number in the same moment
        raise Conflict(f"{row.name} was changed by somebody else just now; look again and retry.") from None
    return {"revision": number, "primary_version": version}


@contextmanager
def links_as_revision(row: Service, actor: Actor) -> Iterator[None]:
    """What is done to the links of a balancer within is a revision; the first ones are not: before it did nothing."""
    with transaction.atomic():
        before = links_of(row) if row.kind == BALANCER else []
        yield
        if not before or before == links_of(row):
            return
        columns = revision_in_place(row, {}, actor, links=before)
        if columns:
            request_change(row, "update", actor=actor, changes=columns, request={"revision": columns["revision"]})


def columns_in_place(row: Service, revision: ServiceRevision) -> dict[str, Any]:
    """The columns that a return to a revision brings back while the containers stay; empty where nothing differs."""
    columns = selector_of_revision(revision) | ({"balancer": revision.balancer} if row.kind == BALANCER else {})
    is_same = revision.links is None or revision.links == links_of(row)
    return {} if is_same and all(getattr(row, name) == value for name, value in columns.items()) else columns


def return_in_place(row: Service, revision: ServiceRevision, actor: Actor, note: str = "") -> bool:
    """Go back to the settings, links and rules of a revision whose containers are those of today, as a new revision.

    Returns whether anything differed.
    """
    columns = columns_in_place(row, revision)
    if not columns:
        return False
    columns |= revision_in_place(row, columns, actor, note)
    request_change(row, "update", actor=actor, changes=columns, request={"revision": revision.number})
    links_of_revision(row, revision)
    return True


def changes_between(before: Service | ServiceRevision, after: Service | ServiceRevision) -> tuple[FieldChange, ...]:
    """What differs between two revisions of a service, of a balancer what it does too; `Service` is what it is now."""
    row = after if isinstance(after, Service) else after.service
    verdicts = [_verdict_at(each, row) for each in (before, after)]
    configs = diff_configs(shown_unit(before), shown_unit(after))
    if None not in verdicts:
        configs = (*configs, *diff_settings({"upgradeVerdict": verdicts[0]}, {"upgradeVerdict": verdicts[1]}))
    now = links_of(row)
    links = [links_at(each, row, now) for each in (before, after)]
    old, new = ([] if each is None else each for each in (links if None not in links else (now, now)))
    targets = Service.all_objects.filter(pk__in={each["target"] for each in (*old, *new)}).select_related("stack")
    names = {each.pk: each.name if each.stack_id == row.stack_id else f"{each.stack}/{each}" for each in targets}
    if row.kind != BALANCER:
        said = [_link_settings(each, row, found, names) for each, found in ((before, old), (after, new))]
        return (*configs, *diff_settings(*said))
    certificates = Certificate.all_objects.filter(environment=row.environment_id).values_list("pk", "name")
    changes = diff_balancers(_state(before, row, old, names), _state(after, row, new, names), dict(certificates))
    return (*changes, *(each for each in configs if each.field not in _OF_LISTENERS))


def _link_settings(
    revision: Service | ServiceRevision, row: Service, links: Links, names: Mapping[int, str]
) -> dict[str, Any]:
    """The links and their selector as settings, by v1's names; a service that is gone by what the link was called."""
    shown = {each["name"]: names.get(each["target"], each["name"]) for each in links}
    return {"links": shown, "selectorLink": _selector_at(revision, row)}


def _selector_at(revision: Service | ServiceRevision, row: Service) -> str:
    """The selector of links at the end of a revision; where it was not kept, today's."""
    is_kept = isinstance(revision, ServiceRevision) and revision.number != row.revision and revision.links is not None
    return revision.selector_link if is_kept else row.selector_link


def _verdict_at(revision: Service | ServiceRevision, row: Service) -> dict[str, Any] | None:
    """How upgrades are, or were at the end of a revision, judged; None where that was not kept."""
    source = row if isinstance(revision, Service) or revision.number == row.revision else revision
    return source.verdict_settings


def _state(revision: Service | ServiceRevision, row: Service, links: Links, names: Mapping[int, str]) -> BalancerState:
    is_current = isinstance(revision, Service) or revision.number == row.revision
    source = row if is_current else revision
    targets = {names.get(each["target"], each["name"]): each["ports"] for each in links}
    return BalancerState(BalancerSettings.from_json(source.balancer or {}), targets, _selector_at(revision, row))
