"""Whose engine it is: an engine belongs to one host of one environment, whichever way it was added."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from apps.hosts.models import Host

ENGINE_CHANGED = "Another engine answers there than before. If that is meant, remove this host and add it again."
ENGINE_TAKEN = (
    "This engine is a host of another environment already: remove it there first. If the machine is a copy of another "
    "one (a cloned disk), both engines report the same id: delete /var/lib/docker/engine-id (before Docker 23 "
    "/etc/docker/key.json) on one of them and restart its engine, which then has an id of its own."
)
ENGINE_TWICE = (
    "This engine is here already as another host of this environment: remove one of the two. If their machines are "
    "copies of one disk, delete /var/lib/docker/engine-id (before Docker 23 /etc/docker/key.json) on one of them and "
    "restart its engine."
)
ENGINE_NAMELESS = "The engine reports no id, so it cannot be told apart from others; update it, then add it again."
ENGINE_UNKNOWN = "It is not known yet which engine answers there."


def owner_of(engine_id: str) -> Host | None:
    """The host to which an engine belongs, in whatever environment."""
    found: Host | None = Host.all_objects.filter(engine_id=engine_id, removed=None).exclude(engine_id="").first()
    return found


def claim_engine(row: Host, engine_id: str) -> str:
    """Make the engine that answered the host's own; return why that is refused, empty when it is not.

    Of two hosts that learn the same id at once the database lets one have it.
    """
    if not engine_id:
        return ENGINE_NAMELESS
    if row.engine_id:
        return "" if row.engine_id == engine_id else ENGINE_CHANGED
    try:
        with transaction.atomic():
            Host.all_objects.filter(pk=row.pk).update(engine_id=engine_id)
    except IntegrityError:
        return taken_message(row.environment_id, engine_id)
    row.engine_id = engine_id
    return ""


def taken_message(environment_id: int, engine_id: str) -> str:
    """Why an engine cannot be had, without a word about who has it unless that is this environment."""
    owner = owner_of(engine_id)
    return ENGINE_TWICE if owner is not None and owner.environment_id == environment_id else ENGINE_TAKEN


def why_unusable(host: Host) -> str:
    """Why nothing is requested of the host's engine, empty when it is the host's own."""
    return host.fenced or ("" if host.engine_id else ENGINE_UNKNOWN)
