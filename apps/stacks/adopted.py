"""What new containers have of the compose project that their service was adopted from.

`Service.adopted` holds `project` and `service` by their names there, `naming` (what joins the parts of a container's
name), the `labels` that all containers of the service have, and `networks` (see `Container.networks`). `Stack.adopted`
holds `kind`, `project` and `host` (its number). Containers that were there already keep everything as it is.

The services of a stack that was imported from a Rancher server have besides the `scale` that they had there, and
`held`: the revision in which they have just the containers that were taken over from hosts, one host after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.stacks.models import Service

NUMBER_LABEL = "com.docker.compose.container-number"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
IMPORTED_PREFIX = "rancher:"  # of the external id of an imported stack; the old server's uuid follows


def is_held(row: Service) -> bool:
    """Whether the service has just what it took over, whatever its rules say: until it is upgraded.

    The other hosts of the old server still run its further containers, and join later: one more would be a second one.
    """
    return bool(row.adopted) and row.adopted.get("held") == row.revision


def container_name(row: Service, number: int) -> str:
    """The name of the container in slot `number`: as the project's own tool would call it."""
    if naming := row.adopted.get("naming"):
        return f"{row.adopted['project']}{naming}{row.adopted['service']}{naming}{number}"
    return f"{row.stack.name}_{row.name}_{number}"


def project_labels(row: Service, number: int) -> dict[str, str]:
    """The labels by which the project's own tool knows the container in slot `number` as one of its own."""
    labels = dict(row.adopted.get("labels", {}))
    return {**labels, NUMBER_LABEL: str(number), ONE_OFF_LABEL: "False"} if labels else {}
