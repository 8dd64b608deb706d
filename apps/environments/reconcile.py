"""How an environment settles: at once, but for its removal, which waits until nothing is left inside."""

from __future__ import annotations

from apps.core.ports import ports
from apps.core.result import Result
from apps.environments.models import Environment, RoleGroup
from apps.environments.services import members_apply


def settle(row: Environment) -> Result:
    """The wish, seen; a removed environment first empties itself."""
    if row.desired != "removed":
        if row.removed is not None and row.desired != "purged":
            members_apply(row)  # its groups went when it was removed
        return Result(state=row.desired)
    for empty in ports.emptiers:  # from the top down: stacks, then containers, then the hosts they stand on
        left = empty(row.pk)
        if left:
            return Result(state="removing", message=f"Waiting for {left} things inside to go", again_in=1.0)
    for role in RoleGroup.objects.filter(environment=row).select_related("group"):
        role.group.delete()
    return Result(state="removed")
