"""What a socket aims at: rows by the numbers or wire ids in its query, as far as the caller may know of them."""

from __future__ import annotations

from django.http import QueryDict

from apps.containers.models import Container
from apps.core.ids import row_number
from apps.environments.access import Actor
from apps.hosts.models import Host
from apps.realtime.door import Caller
from apps.realtime.socket import NOT_FOUND, Refusal


def number(query: QueryDict, name: str) -> int | None:
    """A row's number out of the query, plain or as a wire id; None when it is not there."""
    text = query.get(name, "")
    if not text:
        return None
    found = int(text) if text.isdecimal() and len(text) <= 18 else row_number(text)
    if found is None:
        raise missing(name)
    return found


def missing(what: str) -> Refusal:
    """The refusal for things that are not there, and for those of foreign environments alike."""
    return Refusal(NOT_FOUND, f"There is no such {what}.")


def wanted(caller: Caller, query: QueryDict, *kinds: str) -> tuple[str, int]:
    """Kind and number of the one thing the socket is for; a ticket says it, and the query must not say otherwise."""
    asked = next(((kind, found) for kind in kinds if (found := number(query, kind)) is not None), None)
    ticket = caller.ticket
    if ticket is None:
        if asked is None:
            raise missing(" or ".join(kinds))
        return asked
    named = (ticket.kind, ticket.target)
    if ticket.kind not in kinds or (asked is not None and asked != named):
        raise missing(" or ".join(kinds))
    return named


def container(actor: Actor, key: int) -> Container:
    """A container that the actor may see, with its host."""
    mine = actor.environments("view", everything=True)
    row: Container | None = Container.objects.within(mine).select_related("host").filter(pk=key, removed=None).first()
    if row is None:
        raise missing("container")
    return row


def host(actor: Actor, key: int) -> Host:
    """A host that the actor may see."""
    mine = actor.environments("view", everything=True)
    row: Host | None = Host.objects.within(mine).filter(pk=key, removed=None).first()
    if row is None:
        raise missing("host")
    return row
