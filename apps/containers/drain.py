"""Draining a host of containers without a service: which stay, and which are stopped."""

from __future__ import annotations

import re
import socket

from apps.containers.models import Container
from apps.containers.services import container_act
from apps.core.defaults import setting
from apps.core.errors import Problem
from apps.environments.actor import SYSTEM
from apps.hosts.models import Host
from apps.hosts.workloads import DrainProgress

SYSTEM_LABEL = "io.corral.system"
_AGENT_IMAGE = "corral/agent"
_STOPPED_STATES = frozenset({"stopped", "updating-stopped", "error"})
_CONTAINER_ID = re.compile(r"[0-9a-f]{12}")


def is_system_container(row: Container) -> bool:
    """Whether this is a part of Corral itself: marked as such, an agent, or the container this very process is in."""
    if SYSTEM_LABEL in row.config.labels:
        return True
    hostname = socket.gethostname()
    if _without_tag(row.image) in {_AGENT_IMAGE, _without_tag(setting("bootstrap.required.image"))}:
        return True
    return bool(_CONTAINER_ID.fullmatch(hostname)) and row.external_id.startswith(hostname)


def _without_tag(image: str) -> str:
    """An image without tag and digest; the colon of a registry's port is none of a tag's."""
    return re.sub(r"(:[^:/@]*)?(@.*)?$", "", image)


def drain_standalone(host: Host) -> DrainProgress:
    """The host's containers that no service can replace: they stay, or are stopped if that was requested."""
    rows = list(Container.all_objects.filter(host=host, removed=None, keep_running=False).exclude(desired="removed"))
    rows = [row for row in rows if not row.runs_once]  # these are waited for by their services
    if not host.drain.get("stopStandalone"):
        return DrainProgress(staying=tuple(row.name for row in rows))
    system_ids = {row.pk for row in rows if is_system_container(row)}
    remaining = [row for row in rows if row.pk not in system_ids and row.display_state not in _STOPPED_STATES]
    for row in remaining:
        _stop(row)
    return DrainProgress(len(remaining), staying=tuple(row.name for row in rows if row.pk in system_ids))


def _stop(row: Container) -> None:
    if row.LIFECYCLE.allows("stop", row.display_state):
        try:
            container_act(row, "stop", actor=SYSTEM)
        except Problem:
            return  # somebody else was faster; the host is reconciled again soon
