"""What stays on a host that is being emptied, and what is stopped there: containers without a service."""

from __future__ import annotations

import re
import socket

from apps.containers.models import Container
from apps.containers.services import container_act
from apps.core.defaults import setting
from apps.core.errors import Problem
from apps.environments.access import SYSTEM
from apps.hosts.drain import Leaving
from apps.hosts.models import Host

SYSTEM_LABEL = "io.corral.system"
_AGENT = "corral/agent"
_AT_REST = frozenset({"stopped", "updating-stopped", "error"})
_OWN_ID = re.compile(r"[0-9a-f]{12}")


def is_system(row: Container) -> bool:
    """Whether this is a part of Corral itself: marked as such, an agent, or the container this very process is in."""
    if SYSTEM_LABEL in row.config.labels:
        return True
    mine = socket.gethostname()
    if _untagged(row.image) in {_AGENT, _untagged(setting("bootstrap.required.image"))}:
        return True
    return bool(_OWN_ID.fullmatch(mine)) and row.external_id.startswith(mine)


def _untagged(image: str) -> str:
    """An image without tag and digest; the colon of a registry's port is none of a tag's."""
    return re.sub(r"(:[^:/@]*)?(@.*)?$", "", image)


def standalone(host: Host) -> Leaving:
    """The host's containers that no service can replace: they stay, or are stopped if that was asked for."""
    rows = list(Container.all_objects.filter(host=host, removed=None, kept=False).exclude(desired="removed"))
    if not host.drain.get("stopStandalone"):
        return Leaving(stays=tuple(row.name for row in rows))
    ours = {row.pk for row in rows if is_system(row)}
    left = [row for row in rows if row.pk not in ours and row.shown not in _AT_REST]
    for row in left:
        _stop(row)
    return Leaving(len(left), stays=tuple(row.name for row in rows if row.pk in ours))


def _stop(row: Container) -> None:
    if row.LIFECYCLE.allows("stop", row.shown):
        try:
            container_act(row, "stop", actor=SYSTEM)
        except Problem:
            return  # somebody else was faster; the host is looked at again soon
