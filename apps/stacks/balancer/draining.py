"""Containers that balancers still send requests to: who has to let go of them before they are stopped."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.departure import LEAVING_SINCE, leaving_since
from apps.containers.models import Container
from apps.core.defaults import setting_int
from apps.core.plurals import counted
from apps.stacks.balancer.certificates import balancers_with
from apps.stacks.balancer.finding import active_balancers
from apps.stacks.balancer.quoting import section_name
from apps.stacks.models import Service
from apps.stacks.service_options import ALIAS
from apps.vault.models import Certificate

DRAIN_SETTING = "lb.drain.seconds"
# The setting is about requests under way. A balancer that has not taken the container out yet, as the portal has much
# else to do, still sends new ones: it gets so much longer.
UNAWARE_SECONDS = 60.0
RELEASED = "released"  # in a balancer's status: containers it sends nothing to, with the time since when they wait
LEAVE_SETTING = "lb.leave.seconds"
ANNOUNCED = "announced"  # its own containers that leave, with the time since when they say so
SESSIONS = "sessions"  # and how many requests those still have that it waits for
BALANCED = "balanced"  # and what each of its own containers has loaded
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")


def reason_to_run(row: Container, since: str) -> tuple[str, Sequence[tuple[str, int]]]:
    """Why a container must not be stopped yet, and the balancers that do not know of it yet.

    Those that do look again by themselves, and have it reconciled once they have let go of it.
    """
    found, began = balancers_of(row), parse_datetime(since) or timezone.now()
    own = next((each for each in found if _is_of(row, each)), None)
    waiting = [each for each in found if each is not own and _holds(each, row, since)]
    unaware = [each for each in waiting if str(row.pk) not in each.status.get(SESSIONS, {})]
    limit, waited = drain_seconds(row), (timezone.now() - began).total_seconds()
    limit_of_unaware = limit and limit + UNAWARE_SECONDS
    if not waiting or waited >= (limit_of_unaware if unaware else limit):
        is_late = waited >= limit_of_unaware
        return _reason_of_balancer(own, row, began, is_late=is_late) if own is not None else ("", ())
    sessions = sum(int(each.status.get(SESSIONS, {}).get(str(row.pk), 0)) for each in waiting)
    names = ", ".join(sorted(str(each) for each in waiting))
    what = f"{counted(sessions, 'request')} of {names} to end" if sessions else f"{names} to send it no more requests"
    return f"Waits for {what}.", [("service", each.pk) for each in unaware]


def drain_seconds(row: Container) -> float:
    """How long a container may wait for balancers: what its configuration says, else what the installation does."""
    own = row.config.drain_timeout
    return setting_int(DRAIN_SETTING) if own is None else own / 1000


def _is_of(row: Container, service: Service) -> bool:
    return str(service.uuid) == row.spread_key


def _reason_of_balancer(
    own: Service, row: Container, began: datetime, *, is_late: bool
) -> tuple[str, Sequence[tuple[str, int]]]:
    """A balancer's container says that it leaves, for as long as clients may need to use another one instead."""
    seconds = setting_int(LEAVE_SETTING)
    if not seconds or not _has_another(row):
        return "", ()
    at = parse_datetime(own.status.get(ANNOUNCED, {}).get(str(row.pk), ""))
    if at is None or at < began:
        what = f"Waits for {own} to say at its ports that this container leaves."
        return ("", ()) if is_late else (what, [("service", own.pk)])
    left = seconds - (timezone.now() - at).total_seconds()
    return (f"Waits {left:.0f} s for clients to use the other containers of {own}.", ()) if left > 0 else ("", ())


def _has_another(row: Container) -> bool:
    others = Container.all_objects.filter(spread_key=row.spread_key, removed=None, state="running", desired="running")
    return others.exclude(pk=row.pk).filter(health__in=("", "healthy")).exists()


def _holds(balancer: Service, row: Container, since: str) -> bool:
    """Whether it runs, and has not let go of the container since it is to stop."""
    return bool(balancer.status.get(BALANCED)) and balancer.status.get(RELEASED, {}).get(str(row.pk)) != since


def balancers_of(row: Container) -> list[Service]:
    """The active balancers that lead to a container, be it through an alias, and the one that it is a container of.

    Two queries, whatever there is. Most environments have none, and each step of each container comes here: the second
    one takes four times as long.
    """
    rows = active_balancers(row.environment_id)
    if not rows.exists():
        return []
    mine = Q(links__target__members__container=row.pk)
    through_alias = Q(links__target__links__target__members__container=row.pk, links__target__kind=ALIAS)
    if row.spread_key:  # it may be no member any more
        mine |= Q(links__target__uuid=row.spread_key) | Q(uuid=row.spread_key)
        through_alias |= Q(links__target__links__target__uuid=row.spread_key, links__target__kind=ALIAS)
    return list(rows.filter(mine | through_alias).only("pk", "uuid", "name", "status").distinct())


def balancers_to_requeue(row: Container) -> Iterable[tuple[str, int]]:
    """The balancers to requeue when one of their targets' containers comes, goes or changes its health."""
    return [("service", each.pk) for each in balancers_of(row)] if row.keep_running or not row.spread_key else []


def balancers_of_target(row: Service) -> Iterable[tuple[str, int]]:
    """The balancers to requeue when a service that they lead to changes."""
    rows = active_balancers(row.environment_id)
    if not rows.exists():
        return []
    mine = Q(links__target=row.pk) | Q(links__target__links__target=row.pk, links__target__kind=ALIAS)
    return [("service", key) for key in rows.filter(mine).values_list("pk", flat=True).distinct()]


def balancers_of_certificate(row: Certificate) -> Iterable[tuple[str, int]]:
    """The balancers to requeue when a certificate that they show is renewed; any may be asked for one's proof."""
    if row.acme and row.is_placeholder:
        return [("service", key) for key in active_balancers(row.environment_id).values_list("pk", flat=True)]
    return [("service", each.pk) for each in balancers_with([row.pk]).get(row.pk, ())]


def leaving_containers(environment_id: int) -> list[Container]:
    """The containers of an environment that wait to be stopped."""
    rows = Container.all_objects.filter(environment=environment_id, removed=None, status__has_key=LEAVING_SINCE)
    return list(rows.defer("spec", "placement", "tags"))


def server_name(container: Container) -> str:
    """What a container is called in the backends of balancers."""
    return section_name(_NOT_IN_NAMES.sub("_", f"{container.name}-{container.pk}"))


def servers_of(container: Container, names: Collection[str]) -> set[str]:
    """Which of these servers are the container: a second one in a backend has its port at the end of its name."""
    base = server_name(container)
    return {each for each in names if each == base or (each.startswith(f"{base}-") and each[len(base) + 1 :].isdigit())}


def released_status(leaving: Iterable[Container], sessions: Mapping[int, int]) -> dict[str, Any]:
    """The part of a balancer's status that says which of the containers that wait may be stopped."""
    leaving = list(leaving)
    free = {str(each.pk): leaving_since(each) for each in leaving if not sessions.get(each.pk)}
    return {RELEASED: free, SESSIONS: {str(key): count for key, count in sessions.items() if count}}
