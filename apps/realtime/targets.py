"""What a socket aims at: rows by the numbers or wire ids in its query, as far as the caller may know of them."""

from __future__ import annotations

from django.http import QueryDict

from apps.containers.models import Container
from apps.core.ids import row_number
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.realtime.authentication import SocketCredentials
from apps.realtime.base_socket import NOT_FOUND, SocketRejected


def row_id_from_query(query: QueryDict, name: str) -> int | None:
    """A row's number out of the query, plain or as a wire id; None when it is not there."""
    text = query.get(name, "")
    if not text:
        return None
    found = int(text) if text.isdecimal() and len(text) <= 18 else row_number(text)
    if found is None:
        raise not_found(name)
    return found


def not_found(what: str) -> SocketRejected:
    """The refusal for things that are not there, and for those of foreign environments alike."""
    return SocketRejected(NOT_FOUND, f"There is no such {what}.")


def requested_target(credentials: SocketCredentials, query: QueryDict, *kinds: str) -> tuple[str, int]:
    """Kind and number of the one thing the socket is for; a ticket says it, and the query must not say otherwise."""
    requested = next(((kind, found) for kind in kinds if (found := row_id_from_query(query, kind)) is not None), None)
    ticket = credentials.ticket
    if ticket is None:
        if requested is None:
            raise not_found(" or ".join(kinds))
        return requested
    ticket_target = (ticket.kind, ticket.target)
    if ticket.kind not in kinds or (requested is not None and requested != ticket_target):
        raise not_found(" or ".join(kinds))
    return ticket_target


def get_container(actor: Actor, key: int) -> Container:
    """A container that the actor may see, with its host."""
    environment_ids = actor.environments("view", everything=True)
    row: Container | None = (
        Container.objects.within(environment_ids).select_related("host").filter(pk=key, removed=None).first()
    )
    if row is None:
        raise not_found("container")
    return row


def get_host(actor: Actor, key: int) -> Host:
    """A host that the actor may see."""
    environment_ids = actor.environments("view", everything=True)
    row: Host | None = Host.objects.within(environment_ids).filter(pk=key, removed=None).first()
    if row is None:
        raise not_found("host")
    return row
