"""The target of a socket: rows by the ids in its query or ticket, as far as the caller may see them."""

from __future__ import annotations

from django.http import QueryDict

from apps.containers.models import Container
from apps.core.ids import row_number
from apps.environments.actor import Actor
from apps.environments.socket_credentials import SocketCredentials
from apps.hosts.models import Host
from apps.realtime.base_socket import NOT_FOUND, SocketRejected


def row_id_from_query(query: QueryDict, name: str) -> int | None:
    """A primary key from the query, plain or as a wire id; None when the parameter is missing."""
    text = query.get(name, "")
    if not text:
        return None
    found = int(text) if text.isdecimal() and len(text) <= 18 else row_number(text)
    if found is None:
        raise not_found(name)
    return found


def not_found(name: str) -> SocketRejected:
    """The same rejection for rows that do not exist and for rows of other tenants."""
    return SocketRejected(NOT_FOUND, f"There is no such {name}.")


def requested_target(credentials: SocketCredentials, query: QueryDict, *kinds: str) -> tuple[str, int]:
    """Kind and primary key of the target; with a ticket it is the ticket's, and the query must not contradict it."""
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
