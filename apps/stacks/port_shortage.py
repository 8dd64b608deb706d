"""Services whose containers would find no host, because something has a fixed port there that they publish."""

from __future__ import annotations

from apps.containers.launch.kind_labels import is_global
from apps.containers.launch.values import fixed_ports
from apps.containers.port_shortage import port_shortage
from apps.containers.services import build_container, requested_host
from apps.stacks.models import Service
from apps.stacks.unit_steps import build_sidekick


def service_port_shortage(row: Service, *, before: Service | None = None) -> str:
    """Why some containers of the service, as it is stored, find no host with their ports free; empty where all do.

    `before` is the service as it was: ports that it published then are its own. A global service says for each host
    why it has no container there.
    """
    if not row.has_containers or row.desired != "active" or is_global(row.config) or row.schedule:
        return ""
    primary = build_container(
        environment=row.environment,
        config=row.config,
        name=row.name,
        spread_key=str(row.uuid),
        requested_host=requested_host(row.config, row.environment_id),
    )
    mates = [build_sidekick(row, 0, "", each) for each in row.sidekicks]
    configs = [before.config, *(each.config for each in before.sidekicks)] if before is not None else []
    has_now = {port for config in configs for port in fixed_ports(config.published)}
    return port_shortage(primary, row.scale, mates=mates, has_now=has_now)
